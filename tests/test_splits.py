"""Splits: own ones, lists, seeded shares, and what a spec may not say."""

import os
import random
from fractions import Fraction
from pathlib import Path

import layouts
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from budgetnet import datasets
from budgetnet.datasets import SPLITS, DataError, Fault, Listing, Sample
from budgetnet.datasets._settings import parted, without
from budgetnet.datasets._splits import choice, divided
from budgetnet.errors import BudgetnetError


def sample(name: str, file: str = "", group: str | None = None) -> Sample:
    files = (file or f"/data/images/{name}.png", f"/data/masks/{name}.png")
    group = name.rpartition("_")[0] if group is None else group
    return Sample(
        name=name, image=files[0], labels=files[1], read=lambda *_: pytest.fail("read"), group=group, files=files
    )


def listing(*names: str, faults: tuple[Fault, ...] = (), folder: str = "/data/images") -> Listing:
    return Listing(samples=tuple(sample(name, f"{folder}/{name}.png") for name in names), faults=faults)


OWN = {
    split: listing(*(f"{split}{index}" for index in range(count)), folder=f"/data/{split}")
    for split, count in (("train", 20), ("val", 10), ("test", 10))
}
WHOLE = {"all": listing(*(f"{city}_{index:03d}" for city in "abcde" for index in range(20)))}


def split(own, argument: str, default: dict[str, str] | None = None) -> dict[str, list[str]]:
    made = divided(own, choice(f"/data{argument}", "tiny")[1], default=default)
    return {name: [each.name for each in found.samples] for name, found in made.items()}


def refused(own, argument: str, default: dict[str, str] | None = None) -> str:
    with pytest.raises(BudgetnetError) as caught:
        split(own, argument, default)
    return str(caught.value)


def names(listed: Listing) -> list[str]:
    return [each.name for each in listed.samples]


# --- what a spec says


@pytest.mark.parametrize(
    ("argument", "path", "settings"),
    [
        ("", "", []),
        ("/data", "/data", []),
        ("/data,val=0.2", "/data", [("val", "0.2")]),
        ("/a,b/c=d,val=x=y.txt,seed=3", "/a,b/c=d", [("val", "x=y.txt"), ("seed", "3")]),
        ("/data,val=a,b.txt,by=group", "/data", [("val", "a,b.txt"), ("by", "group")]),
        ("val=0.2", "", [("val", "0.2")]),
        ("odd=folder", "odd=folder", []),
        ("/data,val=", "/data", [("val", "")]),
        ("/data,map=a.yaml,map=b.yaml", "/data", [("map", "a.yaml"), ("map", "b.yaml")]),
    ],
)
def test_an_argument_is_parted_into_path_and_settings(argument, path, settings):
    assert parted(argument) == (path, settings)


def test_one_setting_is_taken_out_and_the_others_stay_as_they_are():
    assert without("/data,val=0.2,map=a.yaml,seed=3,map=b.yaml", "map") == (
        "/data,val=0.2,seed=3",
        ["a.yaml", "b.yaml"],
    )
    assert without("map=a.yaml,train=2", "map") == ("train=2", ["a.yaml"])
    assert without("/data,odd", "map") == ("/data,odd", [])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (",vla=0.2", "tiny: setting must be a known one; did you mean 'val'?, but got 'vla'"),
        (",val=0.2,val=0.3", "tiny: val must be given once, but got '0.2' and '0.3'"),
        (",val=0.2,seed=x", "tiny: seed must be a whole number of up to nine digits, but got 'x'"),
        (",val=0.2,seed=-1", "tiny: seed must be a whole number of up to nine digits, but got '-1'"),
        (",val=0.2,seed=1234567890", "tiny: seed must be a whole number of up to nine digits, but got '1234567890'"),
        (",val=0.2,by=city", "tiny: by must be image or group, but got 'city'"),
        (
            ",val=",
            "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got nothing",
        ),
        (",val=0", "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got '0'"),
        (
            ",val=1.0",
            "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got '1.0'",
        ),
        (
            ",val=-.5",
            "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got '-.5'",
        ),
        (
            ",val=nan",
            "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got 'nan'",
        ),
        (",val=20", "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, but got '20'"),
        (",val=0.5,test=0.6", "tiny: shares must add up to 1 or less, but got 0.5 + 0.6"),
        (",val=0.5,test=0.5", "tiny: shares must leave images for train, but got 0.5 + 0.5"),
        (",seed=3", "tiny: seed and by must come with a share, such as val=0.2, but got seed alone"),
        (",by=group", "tiny: seed and by must come with a share, such as val=0.2, but got by=group alone"),
        (",val=val,seed=0", "tiny: seed and by must come with a share, such as val=0.2, but got seed alone"),
        (
            ",train=train,val=train",
            "/data/train/train0.png: must be in one split, but is in train (train) and val (train)",
        ),
        (
            ",val=train,test=val,train=0.3,by=group",
            "tiny: by=group must be left out where images have no groups",
        ),
        (",val=train,test=val,train=test", None),
        (
            ",val=no.txt",
            "tiny: val must be a share between 0 and 1, a split of the data set, or a list file, "
            "but no.txt cannot be read: No such file or directory",
        ),
    ],
)
def test_what_a_spec_may_not_say(argument, message):
    if message is None:
        assert set(split(OWN, argument)) == set(SPLITS)
    else:
        assert refused(OWN, argument).splitlines()[0] == message


def test_all_faults_of_a_spec_are_told_at_once():
    assert len(refused(OWN, ",vla=1,seed=x,by=y,val=").splitlines()) == 4


# --- own splits


def test_without_settings_the_own_splits_stay_with_their_own_faults():
    fault = Fault(where="x", what="y")
    own = {"val": OWN["val"], "train": listing("a", faults=(fault,))}
    made = divided(own, choice("/data", "tiny")[1])
    assert list(made) == ["train", "val"], "in the order of SPLITS"
    assert made["train"].faults == (fault,)
    assert made["val"].faults == ()


def test_test_images_are_not_trained_on_unless_asked_for():
    for argument in (",val=0.2", ",val=val", ",train=0.5", ",train=train"):
        assert split(OWN, argument)["test"] == names(OWN["test"]), argument
    assert set(split(OWN, ",test=0.1")["train"]) & {*names(OWN["test"])}
    assert split(OWN, ",train=test,val=val")["train"] == names(OWN["test"])


def test_val_stays_as_it_is_where_only_others_are_named():
    made = split(OWN, ",test=0.1")
    assert made["val"] == names(OWN["val"])
    assert len(made["test"]) == 3, "a tenth of train and the old test together"
    assert len(made["train"]) == 27


def test_an_own_split_can_stand_for_another():
    made = split(OWN, ",test=val,val=0.1")
    assert made["test"] == names(OWN["val"])
    assert len(made["val"]) == 3
    assert not {*made["train"]} & {*made["val"], *made["test"]}


def test_parts_that_are_no_splits_can_be_named():
    parts = {"base": listing("b0", "b1"), "extended": listing("x0")}
    assert split(parts, ",train=base,val=extended") == {"train": ["b0", "b1"], "val": ["x0"]}
    assert split(parts, ",val=extended", {"val": "0.2"}) == {"train": ["b0", "b1"], "val": ["x0"]}


def test_val_takes_the_rest_where_only_train_is_said():
    made = split(WHOLE, ",train=0.7", {"val": "0.2"})
    assert (len(made["train"]), len(made["val"]), "test" in made) == (70, 30, False)
    assert list(split(WHOLE, ",train=0.7,test=0.3")) == ["train", "test"]


def test_names_that_are_there_twice_get_their_split():
    own = {part: listing("0", "1", folder=f"/data/{part}") for part in ("train", "val")}
    assert split(own, ",test=0.3")["val"] == ["val/0", "val/1"]
    assert split(own, "")["val"] == ["0", "1"]


def test_faults_of_any_file_go_with_every_split_made_anew():
    fault = Fault(where="x", what="y")
    made = divided({"all": listing("a", "b", faults=(fault,))}, choice("/d,val=0.5", "tiny")[1])
    assert [found.faults for found in made.values()] == [(fault,)] * 2


def test_of_no_images_there_are_empty_splits():
    assert split({"all": listing()}, "", {"val": "0.2"}) == {"train": [], "val": []}


# --- shares


@example(12, [1, 88], 0, False)
@given(
    st.integers(1, 60),
    st.lists(st.integers(1, 99), min_size=1, max_size=3),
    st.integers(0, 999),
    st.booleans(),
)
def test_shares_are_disjoint_seeded_and_as_large_as_they_can_be(count, percent, seed, by_group):
    assume(sum(percent) < 100)
    shares = dict(zip(("val", "test", "train"), percent, strict=False))
    rng = random.Random(seed)
    own = {
        "all": Listing(samples=tuple(sample(f"{index:02d}", group=f"g{rng.randrange(8)}") for index in range(count)))
    }
    groups = {each.name: each.group for each in own["all"].samples}
    argument = "".join(f",{name}={value / 100}" for name, value in shares.items()) + f",seed={seed}"
    if by_group:
        argument += ",by=group"
    needed = len(shares) + ("train" not in shares)
    there = len(set(groups.values())) if by_group else count
    if there < needed:
        assert "but there are only" in refused(own, argument)
        return
    made = split(own, argument)
    assert made == split(own, argument)
    flat = [name for each in made.values() for name in each]
    assert len(flat) == len(set(flat)) <= count
    if "train" not in shares:
        assert len(flat) == count
    assert all(made.values())
    assert all(each == sorted(each) for each in made.values()), "in the data set's order"
    if by_group:
        owner = {(groups[name], part) for part, each in made.items() for name in each}
        assert len(owner) == len({group for group, _ in owner}), "no group is in two splits"
    elif count >= 4 * needed:
        for name, value in shares.items():
            wanted = Fraction(value, 100) * count
            if all(len(each) == 1 for other, each in made.items() if other != name):
                wanted = min(wanted, Fraction(len(made[name])))  # the others must not be empty
            assert abs(len(made[name]) - wanted) <= max(1 - wanted, Fraction(1, 2))


def test_shares_do_not_depend_on_the_order_of_files():
    shuffled = list(WHOLE["all"].samples)
    random.Random(1).shuffle(shuffled)
    made = split({"all": Listing(samples=tuple(shuffled))}, ",val=0.3")
    assert {*made["val"]} == {*split(WHOLE, ",val=0.3")["val"]}


def test_seeds_differ_and_no_seed_is_seed_0():
    drawn = [tuple(split(WHOLE, f",val=0.3{seed}")["val"]) for seed in ("", ",seed=0", ",seed=1", ",seed=2")]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_the_draw_is_even():
    counts = dict.fromkeys(names(WHOLE["all"]), 0)
    for seed in range(300):
        for name in split(WHOLE, f",val=0.3,seed={seed}")["val"]:
            counts[name] += 1
    # Of 300 draws with 0.3 each: standard deviation 7.9; five of them are never seen by chance.
    assert all(abs(count - 90) < 40 for count in counts.values())


def test_the_same_draw_on_every_machine_and_version():
    assert split(WHOLE, ",val=0.05")["val"] == ["a_013", "b_008", "b_019", "c_013", "d_012"]


def test_more_images_move_few():
    more = {"all": listing(*names(WHOLE["all"]), *(f"f_{index}" for index in range(10)))}
    before, after = ({*split(own, ",val=0.3")["val"]} for own in (WHOLE, more))
    assert len(before - after) <= 5


def test_another_share_leaves_val_alone():
    val = split(WHOLE, ",val=0.2")["val"]
    assert val == split(WHOLE, ",val=0.2,test=0.3")["val"] == split(WHOLE, ",val=0.2,train=0.1")["val"]


@pytest.mark.parametrize("shares", [("0.5", "0.5"), ("0.9", "0.1"), ("0.333", "0.667"), ("0.8", "0.2")])
@pytest.mark.parametrize("count", [2, 3, 5, 7, 100])
def test_shares_that_add_up_to_one_leave_no_image_out(shares, count):
    own = {"all": listing(*(f"{index:03d}" for index in range(count)))}
    made = split(own, f",train={shares[0]},val={shares[1]}")
    assert sum(map(len, made.values())) == count
    assert all(made.values())


def test_tenths_add_up_to_one():
    assert refused(WHOLE, ",val=0.7,test=0.3") == "tiny: shares must leave images for train, but got 0.7 + 0.3"
    assert sum(map(len, split(WHOLE, ",train=0.7,val=0.1,test=0.2").values())) == 100


def test_whole_groups_are_drawn_as_near_to_the_share_as_can_be():
    made = split(WHOLE, ",val=0.2,test=0.4,by=group")
    assert [len({name[0] for name in made[part]}) for part in SPLITS] == [2, 1, 2]
    assert [len(made[part]) for part in SPLITS] == [40, 20, 40]


@pytest.mark.parametrize(
    ("own", "argument", "message"),
    [
        (listing("a"), ",val=0.2", "each of val, train must get images, but there are only 1 to draw"),
        (
            listing("a", "b"),
            ",val=0.2,test=0.2",
            "each of val, test, train must get images, but there are only 2 to draw",
        ),
        (
            listing("a_0", "a_1", "a_2"),
            ",val=0.2,by=group",
            "each of val, train must get groups of images, but there are only 1 to draw",
        ),
        (listing("a", "b"), ",val=0.2,by=group", "by=group must be left out where images have no groups"),
    ],
)
def test_shares_that_leave_a_split_empty(own, argument, message):
    assert refused({"all": own}, argument) == f"tiny: {message}"


def test_missing_labels_are_told_rather_than_too_few_images():
    fault = Fault(where="b.png", what="no labels")
    assert refused({"all": listing("a", faults=(fault,))}, ",val=0.2") == "b.png: no labels"


# --- lists


def listed(tmp_path: Path, *lines: str, own=OWN, name: str = "val.txt") -> list[str]:
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return split(own, f",val={tmp_path / name}")["val"]


def wrong(tmp_path: Path, *lines: str, own=OWN) -> str:
    with pytest.raises(BudgetnetError) as caught:
        listed(tmp_path, *lines, own=own)
    return str(caught.value).replace(f"{tmp_path}{os.sep}", "")


@pytest.mark.parametrize(
    "line",
    [
        "train7",
        "train7.png",
        "train7.PNG",
        "train/train7.png",
        "./train/train7.png",
        "train/train7",
        "/SegNet/CamVid/train/train7.png /SegNet/CamVid/trainannot/train7.png",
        "train/train7.png\ttrainannot/train7.png",
        "train7.png,train7_label.png",
        "  train7\r",
        "/data/train/train7.png",
    ],
)
def test_forms_in_which_lists_name_images(line, tmp_path):
    assert listed(tmp_path, "# held out", "", line) == ["train7"]


def test_a_list_keeps_its_order_and_a_byte_order_mark_is_no_name(tmp_path):
    assert listed(tmp_path, "\ufefftrain3", "train1", "test2") == ["train3", "train1", "test2"]
    assert split(OWN, f",val={tmp_path / 'val.txt'}")["test"] == [f"test{index}" for index in range(10) if index != 2]


def test_names_with_blanks_commas_and_dots(tmp_path):
    own = {"all": listing("my image, no. 1", "b.c", "d")}
    assert listed(tmp_path, "my image, no. 1.png", "b.c", own=own) == ["my image, no. 1", "b.c"]


def test_folders_tell_images_of_one_name_apart(tmp_path):
    own = {"all": listing("a/0", "b/0", "b/1", "c")}
    assert listed(tmp_path, "b/0.png", "elsewhere/images/a/0", "1", own=own) == ["b/0", "a/0", "b/1"]
    assert (
        wrong(tmp_path, "0.png", own=own)
        == "val.txt:1: must name one image only, but '0.png' may be all/a/0 or all/b/0"
    )
    assert (
        wrong(tmp_path, "x/1.png", own=own)
        == "val.txt:1: must name an image of the data set, such as 'a/0', but got 'x/1.png'"
    )


def test_splits_tell_images_of_one_name_apart(tmp_path):
    own = {part: listing("0", "1", folder=f"/data/{part}") for part in ("train", "val")}
    assert listed(tmp_path, "/other/machine/val/0.png", own=own) == ["val/0"]
    assert "may be train/0 or val/0" in wrong(tmp_path, "/other/0.png", own=own)


def test_all_faults_of_a_list_are_told_with_their_lines(tmp_path):
    assert wrong(tmp_path, "train1", "tarin2", "", "train1.png", "val99.png") == (
        "val.txt:2: must name an image of the data set, such as 'train0', but got 'tarin2'\n"
        "val.txt:4: must name each image once, but got 'train1.png', which is in line 1\n"
        "val.txt:5: must name an image of the data set, such as 'train0', but got 'val99.png'"
    )


@pytest.mark.parametrize("lines", [(), ("# nothing",)])
def test_a_list_of_nothing(lines, tmp_path):
    assert wrong(tmp_path, *lines) == "val.txt: a list of images must name one or more, but names none"


def test_a_list_that_is_no_text(tmp_path):
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x00")
    told = refused(OWN, f",val={tmp_path / 'val.txt'}")
    assert told.endswith("val.txt cannot be read: it is no text")


def test_lists_that_overlap(tmp_path):
    for name, lines in (("a.txt", "train1\ntrain2"), ("b.txt", "train3\ntrain2")):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    a, b = (tmp_path / name for name in ("a.txt", "b.txt"))
    assert refused(OWN, f",val={a},test={b}") == (
        f"/data/train/train2.png: must be in one split, but is in val ({a}) and test ({b})"
    )


def test_missing_labels_are_told_with_what_a_list_names_for_that(tmp_path):
    own = {"all": listing("a", faults=(Fault(where="b.png", what="no labels"),))}
    with pytest.raises(DataError) as caught:
        listed(tmp_path, "b", own=own)
    assert [fault.where for fault in caught.value.faults] == ["b.png", f"{tmp_path / 'val.txt'}:1"]


def test_a_list_that_takes_everything(tmp_path):
    own = {"all": listing("a", "b")}
    assert wrong(tmp_path, "a", "b", own=own) == "tiny: train must hold one image or more, but val=val.txt leaves none"


@given(st.sets(st.sampled_from(names(OWN["train"])), min_size=1, max_size=19), st.integers(0, 3), st.randoms())
def test_whatever_a_list_names_is_that_split_and_the_rest_is_train(tmp_path_factory, chosen, form, rng):
    folder = tmp_path_factory.mktemp("lists")
    lines = [("{}", "{}.png", "train/{}.png", "/x/train/{}.png y/{}.png")[form].format(each, each) for each in chosen]
    rng.shuffle(lines)
    (folder / "val.txt").write_text("\n".join(lines), encoding="utf-8")
    made = split(OWN, f",val={folder / 'val.txt'}")
    assert {*made["val"]} == chosen
    assert {*made["train"]} == {*names(OWN["train"]), *names(OWN["val"])} - chosen


# --- every reader


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_a_list_of_its_own_image_files_works_for_every_reader(name, tmp_path):
    spec = layouts.make(name, tmp_path / "data")
    held_out = datasets.find(spec).splits["train"].samples[1]
    file = Path(held_out.files[0])
    for index, line in enumerate(
        (held_out.name, file.name, file.stem, f"/elsewhere/{file.parent.name}/{file.name}", file)
    ):
        (tmp_path / f"{index}.txt").write_text(f"{line}\n", encoding="utf-8")
        found = datasets.find(f"{spec},val={tmp_path / str(index)}.txt")
        assert names(found.splits["val"]) == [held_out.name], line
        assert held_out.name not in names(found.splits["train"])


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_shares_work_for_every_reader_and_read_the_same_images(name, tmp_path):
    spec = layouts.make(name, tmp_path)
    whole = [each for found in datasets.find(spec).splits.values() for each in found.samples]
    made = datasets.find(f"{spec},val=0.4,seed=2").splits
    by_file = {each.files: each for each in whole}
    assert sorted(by_file) == sorted(each.files for found in made.values() for each in found.samples)
    drawn = made["val"].samples[0]
    np.testing.assert_array_equal(drawn.read(0, 0)[1], by_file[drawn.files].read(0, 0)[1])


@pytest.mark.parametrize("name", [*layouts.LAYOUTS, "prepared"])
def test_no_folder_given_and_unknown_settings_for_every_reader(name, tmp_path):
    with pytest.raises(BudgetnetError, match=f"^{name} must be given its folder, as in {name}:FOLDER, but got none$"):
        datasets.find(name)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_settings_are_checked_by_every_reader(name, tmp_path):
    with pytest.raises(
        BudgetnetError, match=f"^{name}: setting must be a known one; did you mean 'val'\\?, but got 'vl'$"
    ):
        datasets.find(f"{layouts.make(name, tmp_path)},vl=0.2")
