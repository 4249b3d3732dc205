"""Whatever a scenario file holds, people are told: with file and line on every line, and never by a traceback."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from budgetnet import cli, scenario
from budgetnet.errors import BudgetnetError, FileError

VALID = """\
name: urban
cameras: 4
fps: 30
budget_gops: 300
classes: 7
input: {height: 320, width: 480}
minimum_mean_iou: 0.4
platform: jetson-tx2
network: mobilenet-fcn
search_space:
  depth_multiplier: [0.25, 0.5]
  classifier_kernel: 7
training: {epochs: 3, seed: 1}
"""


def swap(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new, 1)


def bomb(levels: int) -> str:
    """Nine aliases of the level below on each level."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


HUGE = "9" * 5000

MANGLED: dict[str, str | bytes] = {
    # nothing, or nothing like it
    "empty": "",
    "blank": " \n\n  \n",
    "comment": "# name: urban\n",
    "document start": "---\n",
    "document end": "...\n",
    "null": "null\n",
    "word": "urban\n",
    "number": "4\n",
    "list": "- name: urban\n",
    "list of fields": "".join(f"- {line}\n" for line in VALID.splitlines()[:5]),
    "JSON list": '["name", "urban"]\n',
    "empty mapping": "{}\n",
    "TOML": 'name = "urban"\ncameras = 4\n',
    "INI": "[scenario]\nname=urban\n",
    "XML": "<scenario><name>urban</name></scenario>\n",
    "Python": "import os\nprint({'name': 'urban'})\n",
    "C": "int main(void) {\n  return 0;\n}\n",
    "shell": "#!/bin/sh\nexit 0\n",
    "CSV": "name,cameras,fps\nurban,4,30\n",
    "Markdown": "# Urban\n\n* cameras: 4\n* fps: 30\n",
    # encodings
    "UTF-16": VALID.encode("utf-16"),
    "UTF-16 little end first, no mark": VALID.encode("utf-16-le"),
    "UTF-16 big end first, no mark": VALID.encode("utf-16-be"),
    "UTF-32": VALID.encode("utf-32"),
    "Latin-1": swap("urban", "stra\xdfe").encode("latin-1"),
    "Windows-1252": swap("name: urban", "description: \u201curban\u201d").encode("cp1252"),
    "Shift JIS": swap("urban", "\u90fd\u5e02").encode("shift-jis"),
    "EBCDIC": VALID.encode("cp500"),
    "UTF-8 cut in a character": swap("urban", "stra\xdfe").encode()[:11],
    "overlong UTF-8": b"name: \xc0\xaf\n",
    "surrogate in UTF-8": b"name: \xed\xa0\x80\n",
    "byte order mark twice": b"\xef\xbb\xbf\xef\xbb\xbf" + VALID.encode(),
    # binary
    "NUL": "\0",
    "NULs": b"\0" * 4096,
    "NUL at the end": VALID + "\0",
    "NUL in a name": swap("urban", "ur\0ban"),
    "escape": swap("urban", "\x1b[31murban"),
    "bell": swap("urban", "\x07"),
    "delete": swap("urban", "\x7f"),
    "line separator": swap("urban", "ur\u2028ban"),
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(range(255, 0, -1)),
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(range(256)),
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.",
    "all bytes": bytes(range(256)),
    "0xff": b"\xff" * 100,
    # sizes
    "too large": "#" * 70_000,
    "too large by far": "a: b\n" * 500_000,
    "long line": f"name: {'x' * 60_000}\n",
    "long key": f"{'x' * 60_000}: 1\n",
    "many fields": "".join(f"a{n}: {n}\n" for n in range(3000)),
    "many times the same field": "fps: 30\n" * 3000,
    "many blank lines": "\n" * 60_000 + "name: urban\n",
    # syntax
    "cut in the middle": VALID[: len(VALID) // 2],
    "cut in a brace": VALID[: VALID.index("}")],
    "cut in a bracket": VALID[: VALID.index("]")],
    "cut after a colon": VALID[: VALID.index(":") + 1],
    "tab indents": swap("  depth_multiplier", "\tdepth_multiplier"),
    "tabs for all indents": VALID.replace("  ", "\t"),
    "tab starts the file": "\t" + VALID,
    "first line indented": "  " + VALID,
    "uneven indents": swap("  classifier_kernel", "   classifier_kernel"),
    "no colon": swap("fps: 30", "fps 30"),
    "no blank after the colon": swap("fps: 30", "fps:30"),
    "two colons": swap("fps: 30", "fps: 30: 40"),
    "equals sign": swap("fps: 30", "fps = 30"),
    "semicolons": VALID.replace("\n", ";\n"),
    "open quote": swap("urban", "'urban"),
    "open double quote": swap("urban", '"urban'),
    "text after a quote": swap("urban", "'urban' x"),
    "open brace": swap("480}", "480"),
    "open bracket": swap("0.5]", "0.5"),
    "closing brace": swap("fps: 30", "fps: 30}"),
    "brace for a bracket": swap("0.5]", "0.5}"),
    "unknown escape": swap("urban", '"\\q"'),
    "escape out of range": swap("urban", '"\\UFFFFFFFF"'),
    "escape cut": swap("urban", '"\\x4"'),
    "escaped NUL": swap("urban", '"ur\\0ban"'),
    "escaped surrogate": swap("urban", '"\\uD83D"'),
    "at sign": swap("urban", "@urban"),
    "backtick": swap("urban", "`urban`"),
    "percent": swap("urban", "%urban"),
    "directive": "%YAML 9.9\n---\n" + VALID,
    "directive of many digits": f"%YAML {HUGE}.1\n---\n" + VALID,
    "directive twice": "%YAML 1.2\n%YAML 1.2\n---\n" + VALID,
    "two documents": VALID + "---\n" + VALID,
    "document after the end": VALID + "...\n" + VALID,
    "merge conflict": f"<<<<<<< HEAD\n{VALID}=======\n{VALID}>>>>>>> branch\n",
    # keys
    "field given twice": VALID + "fps: 30\n",
    "field given twice inside": swap("height: 320", "height: 320, height: 320"),
    "parameter given twice": swap("  classifier_kernel: 7", "  classifier_kernel: 7\n  classifier_kernel: 5"),
    "misspelt field": swap("cameras", "camras"),
    "capital letter": swap("cameras", "Cameras"),
    "unknown field": VALID + "colour: blue\n",
    "unknown field inside": swap("width: 480", "width: 480, depth: 3"),
    "number as key": VALID + "1: 2\n",
    "true as key": VALID + "true: 2\n",
    "null as key": VALID + "~: 2\n",
    "empty key": VALID + ": 2\n",
    "empty quoted key": VALID + "'': 2\n",
    "list as key": VALID + "? [a, b]\n: 2\n",
    "mapping as key": VALID + "? {a: b}\n: 2\n",
    "key with a line end": VALID + '"a\\nb": 2\n',
    # anchors, tags, nesting
    "anchor": swap("fps: 30", "fps: &fps 30"),
    "alias": swap("fps: 30", "fps: &fps 30").replace("seed: 1", "seed: *fps"),
    "unknown alias": swap("fps: 30", "fps: *fps"),
    "alias as key": VALID + "*fps : 30\n",
    "alias of itself": "a: &a [*a]\n",
    "alias bomb": bomb(9),
    "merge key": VALID + "<<: {fps: 30}\n",
    "merge key of an alias": swap("input:", "input: &i").replace("training: {", "training: {<<: *i, "),
    "Python object": swap("urban", "!!python/object/apply:os.system ['true']"),
    "Python name": swap("urban", "!!python/name:os.system"),
    "tag of text": swap("fps: 30", "fps: !!str 30"),
    "tag of a whole number": swap("fps: 30", "fps: !!int '30'"),
    "binary tag": swap("urban", "!!binary dXJiYW4="),
    "set": swap("classes: 7", "classes: !!set {road, other}"),
    "time stamp tag": swap("urban", "!!timestamp 2001-99-99"),
    "own tag": swap("urban", "!scenario urban"),
    "bare tag": swap("urban", "! urban"),
    "broken tag": swap("urban", "!%FF%FE urban"),
    "nested lists": "name: " + "[" * 10_000,
    "nested lists, closed": "name: " + "[" * 10_000 + "]" * 10_000,
    "nested mappings": "{a: " * 10_000,
    "nested blocks": "".join("  " * depth + "a:\n" for depth in range(150)),
    "nested sequences": "name:\n " + "- " * 10_000,
    "nested keys": "? " * 10_000,
    # numbers
    "huge integer": swap("cameras: 4", f"cameras: {HUGE}"),
    "huge negative integer": swap("cameras: 4", f"cameras: -{HUGE}"),
    "huge hexadecimal": swap("cameras: 4", f"cameras: 0x{HUGE}"),
    "huge float": swap("fps: 30", f"fps: {HUGE}.5"),
    "long fraction": swap("fps: 30", f"fps: 0.{HUGE}"),
    "huge number as key": VALID + f"{HUGE}: 1\n",
    "large exponent": swap("fps: 30", "fps: 1e999999999"),
    "large integer": swap("cameras: 4", f"cameras: {10**50}"),
    "large integer for a float": swap("fps: 30", f"fps: {10**90}"),
    "tiny number": swap("fps: 30", "fps: 1e-999"),
    "NaN": swap("fps: 30", "fps: .nan"),
    "NaN without its dot": swap("fps: 30", "fps: NaN"),
    "infinity": swap("budget_gops: 300", "budget_gops: .inf"),
    "negative infinity": swap("budget_gops: 300", "budget_gops: -.inf"),
    "negative cameras": swap("cameras: 4", "cameras: -4"),
    "no cameras": swap("cameras: 4", "cameras: 0"),
    "negative fps": swap("fps: 30", "fps: -30"),
    "zero fps": swap("fps: 30", "fps: 0"),
    "negative zero fps": swap("fps: 30", "fps: -0.0"),
    "negative budget": swap("budget_gops: 300", "budget_gops: -3"),
    "one class": swap("classes: 7", "classes: 1"),
    "too many classes": swap("classes: 7", "classes: 300"),
    "small input": swap("height: 320", "height: 16"),
    "large input": swap("height: 320", "height: 100000"),
    "negative input": swap("height: 320", "height: -320"),
    "mean IoU in percent": swap("minimum_mean_iou: 0.4", "minimum_mean_iou: 40"),
    "decimal comma": swap("minimum_mean_iou: 0.4", "minimum_mean_iou: 0,4"),
    "thousands separated": swap("fps: 30", "fps: 1_000"),
    "with a unit": swap("budget_gops: 300", "budget_gops: 300 GOPS"),
    "base 60": swap("fps: 30", "fps: 1:30"),
    # types
    "whole number as text": swap("cameras: 4", "cameras: '4'"),
    "whole number as float": swap("cameras: 4", "cameras: 4.0"),
    "whole number as word": swap("cameras: 4", "cameras: four"),
    "whole number as truth": swap("cameras: 4", "cameras: true"),
    "whole number as list": swap("cameras: 4", "cameras: [4]"),
    "whole number as mapping": swap("cameras: 4", "cameras: {front: 2, rear: 2}"),
    "number as truth": swap("fps: 30", "fps: false"),
    "number as date": swap("fps: 30", "fps: 2001-99-99"),
    "number left out": swap("fps: 30", "fps:"),
    "text as number": swap("name: urban", "name: 7"),
    "text as truth": swap("name: urban", "name: true"),
    "text left out": swap("name: urban", "name:"),
    "empty text": swap("name: urban", "name: ''"),
    "classes as float": swap("classes: 7", "classes: 7.0"),
    "classes as mapping": swap("classes: 7", "classes: {road: 1, other: 2}"),
    "classes as empty list": swap("classes: 7", "classes: []"),
    "class named twice": swap("classes: 7", "classes: [road, other, road]"),
    "class named by a number": swap("classes: 7", "classes: [0, 1]"),
    "class list unknown": swap("classes: 7", "classes: lab8"),
    "input as text": swap("{height: 320, width: 480}", "320x480"),
    "input as list": swap("{height: 320, width: 480}", "[320, 480]"),
    "input left out": swap("input: {height: 320, width: 480}", "input:"),
    "training as list": swap("{epochs: 3, seed: 1}", "[epochs, seed]"),
    "search space as list": VALID[: VALID.index("search_space")] + "search_space: [depth_multiplier]\n",
    "search space in a mapping": swap("[0.25, 0.5]", "{from: 0.25, to: 0.5}"),
    "search space with a hole": swap("[0.25, 0.5]", "[0.25, , 0.5]"),
    "search space with nothing": swap("[0.25, 0.5]", "[0.25, null]"),
    "search space empty": swap("[0.25, 0.5]", "[]"),
    "search space too large": swap("classifier_kernel: 7", "classifier_kernel: {from: 1, to: 255, step: 1}").replace(
        "[0.25, 0.5]", "{from: 0.001, to: 64, step: 0.001}"
    ),
    # names
    "name leads out of the folder": swap("urban", "../../etc/passwd"),
    "name is absolute": swap("urban", "/tmp/urban"),
    "name is a dot": swap("urban", "."),
    "name is hidden": swap("urban", ".urban"),
    "name with blanks": swap("urban", "my town"),
    "name of a device": swap("urban", "NUL"),
    "name too long": swap("urban", "u" * 65),
    "name over two lines": swap("urban", "|\n  ur\n  ban"),
    "platform unknown": swap("jetson-tx2", "jetson-tx3"),
    "platform file missing": swap("jetson-tx2", "nowhere/board.yaml"),
    "platform is a folder": swap("jetson-tx2", "./"),
    "network unknown": swap("mobilenet-fcn", "mobilenet-fcm"),
    "network as path": swap("mobilenet-fcn", "../networks"),
    "parameter unknown": swap("classifier_kernel", "kernel"),
    "data set unknown": VALID + "dataset: kitti\n",
    "data set without its argument": VALID + "dataset: 'camvid:'\n",
    "data set with a NUL": VALID + 'dataset: "camvid:a\\0b"\n',
}

for _field in ("name", "cameras", "fps", "budget_gops", "classes", "input"):
    MANGLED[f"{_field} missing"] = "".join(
        line for line in VALID.splitlines(keepends=True) if not line.startswith(f"{_field}:")
    )


def test_there_are_enough_and_they_differ() -> None:
    assert len(MANGLED) >= 100
    contents = [content if isinstance(content, bytes) else content.encode() for content in MANGLED.values()]
    assert len(set(contents)) == len(contents)


def test_what_is_mangled_was_valid(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(VALID)
    assert scenario.load(str(path)).name == "urban"


@pytest.mark.parametrize("name", MANGLED)
def test_mangled_file_is_told_with_file_and_line(tmp_path: Path, name: str) -> None:
    content = MANGLED[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileError) as caught:
        scenario.load(str(path))
    check_message(str(caught.value), path)


@pytest.mark.parametrize("name", MANGLED)
def test_the_command_line_tells_it_and_ends_with_2(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = MANGLED[name]
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(sys, "argv", ["budgetnet", "plan", str(path), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    check_message(printed.err, path)
    assert not (tmp_path / "out").exists()


def check_message(message: str, path: Path) -> None:
    """Every line is `file:line: field: ...`, short, printable, in our words."""
    last_line = 1 + len(re.findall(rb"\r\n?|\n", path.read_bytes()))
    for line in message.splitlines():
        found = re.match(rf"{re.escape(str(path))}:([1-9]\d*): \S.*: \S", line)
        assert found, line
        assert int(found[1]) <= last_line
        assert len(line) < 500 + len(str(path))
        assert line.isprintable()
        assert not re.search(r"Input should|pydantic|Value error|Traceback|object at 0x|<class", line)


def mutated() -> st.SearchStrategy[bytes]:
    """The valid file with some bytes overwritten, put in, or cut out."""
    position = st.integers(0, len(VALID))
    signs = b"\t \n \0 \xff : - [ { } ] ' \" & * ! | > ? # , % < 0".split(b" ")
    words = [b": ", b"- ", b"&a ", b"*a", b"!!", b"|\n", b"<<: ", b"1e9", b".nan", b"null", b"true"]
    junk = st.one_of(st.binary(max_size=4), st.sampled_from(signs + words))
    change = st.tuples(position, st.integers(0, 8), junk)

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        content = VALID.encode()
        for start, length, new in changes:
            content = content[:start] + new + content[start + length :]
        return content

    return st.lists(change, min_size=1, max_size=4).map(apply)


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the file is written anew for every example
)
@given(content=mutated())
def test_mutated_file_is_read_or_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    try:
        scenario.load(str(path))
    except BudgetnetError as error:
        check_message(str(error), path)


# --- camera groups and search spaces that mean harm


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


SCALARS = words(
    """0 1 2 3 7 256 65536 100000 -1 -0 1.0 0.5 .5 1e5 1e300 1e400 -1e300 5e-324 1e-320 1e-17 1.0000000000000002 .nan
    .inf -.inf 0x10 0o7 null ~ true no 2001-01-01 front shared a;b 'a:b' '' "\\u0000" "\\ud800" "a\\nb" é 日本 fcn
    Conv2d_0 Conv2d_13_pointwise Conv2d_99 mobilenet-fcn mobilenet ../x [] {} [[]] [{}] {a:} *a &a !!int <<"""
) | st.sampled_from(["9" * 99, "9" * 101, "x" * 500, "", "&a 1", "!!python/object:os.system x", "1_0", "- 1", "a: b"])
NUMBERS = words("0 1 2 7 70000 1.0 0.5 1e5 1e300 1e-320 1e-9 0.001 -1 1.0000000000000002")
PARAMETERS = words("depth_multiplier classifier_kernel classifier_depth final_endpoint head <<")


def mapping(keys: st.SearchStrategy[str], values: st.SearchStrategy[str], most: int = 4) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(keys, values), max_size=most)
    return pairs.map(lambda found: "{" + ", ".join(f"{key}: {value}" for key, value in found) + "}")


def listed(values: st.SearchStrategy[str], most: int = 4) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=most).map(lambda found: f"[{', '.join(found)}]")


def many(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The same again and again, as far as a file may go."""
    return st.tuples(values, st.sampled_from([300, 3000])).map(lambda found: f"[{', '.join([found[0]] * found[1])}]")


RANGES = st.one_of(
    st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda found: "{{from: {}, to: {}, step: {}}}".format(*found)),
    mapping(st.sampled_from(["from", "to", "step", "form"]), SCALARS),
)
SPACES = st.one_of(
    mapping(PARAMETERS, st.one_of(RANGES, SCALARS, listed(SCALARS | RANGES), many(SCALARS | NUMBERS))),
    mapping(SCALARS, SCALARS),
    SCALARS,
)
GROUP_FIELDS = words("count fps input crop network colour")
SIZES = mapping(st.sampled_from(["height", "width", "depth"]), SCALARS)
GROUPS = st.one_of(
    st.tuples(SCALARS, GROUP_FIELDS, SCALARS | SIZES).map(lambda found: "{{name: {}, {}: {}}}".format(*found)),
    st.tuples(SCALARS, SPACES).map(
        lambda found: "{{name: {}, network: mobilenet-fcn, search_space: {}}}".format(*found)
    ),
    mapping(GROUP_FIELDS | st.just("name"), SCALARS),
    SCALARS,
)
CAMERAS = st.one_of(listed(GROUPS, 40), many(GROUPS), mapping(SCALARS, GROUPS), RANGES, SCALARS)


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cameras=CAMERAS | st.just("4"), space=SPACES | st.just("{}"))
@example(cameras="4", space="{classifier_depth: {from: 1, to: 1e5, step: 1}}")
@example(cameras="4", space="{final_endpoint: {from: 1, to: 100000, step: 1}}")
@example(cameras="4", space="{depth_multiplier: {from: 1, to: 1.0000000000000002, step: 1e-320}}")
@example(cameras="4", space=f"{{classifier_depth: [{', '.join(['0.5'] * 9000)}]}}")
@example(cameras=f"[{', '.join(['{name: a;b}'] * 32)}]", space="{}")
def test_hostile_cameras_and_spaces_are_read_or_told_in_a_screen_or_two(
    tmp_path: Path, cameras: str, space: str
) -> None:
    kept = [line for line in VALID.splitlines() if not line.startswith(("cameras", "search_space", "  "))]
    path = tmp_path / "x.yaml"
    path.write_text("\n".join([*kept, f"cameras: {cameras}", f"search_space: {space}", ""]))
    message = ""
    try:
        scenario.load(str(path))
    except BudgetnetError as error:
        message = str(error)
    check_message(message, path)
    assert len(message.splitlines()) < 200
