"""Work in threads: results in order, few of them waiting, nothing begun after the end."""

import threading
import time
from contextlib import closing

import pytest

from budgetnet.data.order import in_order


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers):
    def slowest_first(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))
        return item * item

    assert list(in_order(slowest_first, range(50), workers)) == [item * item for item in range(50)]


def test_only_a_few_are_made_ahead():
    made = []
    with closing(in_order(made.append, iter(range(10**9)), workers=2)) as results:
        next(results)
        time.sleep(0.05)
        assert 1 <= len(made) <= 5


def test_an_exception_is_raised_in_its_place_and_nothing_further_begins():
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError(item)
        return item

    results = in_order(work, range(1000), workers=2)
    got = []
    with pytest.raises(ValueError, match="3"):
        got.extend(results)
    assert len(begun) < 20
    assert threading.active_count() < 20


def test_closed_early_its_threads_end():
    before = threading.active_count()
    results = in_order(lambda item: item, range(100), workers=3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before
