import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnet import loss_spec
from budgetnet.loss_spec import RULE, Sum, Term

NAMES = loss_spec.names()

SUMS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.tuples(
        *(st.builds(Term, weight=st.floats(1e-9, 1e9, exclude_min=True), name=st.just(name)) for name in names)
    )
)


def test_the_losses_of_the_issue_are_known():
    wanted = {"cross_entropy", "weighted_cross_entropy", "iou", "lovasz", "dice", "focal", "ohem"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("cross_entropy", [(1.0, "cross_entropy")]),
        ("  weighted-cross-entropy+.5*lovasz ", [(1.0, "weighted_cross_entropy"), (0.5, "lovasz")]),
        ("2 * Dice + 1e-3 * iou", [(2.0, "dice"), (0.001, "iou")]),
    ],
)
def test_a_sum_is_read(text, terms):
    assert [(term.weight, term.name) for term in loss_spec.parse(text).terms] == terms


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.0 * dice", "dice"),
        ("2.0*dice+iou", "2 * dice + iou"),
        ("0.50*weighted-cross-entropy + 3e0 * focal", "0.5 * weighted_cross_entropy + 3 * focal"),
    ],
)
def test_a_sum_reads_the_same_however_it_was_written(text, canonical):
    assert str(loss_spec.parse(text)) == canonical


@given(SUMS)
def test_text_gives_the_sum_back(terms):
    assert loss_spec.parse(str(Sum(terms))) == Sum(terms)


@given(st.text(alphabet="dice iou0123456789.e+-*_ \n", max_size=30))
def test_whatever_is_written_is_a_sum_or_a_broken_rule(text):
    found, rule = (), None
    try:
        found = loss_spec.parse(text).terms
    except ValueError as error:
        rule = str(error)
    assert bool(found) == (rule is None)
    assert rule is None or rule.startswith("must ")
    assert all(0 < term.weight < math.inf for term in found)


@pytest.mark.parametrize(
    "text", ["", "+", "dice +", "+ dice", "dice iou", "dice - iou", "3 *", "3", "-1 * dice", "dice * 3"]
)
def test_what_is_no_sum_is_told_the_rule(text):
    with pytest.raises(ValueError, match="must be a sum of losses, each with its weight before it") as caught:
        loss_spec.parse(text)
    assert str(caught.value) == RULE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lovas", "must name known losses, and 'lovas' is none; did you mean 'lovasz'?"),
        ("qqq", f"must name known losses, and 'qqq' is none; known: {', '.join(NAMES)}"),
        ("dice + iou + 2 * dice", "must name each loss once, and 'dice' is there 2 times"),
        ("0 * dice", "must give losses weights above 0 and finite, and 'dice' has 0"),
        ("1e999 * dice", "must give losses weights above 0 and finite, and 'dice' has 1e999"),
    ],
)
def test_a_broken_rule_is_told(text, message):
    with pytest.raises(ValueError, match="must") as caught:
        loss_spec.parse(text)
    assert str(caught.value) == message
