"""Values written as YAML read back as they were, by our reader and by others'."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from budgetnet.yaml_source import parse
from budgetnet.yaml_text import flow

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"))
TEXTS = st.one_of(
    PRINTABLE,
    st.text(st.sampled_from("ab:#-=&*!|>'\"%@`{}[],?\\ \n\t~.<0")),
    st.sampled_from(
        ["no", "Yes", "null", "~", "", " ", "1e5", "0x1F", ".inf", "2026-11-21", "12:30", "=", "<<", "---"]
    ),
)
NUMBERS = st.one_of(st.integers(-(10**30), 10**30), st.floats(allow_nan=False))
LEAVES = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Equal, in the same types."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    source = parse(f"x: {flow(value)}\n".encode(), "x.yaml")
    assert not source.problems
    assert same(source.value["x"], value)


@given(st.one_of(TEXTS, NUMBERS, st.booleans(), st.none(), st.lists(LEAVES, max_size=3)))
@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
def test_other_readers_understand_it(version: tuple[int, int], value: Any) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version  # type: ignore[assignment]
    assert same(yaml.load(f"x: {flow(value)}\n")["x"], value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("jetson-tx2", "jetson-tx2"),
        ("Four cameras in town.", "Four cameras in town."),
        ("camvid:/x", '"camvid:/x"'),
        ("on", '"on"'),
        ('a "b"\n\\', '"a \\"b\\"\\n\\\\"'),
        ("\x07\x85\u2028\U000e0001", '"\\x07\\x85\\u2028\\U000e0001"'),
        (30, "30"),
        (29.97, "29.97"),
        (1e-05, "1.0e-05"),
        (1e22, "1.0e+22"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        (None, "null"),
        ({"a": [True, 1]}, "{a: [true, 1]}"),
    ],
)
def test_how_it_is_written(value: Any, text: str) -> None:
    assert flow(value) == text
