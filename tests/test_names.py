"""Names of folders after data sets: safe, short, and of one data set only."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from budgetnet.data.names import own_name, short_name

ANYTHING = st.text(alphabet=st.characters(), max_size=300)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("synthetic", "synthetic"),
        ("synthetic:train=2,val=1", "synthetic-train-2-val-1"),
        ("camvid:CamVid", "camvid-CamVid"),
        ("camvid:CamVid,val=0.2", "camvid-CamVid-val-0.2"),
    ],
)
def test_a_spec_that_a_name_can_tell_is_its_name(spec, name):
    assert own_name(spec) == short_name(spec) == name


@given(argument=ANYTHING)
@example("/data/" + "漢" * 300)
@example("../\udcff/..")
@example("\n<b>'\"\\")
def test_names_are_plain_and_short(argument):
    for made in (short_name(f"camvid:{argument}"), own_name(f"camvid:{argument}")):
        assert made.startswith("camvid")
        assert len(made.encode()) < 100
        assert not set(made) & {*'/\\:*?"<>|,= \t\n', "\0"}
        assert made.isprintable()


@given(specs=st.sets(st.text(alphabet=string.ascii_letters + "/-.,= ", max_size=8), min_size=2, max_size=2))
@example({"/a/CamVid", "/b/CamVid"})
@example({".", ".."})
@example({"a-b", "a,b"})
@example({"x" * 90, "x" * 91})
def test_other_specs_have_other_names(specs):
    assert len({own_name(f"camvid:{each}") for each in specs}) == 2
