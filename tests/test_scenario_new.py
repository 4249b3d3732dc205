"""A new scenario file: what words mean, what is asked, and that the file is exactly what was asked for."""

import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import scenario, scenario_file, scenario_words, schema
from budgetnet.errors import BudgetnetError
from budgetnet.scenario import InputSize, Scenario
from budgetnet.scenario_new import Made, make
from budgetnet.training_settings import Training

WORDS = {"name": "mine", "cameras": "4", "fps": "30", "input": "320x480", "budget_gops": "300", "classes": "7"}


class Desk:
    """Answers questions, and keeps what was said."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.said: list[str] = []

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0)

    def say(self, text: str) -> None:
        self.said.append(text)

    @property
    def refusals(self) -> list[str]:
        return [line.strip() for line in self.said if line.startswith("  ")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words: dict[str, str], *groups: str, path: str | None = None) -> str:
    with pytest.raises(BudgetnetError) as caught:
        make(path, words, groups)
    assert not list(Path().iterdir())
    return str(caught.value)


def active(path: Path) -> str:
    """The lines of a file that count."""
    return "".join(f"{line}\n" for line in path.read_text().splitlines() if line and not line.startswith("#"))


# --- words


@pytest.mark.parametrize(
    ("word", "value"),
    [("30", 30), (" 30 ", 30), ("29.97", 29.97), (".5", 0.5), ("5.", 5.0), ("1e-05", 1e-05), ("-3", -3), ("1_0", "1_0")]
    + [(word, word) for word in ("", "four", "0x10", "nan", "inf", "٣", "1 2")],
)
def test_number(word: str, value: object) -> None:
    read = scenario_words.number(word)
    assert (read, type(read)) == (value, type(value))


def test_number_too_large_for_any_float_is_still_refused_by_the_rule() -> None:
    assert refused(WORDS | {"fps": "1e999"}) == "--fps: must be a finite number, but got inf"


@pytest.mark.parametrize(
    ("word", "group"),
    [
        ("front:1", {"name": "front", "count": 1}),
        ("front:2x30", {"name": "front", "count": 2, "fps": 30}),
        ("front:1@640x960", {"name": "front", "count": 1, "input": {"height": 640, "width": 960}}),
        (
            " left x@1 : 1 x 29.97 @ 640 X 960 ",
            {"name": "left x@1", "count": 1, "fps": 29.97, "input": {"height": 640, "width": 960}},
        ),
        ("a:1:2x1e-05", {"name": "a:1", "count": 2, "fps": 1e-05}),
        ("前:2", {"name": "前", "count": 2}),
    ],
)
def test_group(word: str, group: dict[str, Any]) -> None:
    assert scenario_words.group(word) == group


@pytest.mark.parametrize(
    ("field", "word", "message"),
    [
        ("name", "a/b", "--name: must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, but "),
        ("cameras", "four", "--cameras: must be a whole number or a list of camera groups, but got 'four'"),
        ("cameras", "4.5", "--cameras: must be a whole number or a list of camera groups, but got 4.5"),
        ("cameras", "a:0@640x960", "--cameras 1: count: must be 1 or more, but got 0"),
        ("fps", "0", "--fps: must be greater than 0, but got 0"),
        ("fps", "fast", "--fps: must be a number, but got 'fast'"),
        ("fps", "true", "--fps: must be a number, but got 'true'"),
        ("input", "640", "--size: must be HEIGHTxWIDTH, such as 320x480, but got '640'"),
        ("input", "31x480", "--size: height: must be 32 or more, but got 31"),
        ("input", "axb", "--size: height: must be a whole number, but got 'a'"),
        ("budget_gops", "-1", "--budget-gops: must be greater than 0, but got -1"),
        ("classes", "lab8", "--classes: must be a count, a list of names, or a known class list, but got 'lab8'; did "),
        ("classes", "a,a", "--classes 2: must be named once, but got 'a'"),
        ("platform", "tda", "--platform: must be a known platform or the path of a platform file, but got 'tda'; did "),
        ("dataset", "x", "--dataset: must be a known data set, or one and its argument (name:argument), but got 'x'"),
        ("reserve", "1", "--reserve: must be 0.99 or less, but got 1"),
        ("contention", "0.5", "--contention: must be 1 or more, but got 0.5"),
        ("budget_mb", "0", "--budget-mb: must be greater than 0, but got 0"),
        ("precision", "int4", "--precision: must be 'fp32', 'fp16' or 'int8', but got 'int4'"),
        ("minimum_mean_iou", "2", "--minimum-mean-iou: must be 1 or less, but got 2"),
        ("network", "x", "--network: must be a known network, but got 'x'"),
        ("description", "a\x07", "--description: must be text without control characters, but got 'a\\x07'"),
        ("description", "\udcff", "--description: must be text without control characters, but got '\\udcff'"),
    ],
)
def test_wrong_flag(field: str, word: str, message: str) -> None:
    assert refused(WORDS | {field: word}).startswith(message)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("front", "--group: must be NAME:COUNTxFPS@HEIGHTxWIDTH, such as front:1x30@640x960, but got 'front'"),
        ("front:1@640", "--group: must be HEIGHTxWIDTH, such as 320x480, but got 'front:1@640'"),
        ("a:1x0", "--group 2: fps: must be greater than 0, but got 0"),
        ("a:1@3x480", "--group 2: input.height: must be 32 or more, but got 3"),
        ("side:1", "--group 2: name: must be named once, but got 'side'"),
        (":1", "--group 2: name: must be a text of 1 to 64 characters, no blanks around, but got ''"),
    ],
)
def test_wrong_group(group: str, message: str) -> None:
    words = {field: word for field, word in WORDS.items() if field != "cameras"}
    assert refused(words, "side:2", group) == message


def test_all_that_is_wrong_is_told_at_once() -> None:
    words = WORDS | {"fps": "0", "input": "640", "name": "..", "classes": "1"}
    assert [line.partition(": ")[0] for line in refused(words, "front").splitlines()] == [
        "--size", "--cameras", "--group", "--name", "--fps", "--classes",
    ]  # fmt: skip
    assert "--cameras: must be left out where --group is given, but got '4'" in refused(WORDS, "front:1")


def test_what_is_missing_is_named() -> None:
    why = "must be given, or else --defaults: nobody can be asked, since input or output is no terminal"
    everything = "--name, --cameras (or --group), --fps, --size, --budget-gops, --classes"
    assert refused({}) == f"{everything}: {why}"
    assert refused({"name": "x", "fps": "3", "classes": "2"}) == f"--cameras (or --group), --size, --budget-gops: {why}"
    words = {"budget_gops": "3", "classes": "2"}
    assert refused(words, "a:1x3@64x64") == f"--name: {why}"
    assert refused({"name": "x", **words}, "a:1x3", "b:1@64x64") == f"--fps, --size: {why}"


# --- the file


def test_shortest_from_flags() -> None:
    made = make(None, WORDS)
    assert made.path == Path("mine.yaml")
    assert made.commands == ("budgetnet plan mine.yaml", "budgetnet search mine.yaml --trials 12")
    assert made.verdict.startswith("54 of 72 candidates fit 300 GOPS")
    size = InputSize(height=320, width=480)
    asked = Scenario(name="mine", cameras=4, fps=30, budget_gops=300, classes=7, input=size)
    assert scenario.load("mine.yaml") == asked
    assert active(made.path) == (
        "name: mine\ncameras: 4\nfps: 30\ninput: {height: 320, width: 480}\nbudget_gops: 300\nclasses: 7\n"
    )


def test_everything_from_flags() -> None:
    more = {
        "description": "a: #b",
        "classes": "road, everything else",
        "platform": "tda4vm",
        "dataset": "camvid:/x",
        "reserve": "0.25",
        "contention": "1.5",
        "budget_mb": "64",
        "precision": "int8",
        "minimum_mean_iou": ".5",
        "network": "mobilenet-fcn",
    }
    words = {field: word for field, word in (WORDS | more).items() if field not in ("cameras", "fps")}
    make("all", words, ["front:1x30@640x960", "side:4x15"])
    read = scenario.load("all.yaml")
    assert (read.name, read.description, read.classes) == ("mine", "a: #b", ("road", "everything else"))
    assert [(g.name, g.count, g.fps, g.height, g.width) for g in read.groups] == [
        ("front", 1, 30, 640, 960),
        ("side", 4, 15, 320, 480),
    ]
    assert (read.platform, read.dataset, read.precision, read.budget_mb) == ("tda4vm", "camvid:/x", "int8", 64)
    assert (read.reserve, read.contention, read.minimum_mean_iou) == (0.25, 1.5, 0.5)
    assert set(re.findall(r"^(\w+):", active(Path("all.yaml")), re.MULTILINE)) == {
        *Scenario.model_fields,
    } - {"fps", "search_space", "training"}


def test_opens_with_its_commands_and_what_comes_out() -> None:
    lines = make("some where/mine", WORDS).path.read_text().splitlines()
    assert lines[0] == "# Scenario mine, begun with `budgetnet scenario new`."
    commands = [
        re.split(r"\s{2,}", line.removeprefix("#     ")) for line in lines if line.startswith("#     budgetnet")
    ]
    assert [command for command, _ in commands] == [
        "budgetnet plan 'some where/mine.yaml'",
        "budgetnet search 'some where/mine.yaml' --trials 12",
        "budgetnet scenario validate 'some where/mine.yaml'",
    ]
    assert "reports/mine/" in commands[0][1]
    opening = " ".join(line.strip("# ") for line in lines[: lines.index("")])
    assert make("again", WORDS).verdict in opening
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("groups", [(), ("front:1x30@640x960",)])
def test_every_field_is_there_and_explained(groups: tuple[str, ...]) -> None:
    words = {field: word for field, word in WORDS.items() if not groups or field not in ("cameras", "fps", "input")}
    text = make(None, words, groups).path.read_text()
    for name, field in Scenario.model_fields.items():
        (block,) = [block for block in text.split("\n\n") if re.search(f"^#?{name}:", block, re.MULTILINE)]
        assert block.startswith("# ")
        assert " ".join(str(field.description).split()) in block.replace("\n# ", " ")
    unwrapped = re.sub(r"(\n#  # .*)+", lambda prose: "\n#  #" + prose[0].replace("\n#  # ", " "), text)
    for name, field in Training.model_fields.items():
        assert f"#  # {field.description}\n#  {name}: " in unwrapped
    for parameter in ("depth_multiplier", "final_endpoint", "head", "classifier_kernel", "classifier_depth"):
        assert f"#  {parameter}: [" in text


def turned_on(text: str, names: Iterable[str]) -> str:
    """The same file with some fields switched on, as its opening tells to."""
    for name in names:
        text = re.sub(
            rf"^#({name}:.*\n(#  .*\n)*)", lambda found: re.sub("^#", "", found[0], flags=re.M), text, flags=re.M
        )
    return text


@pytest.mark.parametrize("groups", [(), ("front:1x30@640x960",)])
def test_every_field_that_is_off_can_be_turned_on(groups: tuple[str, ...], folder: Path) -> None:
    words = {field: word for field, word in WORDS.items() if not groups or field not in ("cameras", "fps", "input")}
    text = make(None, words, groups).path.read_text()
    off = re.findall(r"^#(\w+):", text, re.MULTILINE)
    assert len(off) == (11 if not groups else 13)
    before = scenario.load("mine.yaml")
    for names in [[name] for name in off] + [off]:
        Path("on.yaml").write_text(turned_on(text, names))
        after = scenario.load("on.yaml")
        assert set(after.model_fields_set) == {*before.model_fields_set, *names}
        if names == ["search_space"]:
            assert after.space == before.space


def test_editors_are_pointed_to_the_schema_where_there_is_one() -> None:
    line = f"# yaml-language-server: $schema={schema.FILE_NAME}"
    text = make("one/", WORDS).path.read_text()
    assert f"\n#     {line}\n" in text
    assert f"\n{line}\n" not in text
    Path("one", schema.FILE_NAME).write_text(schema.text())
    assert f"\n{line}\n" in make("one/", WORDS, force=True).path.read_text()


# --- where it goes


@pytest.mark.parametrize(
    ("path", "written", "name"),
    [
        ("one", "one.yaml", "one"),
        ("one.yaml", "one.yaml", "one"),
        ("one.YML", "one.YML", "one"),
        ("one.v2", "one.v2.yaml", "one.v2"),
        ("new/one", "new/one.yaml", "one"),
        ("old", "old/mine.yaml", "mine"),
        ("new/", "new/mine.yaml", "mine"),
        ("a b", "a b.yaml", "mine"),
        ("-a", "-a.yaml", "mine"),
        (None, "mine.yaml", "mine"),
    ],
)
def test_where_it_goes(path: str | None, written: str, name: str) -> None:
    Path("old").mkdir()
    made = make(path, {}, defaults=True)
    assert made.path == Path(written)
    assert scenario.load(written).name == name
    assert [str(found) for found in Path().rglob("*") if found.is_file()] == [written]


def test_name_of_the_file_is_no_more_than_a_default() -> None:
    assert scenario.load(str(make("one", WORDS | {"name": "two"}).path)).name == "two"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(kind: str, folder: Path) -> None:
    path = Path("mine.yaml")
    if kind == "file":
        path.write_text("precious")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
    given = None if kind == "folder" else "mine"
    with pytest.raises(BudgetnetError) as caught:
        make(given, WORDS)
    assert str(caught.value) == "mine.yaml: must be a new file (--force replaces one), but got one that is there"
    if kind == "file":
        assert path.read_text() == "precious"
        assert make(given, WORDS, force=True).path.read_text().startswith("# Scenario mine")
    assert not Path("nowhere").exists()


def test_file_that_appears_while_answers_are_given_is_kept() -> None:
    def ask(question: str) -> str:
        Path("mine.yaml").write_text("precious")
        return ""

    with pytest.raises(BudgetnetError, match=r"^mine\.yaml: must be a new file"):
        make("mine", {}, ask=ask, say=lambda text: None)
    assert Path("mine.yaml").read_text() == "precious"


def test_scenario_too_long_for_a_file_is_refused() -> None:
    message = refused(WORDS | {"description": "x" * 64_000})
    assert re.fullmatch(r"scenario: must be at most 65,536 bytes as a file, but got [67]\d,\d{3}", message)


@pytest.mark.parametrize("path", ["x" * 300, "x" * 5000, "x" * 300 + "/y"])
def test_path_that_is_too_long_is_told(path: str) -> None:
    message = refused(WORDS, path=path)
    assert re.fullmatch(
        r"x+(/y)?(\.yaml)?: must be a (file|folder) that can be written, but got File name too long", message
    )


# --- questions


def test_answers_and_defaults() -> None:
    desk = Desk("", "2", "", "64x96", "", "0.5", "road2", "synthetic")
    make(None, {}, ask=desk.ask, say=desk.say)
    assert desk.asked == [
        "name [mine]: ", "cameras [4]: ", "fps [30]: ", "input [320x480]: ", "platform [none]: ", "budget_gops [300]: ",
        "classes [7]: ", "dataset [none]: ",
    ]  # fmt: skip
    assert active(Path("mine.yaml")) == (
        "name: mine\ncameras: 2\nfps: 30\ninput: {height: 64, width: 96}\nbudget_gops: 0.5\nclasses: road2\n"
        "dataset: synthetic\n"
    )
    for field in ("name", "cameras", "fps", "input", "platform", "budget_gops", "classes", "dataset"):
        assert any(line.startswith(str(Scenario.model_fields[field].description)) for line in desk.said)


def test_wrong_answers_are_told_and_asked_again() -> None:
    Path("taken.yaml").touch()
    desk = Desk(
        "a/b", "taken", "new",
        "0", "front:1, b", "front:1@64x64",
        "fast", "3",
        "tx2", "",
        "x", "1",
        "x,x", "x, y",
        "camvid:", "none",
    )  # fmt: skip
    make(None, {}, ask=desk.ask, say=desk.say)
    assert [line.partition(", but got")[0] for line in desk.refusals] == [
        "name: must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
        "taken.yaml: must be a new file (--force replaces one)",
        "cameras: must be 1 or more",
        "cameras: must be NAME:COUNTxFPS@HEIGHTxWIDTH, such as front:1x30@640x960",
        "fps: must be a number",
        "platform: must be a known platform or the path of a platform file",
        "budget_gops: must be a number",
        "classes 2: must be named once",
        "dataset: must have a text on one line after camvid:",
    ]
    assert desk.answers == []


def test_groups_that_say_all_leave_nothing_to_ask_of_fps_and_size() -> None:
    desk = Desk("front:1x30@64x64, side:2x15@64x64", "", "", "", "")
    make("mine", {}, ask=desk.ask, say=desk.say)
    assert [question.partition(" ")[0] for question in desk.asked] == [
        "cameras", "platform", "budget_gops", "classes", "dataset",
    ]  # fmt: skip
    assert [group.name for group in scenario.load("mine.yaml").groups] == ["front", "side"]


def test_peak_of_the_platform_is_told_before_the_budget_is_asked() -> None:
    desk = Desk("", "", "", "", "")
    make("mine", {"platform": "jetson-tx2", "cameras": "1"}, ask=desk.ask, say=desk.say)
    (hint,) = [line for line in desk.said if "The peak of" in line]
    assert re.search(r"The peak of NVIDIA Jetson TX2 in GOPS: [\d,]+ in fp32, .* No network reaches a peak\.", hint)


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    desk = Desk()
    assert isinstance(make(None, WORDS, ask=desk.ask, say=desk.say), Made)
    assert isinstance(make("other", {}, defaults=True, ask=desk.ask, say=desk.say), Made)
    assert desk.asked == []


# --- the file is what was asked for


LABELS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20).map(
    lambda text: "".join(filter(str.isprintable, text)).strip() or "x"
)
RATES = st.one_of(st.integers(1, 1000), st.floats(1e-9, 1e4), st.sampled_from([29.97, 1e-05, 59.94, 0.1]))
SIDES = st.integers(32, 8192)
SIZES = st.fixed_dictionaries({"height": SIDES, "width": SIDES})
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff")),
    st.text(st.sampled_from("=-#:'\"\n\t {}[]&*!|>%@`,?~nuloyes0.")),
)
GROUPS = st.lists(
    st.fixed_dictionaries(
        {
            "name": LABELS.filter(lambda name: name != "shared" and not set(";:") & set(name)),
            "count": st.integers(1, 1000),
        },
        optional={"fps": RATES, "input": SIZES},
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda group: group["name"],
)
SCENARIOS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}[a-z]", fullmatch=True),
        "cameras": st.one_of(st.integers(1, 1000), GROUPS),
        "fps": RATES,
        "input": SIZES,
        "budget_gops": st.floats(1e-9, 1e9),
        "classes": st.one_of(
            st.integers(2, 254), st.just("lab7"), st.lists(LABELS, min_size=2, max_size=5, unique=True)
        ),
    },
    optional={
        "description": TEXT,
        "contention": st.floats(1, 100),
        "reserve": st.floats(0, 0.99),
        "budget_mb": st.floats(1e-9, 1e9),
        "precision": st.sampled_from(["fp32", "fp16", "int8"]),
        "minimum_mean_iou": st.floats(0, 1),
        "platform": st.sampled_from(["jetson-tx2", "tda4vm"]),
        "dataset": st.one_of(st.just("synthetic"), LABELS.filter(str.isprintable).map("camvid:{}".format)),
        "search_space": st.just({"depth_multiplier": [0.25], "classifier_kernel": {"from": 3, "to": 7, "step": 2}}),
        "training": st.fixed_dictionaries(
            {}, optional={"epochs": st.integers(1, 9), "learning_rate": st.floats(1e-9, 1)}
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(SCENARIOS)
def test_file_reads_back_as_asked(values: dict[str, Any]) -> None:

    asked = Scenario.model_validate(values)
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_text(
            scenario_file.text(values, path=path, verdict="It fits.\n# or: not"), encoding="utf-8", newline=""
        )
        assert scenario.load(str(path)) == asked


def word_of(value: Any) -> str:
    """The word of a flag that gives a value."""
    if isinstance(value, dict):
        return "x".join(str(value[side]) for side in ("height", "width"))
    return ",".join(value) if isinstance(value, list) else str(value)


def group_word(group: dict[str, Any]) -> str:
    fps = f"x{group['fps']}" if "fps" in group else ""
    return f"{group['name']}:{group['count']}{fps}" + (f"@{word_of(group['input'])}" if "input" in group else "")


@settings(max_examples=60, deadline=None)
@given(SCENARIOS)
def test_flags_make_the_scenario_that_they_say(values: dict[str, Any]) -> None:
    for field in ("search_space", "training"):
        values.pop(field, None)
    if isinstance(values["classes"], list):
        values["classes"] = [f"class {number}" for number, _ in enumerate(values["classes"])]
    grouped = isinstance(values["cameras"], list)
    words = {field: word_of(value) for field, value in values.items() if not (grouped and field == "cameras")}
    with TemporaryDirectory() as folder:
        made = make(f"{folder}/x", words, [group_word(group) for group in values["cameras"]] if grouped else [])
        assert scenario.load(str(made.path)) == Scenario.model_validate(values)


FIELDS = [field for field in Scenario.model_fields if field not in ("search_space", "training")]
ODD = st.one_of(st.text(), st.text(st.sampled_from("0123456789.xX:@,-+eE /\n\x00é\udcff#'\"")), st.text(max_size=400))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ODD), st.lists(ODD, max_size=2))
def test_whatever_words_are_given_they_are_taken_or_told(words: dict[str, str], groups: list[str]) -> None:
    told = ""
    try:
        values = scenario_words.from_flags(words, groups)
        assert not scenario_words.problems(values)
    except BudgetnetError as error:
        told = str(error)
    assert all(re.match(r"--[a-z-]+( \d+)?: ", line) for line in told.splitlines())
    assert all(line.isprintable() for line in told.splitlines())
