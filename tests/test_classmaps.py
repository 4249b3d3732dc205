"""Class maps: every file keeps the contract; every fault in a file is told, with its line, all at once."""

from pathlib import Path

import pytest

from budgetnet import classmaps
from budgetnet.classes import IGNORE
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.plugins import data_files, load_module

SOURCE = {0: "sky", 1: "tar", 2: "car", 3: "odd"}

GOOD = """\
source: tiny
classes_name: tiny3
void: none
classes:
  - {name: sky, colour: [1, 2, 3]}
  - {name: road, colour: [0, 255, 0]}
  - {name: none, colour: [0, 0, 0]}
map:
  0: sky
  1: road
  2: ignore
  3: none
"""


GOOD_END = GOOD[GOOD.index("classes:") :]


def text_of(key: str) -> str:
    return data_files("budgetnet.classmaps")[key].read_text(encoding="utf-8")


def maps_of(source: str) -> list[classmaps.ClassMap]:
    return classmaps.for_source(source, load_module("budgetnet.datasets", source, "data set").SOURCE_CLASSES)


def faults(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        classmaps.parse(text, "tiny", SOURCE)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("key", classmaps.names())
def test_every_file_keeps_the_contract(key):
    source = classmaps.source_of(text_of(key), key)
    source_classes = load_module("budgetnet.datasets", source, "data set").SOURCE_CLASSES
    found = classmaps.parse(text_of(key), key, source_classes)
    assert key == f"{source}-{found.classes.name.removeprefix(source + '-')}"
    assert found in classmaps.for_source(source, source_classes)
    assert set(found.targets) == set(source_classes)
    used = set(found.targets.values())
    assert used - {IGNORE} == set(found.classes.scored), "every class but void must have a source class"
    assert len(found.classes.colours) == len(found.classes)


def test_no_two_maps_of_a_source_share_their_name():
    named = [
        (classmaps.source_of(text_of(key), key), text_of(key).split("classes_name: ")[1].split()[0])
        for key in classmaps.names()
    ]
    assert len(set(named)) == len(named)


def test_lab7_is_the_published_list_with_its_colours_on_every_source():
    for source in ("camvid", "synthetic"):
        classes = {found.classes.name: found.classes for found in maps_of(source)}["lab7"]
        assert dict(zip(classes.names, classes.colours, strict=True)) == {
            "sky": (70, 130, 180),
            "infrastructure": (255, 255, 0),
            "road": (0, 255, 0),
            "sidewalk": (244, 35, 232),
            "vehicles": (0, 0, 255),
            "vulnerable road users": (255, 0, 0),
            "void": (0, 0, 0),
        }
        assert classes.void == 6


def test_void_pixels_are_ignored_but_the_class_stays():
    found = classmaps.parse(GOOD, "tiny", SOURCE)
    assert found.classes.names == ("sky", "road", "none")
    assert found.classes.void == 2
    assert found.classes.scored == (0, 1)
    assert dict(found.targets) == {0: 0, 1: 1, 2: IGNORE, 3: IGNORE}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("  2: ignore\n", "", 9, "map.2: must map every id of the source (car is left out), but got nothing"),
        (
            "2: ignore",
            "2: rood",
            11,
            "map.2: must be a name of the classes, or ignore; did you mean 'road'?, but got 'rood'",
        ),
        ("  2: ignore\n", "  2: ignore\n  2: sky\n", 12, "map.2: must be mapped once, but got a second one"),
        (
            "  2: ignore\n",
            "  2: ignore\n  9: sky\n",
            12,
            "map: must have ids of the source as keys (0 sky, 1 tar, 2 car, 3 odd), but got '9'",
        ),
        (
            "  2: ignore\n",
            "  2: ignore\n  two: sky\n",
            12,
            "map: must have ids of the source as keys (0 sky, 1 tar, 2 car, 3 odd), but got 'two'",
        ),
        (
            "[1, 2, 3]",
            "[1, 2, 256]",
            5,
            "classes[0].colour: must be three whole numbers from 0 to 255: red, green, blue, but got a list of 3",
        ),
        (
            "[1, 2, 3]",
            "[1, 2]",
            5,
            "classes[0].colour: must be three whole numbers from 0 to 255: red, green, blue, but got a list of 2",
        ),
        (
            "[1, 2, 3]",
            "blue",
            5,
            "classes[0].colour: must be three whole numbers from 0 to 255: red, green, blue, but got 'blue'",
        ),
        (
            "[1, 2, 3]",
            "[0, 255, 0]",
            6,
            "classes[1].colour: must differ from the colours of the other classes, but got (0, 255, 0)",
        ),
        (
            "name: none, ",
            "name: road, ",
            7,
            "classes[2].name: must be a name of its own, and not 'ignore', but got 'road'",
        ),
        (
            "{name: sky, colour",
            "{name: sky, color",
            5,
            "classes[0]: must have the fields name and colour and no other, but got name, color",
        ),
        (
            "void: none",
            "void: nil",
            3,
            "void: must be null or a name of the classes; known: sky, road, none, but got 'nil'",
        ),
        ("void: none\n", "", 1, "void: must be given, but got nothing"),
        ("void: none\n", "void: none\nvoid: sky\n", 4, "void: must be given once, but got a second one"),
        (
            "void: none\n",
            "void: none\nviod: sky\n",
            4,
            "viod: must be a known field; did you mean 'void'?, but got 'viod'",
        ),
        ("tiny3", "3", 2, "classes_name: must be a text, but got '3'"),
        ("tiny3", "", 2, "classes_name: must be a text, but got nothing"),
        (GOOD, "", 1, "(file): must be a mapping, but got nothing"),
        (GOOD, "- 1", 1, "(file): must be a mapping, but got a list of 1"),
        (
            GOOD_END,
            "classes: {}\nmap: []\n",
            4,
            "classes: must be a list of classes with name and colour, but got a mapping",
        ),
        (GOOD_END, "classes: [3]\nmap: []\n", 5, "map: must be a mapping, but got a list of 0"),
        ("source: tiny", "source: [tiny", 2, "(file): must be YAML, but got "),
    ],
)
def test_a_fault_is_told_with_its_line(old, new, line, message):
    assert old in GOOD
    told = faults(GOOD.replace(old, new, 1))
    assert any(fault.startswith(f"tiny.yaml:{line}: {message}") for fault in told), told


def test_all_faults_are_told_at_once_in_line_order():
    broken = (
        GOOD.replace("[1, 2, 3]", "[1, 2, -3]")
        .replace("  2: ignore\n", "")
        .replace("1: road", "1: rode")
        .replace("0: sky", "17: sky")
    )
    told = faults(broken)
    assert [line.split(":")[1] for line in told] == ["5", "9", "9", "9", "10"]
    assert [line.split(": ")[1] for line in told] == ["classes[0].colour", "map", "map.0", "map.2", "map.1"]


def test_a_bad_colour_does_not_accuse_a_black_class():
    assert len(faults(GOOD.replace("[1, 2, 3]", "[1, 2]"))) == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch):
    (tmp_path / "odd-2.yaml").write_bytes(b"\xff\xfe")
    monkeypatch.setattr(classmaps, "data_files", lambda package: {"odd-2": tmp_path / "odd-2.yaml"})
    with pytest.raises(BudgetnetError, match=r"^odd-2\.yaml: class map cannot be read: "):
        classmaps.for_source("odd", SOURCE)


def test_the_maps_of_a_source_tell_all_faults_of_a_file_and_none_of_other_sources(tmp_path: Path, monkeypatch):
    found = {
        "tiny-3": GOOD.replace("void: none\n", "void: nil\nodd: 1\n"),
        "tinier-3": "{",
        "tiny-er-3": GOOD.replace("tiny\n", "tiny-er\n"),
    }
    for key, text in found.items():
        (tmp_path / f"{key}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(classmaps, "data_files", lambda package: {key: tmp_path / f"{key}.yaml" for key in found})
    with pytest.raises(FileError) as caught:
        classmaps.for_source("tiny", SOURCE)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(3, "void"), (4, "odd")]
    assert [found.source for found in classmaps.for_source("tiny-er", SOURCE)] == ["tiny-er"]
