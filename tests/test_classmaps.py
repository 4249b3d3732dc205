"""Class maps: every file keeps the contract; every fault in a file is told, with its line, all at once."""

from pathlib import Path

import layouts
import numpy as np
import pytest

from budgetnet import classmaps, datasets
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data import keeping
from budgetnet.datasets import camvid32
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.plugins import data_files, load_module, module_names

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


def sources(name: str) -> list[str]:
    """The data sets with a class map of that name."""
    found = [source for source in module_names("budgetnet.datasets") if name in classmaps.class_lists(source)]
    assert found
    return found


def target(source: str, name: str, *source_names: str) -> set[str]:
    """Where a map puts ids of that name: class names, or ignore."""
    known = load_module("budgetnet.datasets", source, "data set").SOURCE_CLASSES
    found = next(each for each in maps_of(source) if each.classes.name == name)
    indices = {found.targets[number] for number, label in known.items() if label in source_names}
    return {"ignore" if index == IGNORE else found.classes.names[index] for index in indices}


def test_one_name_is_one_list_of_classes_on_every_source():
    known: dict[str, ClassList] = {}
    for source in module_names("budgetnet.datasets"):
        for found in maps_of(source) if classmaps.class_lists(source) else []:
            assert known.setdefault(found.classes.name, found.classes) == found.classes


def test_lab7_and_road2_agree_wherever_there_are_both():
    for source in {*sources("lab7")} & {*sources("road2")}:
        maps = {found.classes.name: found for found in maps_of(source)}
        for number, index in maps["road2"].targets.items():
            lab = maps["lab7"].targets[number]
            if IGNORE not in (index, lab):
                assert (maps["road2"].classes.names[index] == "road") == (maps["lab7"].classes.names[lab] == "road")


def test_cityscapes_reductions_are_those_of_the_benchmark_and_the_published_experiment():
    found = next(each for each in maps_of("cityscapes") if each.classes.name == "cityscapes-19")
    # The ids that the benchmark scores, in the order of its train ids.
    scored = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert {number: index for number, index in found.targets.items() if index != IGNORE} == {
        number: index for index, number in enumerate(scored)
    }
    bdd = next(each for each in maps_of("bdd100k") if each.classes.name == "bdd100k-19")
    assert (bdd.classes.names, bdd.classes.colours) == (found.classes.names, found.classes.colours)
    assert {number: index for number, index in bdd.targets.items() if index != IGNORE} == dict(enumerate(range(19)))
    for name in ("bdd100k", "cityscapes"):
        assert target(name, "lab7", "train", "truck", "caravan") == {"vehicles"}
        assert target(name, "lab7", "rider", "bicycle", "motorcycle", "person") == {"vulnerable road users"}
        assert target(name, "lab7", "vegetation", "terrain", "pole", "guard rail", "rail track") == {"infrastructure"}
    assert target("cityscapes", "lab7", "parking") == target("cityscapes", "road2", "parking") == {"road"}
    assert target("cityscapes", "lab7", "static", "dynamic", "ground", "ego vehicle") == {"ignore"}
    assert target("cityscapes", "road2", "ground", "unlabeled", "out of roi") == {"ignore"}
    assert target("cityscapes", "road2", "static", "dynamic", "sidewalk", "car") == {"not road"}


def test_both_forms_of_camvid_reduce_alike():
    """The 32 colours in one step, and in two by way of the eleven classes."""
    maps = {found.classes.name: found for found in maps_of("camvid32")}
    to_eleven = maps["camvid-11"].targets
    for second in maps_of("camvid"):
        first = maps[second.classes.name]
        for number, eleven in to_eleven.items():
            by_way = second.targets[11 if eleven == IGNORE else eleven]
            assert first.targets[number] == by_way, (second.key, number)


def test_camvid32_31_keeps_names_and_colours():
    found = next(each for each in maps_of("camvid32") if each.classes.name == "camvid32-31")
    kept = [number for number, name in camvid32.SOURCE_CLASSES.items() if name != "Void"]
    assert found.classes.names == tuple(camvid32.SOURCE_CLASSES[number] for number in kept)
    assert found.classes.colours == tuple(camvid32.COLOURS[number] for number in kept)
    assert len(kept) == 31


def test_lab7_is_the_published_list_with_its_colours_on_every_source():
    for source in sources("lab7"):
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
        ("  2: ignore\n", "", 9, "map: must map every id of the source, but leaves out 2 car"),
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
    assert [line.split(":")[1] for line in told] == ["5", "9", "9", "10"]
    assert [line.split(": ")[1] for line in told] == ["classes[0].colour", "map", "map", "map.1"]


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


# --- class maps of one's own, for any data set

OWN = """\
source: camvid
classes_name: mine
void: null
classes:
  - {name: flat, colour: [0, 255, 0]}
  - {name: rest, colour: [0, 0, 255]}
map:
"""
ALL = "".join(f"  {number}: {'flat' if number in (3, 4) else 'rest'}\n" for number in range(11)) + "  11: ignore\n"


@pytest.fixture
def camvid(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(OWN + ALL, encoding="utf-8")
    return layouts.make("camvid", tmp_path / "data")


def test_a_map_of_ones_own_is_chosen_by_its_name(camvid, tmp_path):
    spec = f"{camvid},map={tmp_path / 'mine.yaml'}"
    assert [found.classes.name for found in datasets.find(spec).class_maps] == ["mine", "camvid-11", "lab7", "road2"]
    found = keeping.load(spec, classes="mine", height=36, width=48)
    ids = np.stack([sample.read(0, 0)[1] for sample in datasets.find(camvid).splits["train"].samples])
    np.testing.assert_array_equal(found.train.labels, np.where(ids == 11, IGNORE, ~np.isin(ids, (3, 4))))
    assert layouts.class_list(spec, ["flat", "rest"]).name == "mine"


def test_a_map_of_ones_own_goes_before_others_that_fit_as_well(camvid, tmp_path):
    path = tmp_path / "mine.yaml"
    spec = f"{camvid},map={path},val=0.5"
    assert layouts.class_list(spec, 2).name == "mine"
    assert layouts.class_list(spec, "road2").names == ("road", "not road")
    path.write_text(OWN.replace("mine", "road2") + ALL, encoding="utf-8")
    assert layouts.class_list(spec, "road2").names == ("flat", "rest")
    path.write_text((OWN + ALL).replace("flat", "road").replace("rest", "not road"), encoding="utf-8")
    assert layouts.class_list(spec, ["road", "not road"]).name == "mine"


def test_two_maps_of_ones_own_that_fit_are_one_too_many(camvid, tmp_path):
    (tmp_path / "other.yaml").write_text((OWN + ALL).replace("mine", "other"), encoding="utf-8")
    message = "classes must fit one class map only, give its name instead, but got 2; camvid offers mine: .*; other: "
    with pytest.raises(BudgetnetError, match=message):
        layouts.class_list(f"{camvid},map={tmp_path / 'mine.yaml'},map={tmp_path / 'other.yaml'}", 2)


def test_several_maps_and_drawn_data(camvid, tmp_path):
    (tmp_path / "other.yaml").write_text((OWN + ALL).replace("mine", "other"), encoding="utf-8")
    spec = f"{camvid},map={tmp_path / 'mine.yaml'},map={tmp_path / 'other.yaml'}"
    assert [found.classes.name for found in datasets.find(spec).class_maps][:2] == ["mine", "other"]
    text = OWN.replace("camvid", "synthetic") + "".join(f"  {number}: flat\n" for number in range(6)) + "  6: ignore\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    drawn = datasets.find(f"synthetic:train=2,map={tmp_path / 'mine.yaml'}")
    assert drawn.class_maps[0].classes.name == "mine"
    assert len(drawn.splits["train"].samples) == 2
    assert datasets.find(f"synthetic:map={tmp_path / 'mine.yaml'}").class_maps[0].classes.name == "mine"


def test_all_faults_of_a_map_of_ones_own_are_told_with_its_path(camvid, tmp_path):
    path = tmp_path / "mine.yaml"
    text = (OWN + ALL).replace("  2: rest", "  2: rset").replace("  9: rest\n", "")
    path.write_text(text.replace("  5: rest\n", "") + "  7: flat\n  12: flat\n", encoding="utf-8")
    with pytest.raises(FileError) as caught:
        datasets.find(f"{camvid},map={path}")
    told = str(caught.value).splitlines()
    assert [line.removeprefix(f"{path}:").partition(", but got")[0].partition(" (0 sky")[0] for line in told] == [
        "8: map: must map every id of the source, but leaves out 5 tree, 9 pedestrian",
        "10: map.2: must be a name of the classes, or ignore; did you mean 'rest'?",
        "18: map.7: must be mapped once",
        "19: map: must have ids of the source as keys",
    ]


def test_of_a_map_for_another_data_set_that_alone_is_told(camvid, tmp_path):
    path = tmp_path / "mine.yaml"
    text = (OWN + ALL).replace("source: camvid", "source: cityscapes").replace("  2: rest\n", "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        datasets.find(f"{camvid},map={path}")
    assert str(caught.value) == f"{path}:1: source: must be camvid, the data set that it is for, but got 'cityscapes'"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b"\xff\xfe", "'utf-8' codec can't decode byte 0xff")],
)
def test_a_map_of_ones_own_that_cannot_be_read(content, why, camvid, tmp_path):
    path = tmp_path / "no.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BudgetnetError) as caught:
        datasets.find(f"{camvid},map={path}")
    assert str(caught.value).startswith(f"{path}: class map cannot be read: {why}")


def test_a_map_setting_without_a_file(camvid):
    with pytest.raises(BudgetnetError, match=r"^camvid: map must be the path of a class map file, but got nothing$"):
        datasets.find(f"{camvid},map=")
