from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from budgetnet.search.pareto import dominates, front

points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25)


def test_dominates():
    assert dominates((2, 2), (2, 1))
    assert not dominates((2, 2), (2, 2))
    assert not dominates((3, 1), (1, 3))


@given(points)
def test_the_front_is_what_nothing_dominates(given_points):
    kept = front(given_points)
    for index, (x, y) in enumerate(given_points):
        beaten = any((a >= x and b >= y) and (a, b) != (x, y) for a, b in given_points)
        assert (index in kept) == (not beaten)


@given(points)
def test_the_front_falls_in_one_coordinate_as_it_rises_in_the_other(given_points):
    kept = [given_points[index] for index in front(given_points)]
    assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(kept))


@given(points)
def test_whatever_is_off_the_front_has_a_dominator_on_it(given_points):
    kept = front(given_points)
    for index in range(len(given_points)):
        beaten_by = [other for other in kept if dominates(given_points[other], given_points[index])]
        assert bool(beaten_by) == (index not in kept)
