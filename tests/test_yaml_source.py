"""Reading YAML: what is taken, what is refused, and with which words."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from budgetnet import yaml_model, yaml_source
from budgetnet.errors import FileError, did_you_mean, printable, shorten
from budgetnet.yaml_source import Fault, FaultsError, dotted, say


def problems(content: str | bytes) -> list[str]:
    """The messages that reading gives, without the file's name."""
    raw = content.encode() if isinstance(content, str) else content
    try:
        found = yaml_source.parse(raw, "x.yaml").problems
    except FileError as error:
        found = list(error.problems)
    return [str(problem).removeprefix("x.yaml:") for problem in found]


def value(content: str) -> dict[str, Any]:
    source = yaml_source.parse(content.encode(), "x.yaml")
    source.finish()
    return source.value


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a", "a"),
        ("'4'", "4"),
        ('"true"', "true"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("2001-99-99", "2001-99-99"),
        ("12:30:45", "12:30:45"),
        ("nan", "nan"),
        ("\u0664", "\u0664"),
        ("4", 4),
        ("+4", 4),
        ("-4", -4),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("4.", 4.0),
        (".5", 0.5),
        ("-1.5e-3", -0.0015),
        ("1e5", 1e5),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("true", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("[1, [2, b], {c: 3}]", [1, [2, "b"], {"c": 3}]),
        ("{b: {c: []}}", {"b": {"c": []}}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("\n  - 1\n  - 2", [1, 2]),
    ],
)
def test_values_follow_the_core_schema(written: str, expected: object) -> None:
    found = value(f"a: {written}")["a"]
    assert found == expected
    assert type(found) is type(expected)


def test_nan_is_a_number() -> None:
    found = value("a: .nan")["a"]
    assert found != found


def test_every_key_and_item_has_its_line() -> None:
    source = yaml_source.parse(b"# comment\na:\n  b: 1\n  c:\n  - 2\n  -\n    d: 3\n", "x.yaml")
    assert source.lines == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 7,
        ("a", "c", 1, "d"): 7,
    }
    assert source.line(("a", "gone")) == 2
    assert yaml_source.Source("x.yaml").line(("a",)) == 1


@pytest.mark.parametrize("content", ["\ufeffa: 1\n", "a: 1\r\n", "---\na: 1\n...\n", "%YAML 1.2\n---\na: 1\n", "a: 1"])
def test_harmless_extras_are_taken(content: str) -> None:
    assert value(content) == {"a": 1}


LARGE = "9" * 5000

BROKEN = {
    "empty": ("", ["1: (file): must be a mapping of fields, but got an empty file"]),
    "only a comment": ("\n# a\n", ["1: (file): must be a mapping of fields, but got an empty file"]),
    "list": ("\n- a\n", ["2: (file): must be a mapping of fields, but got a list"]),
    "scalar": ("\n\nword\n", ["3: (file): must be a mapping of fields, but got a single value"]),
    "two documents": ("a: 1\n---\nb: 2\n", ["2: (file): must hold one document, but got a second one"]),
    "tabs": ("a:\n\tb: 1\n  \tc: 2\n", [f"{n}: (file): must be indented with spaces, but got a tab" for n in (2, 3)]),
    "syntax": (
        "a: 1\nb: c: d\n",
        ["2: (file): must be YAML (mapping values are not allowed here), but got 'b: c: d'"],
    ),
    "syntax at the end": (
        "a: [1,\n\n",
        ["3: (file): must be YAML (expected the node content, not '<stream end>'), but got an empty line"],
    ),
    "first line indented": (
        "  a: 1\nb: 2\n",
        ["2: (file): must be YAML (expected '<document start>', not '<block mapping start>'), but got 'b: 2'"],
    ),
    "escape out of range": (
        'a: 1\nb: "\\UFFFFFFFF"\n',
        ["2: (file): must be YAML (a value that cannot be read), but got 'b: \"\\\\UFFFFFFFF\"'"],
    ),
    "list as key": ("a: 1\n? [b]\n: 2\n", ["2: (file): must have texts as keys, but got a mapping or list"]),
    "alias as key": ("*x : 2\n", ["1: (file): must have texts as keys, but got an alias"]),
    "number as key": ("a: 1\n1: b\n", ["2: 1: must have a text as key, but got '1'"]),
    "nothing as key": ("a: 1\n: b\n", ["2: '': must have a text as key, but got ''"]),
    "key given twice": ("a: 1\nb: 2\na: 3\n", ["3: a: must be given once, but got it again (first in line 1)"]),
    "keys given twice and thrice": (
        "a:\n  b: 1\n  b: 2\nc: {d: 1,\n d: 2}\na: 3\na: 4\n",
        [
            "3: a.b: must be given once, but got it again (first in line 2)",
            "5: c.d: must be given once, but got it again (first in line 4)",
            "6: a: must be given once, but got it again (first in line 1)",
            "7: a: must be given once, but got it again (first in line 1)",
        ],
    ),
    "anchor and alias": (
        "a: &x 1\nb: *x\n",
        [
            "1: a: must be written out, without anchors and aliases, but got '&x'",
            "2: b: must be written out, without anchors and aliases, but got '*x'",
        ],
    ),
    "tag": (
        "a: !!python/object/apply:os.getcwd []\nb: !!str 4\n",
        [
            "1: a: must be written without a tag, but got 'tag:yaml.org,2002:python/object/apply:os.getcwd'",
            "2: b: must be written without a tag, but got 'tag:yaml.org,2002:str'",
        ],
    ),
    "long integer": (f"a: {LARGE}\n", [f"1: a: must be a number of at most 100 digits, but got '{'9' * 56}..."]),
    "long float": (f"a: {LARGE}.0\n", [f"1: a: must be a number of at most 100 digits, but got '{'9' * 56}..."]),
    "escaped control character": (
        'a: "b\\0c"\n',
        ["1: a: must be text without control characters, but got 'b\\x00c'"],
    ),
    "escaped surrogate": ('a: "\\uD800"\n', ["1: a: must be text without control characters, but got '\\ud800'"]),
    "escaped control character in a key": (
        '"a\\0": 1\n',
        ["1: 'a\\x00': must be text without control characters, but got 'a\\x00'"],
    ),
    "control character": (
        "a: 1\nb: \x07\n",
        ["2: (file): must be text without control characters, but got U+0007 at character 9"],
    ),
    "NUL": ("a\0: 1\n", ["1: (file): must be text without control characters, but got U+0000 at character 2"]),
    "line separator": (
        "a: 1\r\nb: \u2028\n",
        ["2: (file): must be text without control characters, but got U+2028 at character 10"],
    ),
    "Latin-1": (b"a: 1\nb: caf\xe9\n", ["2: (file): must be UTF-8 text, but got byte 0xe9 at offset 11"]),
    "UTF-16": ("a: 1".encode("utf-16"), ["1: (file): must be UTF-8 text, but got UTF-16 or UTF-32 text"]),
    "UTF-16 big end first": (b"\xfe\xff\0a", ["1: (file): must be UTF-8 text, but got UTF-16 text"]),
    "UTF-32 big end first": (b"\0\0\xfe\xff\0\0\0a", ["1: (file): must be UTF-8 text, but got UTF-32 text"]),
    "nested too deep": (
        "a: 1\nb: " + "[" * 5000,
        ["2: (file): must be nested at most 16 deep, but got deeper nesting"],
    ),
}


@pytest.mark.parametrize(("content", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_settings_file_is_told(content: str | bytes, expected: list[str]) -> None:
    found = problems(content)
    assert len(found) == len(expected)
    for message, start in zip(found, expected, strict=True):
        assert message == start or (start.endswith("...") and message.startswith(start))


def test_what_was_found_before_broken_syntax_is_told_too() -> None:
    assert problems("a: 1\na: 2\nb: c: d\n")[0] == "2: a: must be given once, but got it again (first in line 1)"


def test_the_first_of_two_values_is_kept() -> None:
    assert yaml_source.parse(b"a: 1\na: {b: 2}\nc: 3\n", "x.yaml").value == {"a": 1, "c": 3}


# --- files


def file_problem(path: Path | str) -> str:
    with pytest.raises(FileError) as caught:
        yaml_source.read(path)
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    assert file_problem(tmp_path / "a.yaml") == f"{tmp_path}/a.yaml:1: (file): must exist, but got no such file"


def test_file_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert file_problem(tmp_path / "a" / "b").endswith(":1: (file): must exist, but got no such file")


def test_folder(tmp_path: Path) -> None:
    assert file_problem(tmp_path).endswith(":1: (file): must be a regular file, but got a folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a matter of POSIX")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert file_problem(tmp_path / "pipe").endswith(":1: (file): must be a regular file, but got a device or pipe")


def test_file_that_must_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.yaml").touch()
    monkeypatch.setattr(Path, "open", refuse)
    expected = ":1: (file): must be readable, but got an error: Permission denied"
    assert file_problem(tmp_path / "a.yaml").endswith(expected)


def test_path_with_a_nul_and_a_line_end() -> None:
    assert file_problem("a\0\nb") == "a\\x00\\nb:1: (file): must be readable, but got an error: embedded null byte"


def test_large_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (yaml_source.MAXIMUM_BYTES + 1))
    assert file_problem(tmp_path / "a.yaml").endswith(":1: (file): must be at most 64 KiB, but got a larger file")


# --- models


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    whole: int = Field(default=1, ge=1, le=4)
    number: float = Field(default=1, gt=0, lt=4)
    flag: bool = False
    text: str = ""


class Outer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    inner: Inner
    several: tuple[Inner, ...] = Field(default=(), strict=False, min_length=1)
    maybe: Inner | None = None


def model_problems(content: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        yaml_model.validate(yaml_source.parse(content.encode(), "x.yaml"), Outer)
    return [str(problem).removeprefix("x.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("inner: {whole: '4'}", "inner.whole: must be a whole number, but got '4'"),
        ("inner: {whole: 4.0}", "inner.whole: must be a whole number, but got 4.0"),
        ("inner: {whole: true}", "inner.whole: must be a whole number, but got true"),
        ("inner: {whole: }", "inner.whole: must be a whole number, but got nothing"),
        ("inner: {whole: 0}", "inner.whole: must be 1 or more, but got 0"),
        ("inner: {whole: 5}", "inner.whole: must be 4 or less, but got 5"),
        ("inner: {number: x}", "inner.number: must be a number, but got 'x'"),
        ("inner: {number: false}", "inner.number: must be a number, but got false"),
        ("inner: {number: 0}", "inner.number: must be greater than 0, but got 0"),
        ("inner: {number: 4}", "inner.number: must be less than 4, but got 4"),
        ("inner: {number: .nan}", "inner.number: must be a finite number, but got nan"),
        ("inner: {number: 1e999}", "inner.number: must be a finite number, but got inf"),
        ("inner: {flag: 1}", "inner.flag: must be true or false, but got 1"),
        ("inner: {text: 1}", "inner.text: must be a text, but got 1"),
        ("inner: 1", "inner: must be a mapping, but got 1"),
        ("several: []\ninner: {}", "several: must hold 1 or more, but got []"),
        ("several: 1\ninner: {}", "several: must be a list, but got 1"),
        ("other: 1", "inner: must be given, but got nothing"),
        ("inner: {wole: 1}", "inner.wole: unknown field; did you mean 'whole'?"),
        ("inner: {zzz: 1}", "inner.zzz: unknown field; known: whole, number, flag, text"),
        ("several: [{txt: 1}]\ninner: {}", "several[0].txt: unknown field; did you mean 'text'?"),
        ("maybe: {txt: 1}\ninner: {}", "maybe.txt: unknown field; did you mean 'text'?"),
    ],
)
def test_broken_rules_are_told_in_our_words(content: str, expected: str) -> None:
    assert f"1: {expected}" in model_problems(content)


def test_faults_of_reading_and_of_the_model_are_told_together() -> None:
    assert model_problems("inner:\n  whole: *a\n  number: 9\n  whole: 1\nsevral: 1\n") == [
        "2: inner.whole: must be written out, without anchors and aliases, but got '*a'",
        "3: inner.number: must be less than 4, but got 9",
        "4: inner.whole: must be given once, but got it again (first in line 2)",
        "5: sevral: unknown field; did you mean 'several'?",
    ]


def test_faults_of_reading_alone_are_enough(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("inner: {}\ninner: {}\n")
    with pytest.raises(FileError, match="must be given once"):
        yaml_model.load(tmp_path / "x.yaml", Outer)


# --- words


def test_faults_in_words() -> None:
    faults = FaultsError([Fault(("a", 0), "must be 1", "2"), Fault((), "unknown field")])
    assert str(faults) == "a[0]: must be 1, but got 2; (file): unknown field"


def test_say() -> None:
    assert [say(each) for each in (None, True, False, 4, "four")] == ["nothing", "true", "false", "4", "'four'"]


def test_dotted() -> None:
    assert dotted(("a", "b-c", 0, 1, "d e")) == "a.b-c[0][1].'d e'"
    assert len(dotted(("x" * 5000,))) == 40


def test_shorten_is_one_short_ascii_line() -> None:
    assert shorten("a\nb\u2028\xe9") == r"'a\nb\u2028\xe9'"
    assert shorten("x" * 5000) == "'" + "x" * 56 + "..."
    assert shorten(10**5000) == "a whole number of 16610 bits"


def test_printable_is_one_line() -> None:
    assert printable("caf\xe9\n\ud800") == "caf\xe9\\n\\ud800"


def test_did_you_mean() -> None:
    assert did_you_mean("FPS", ["fps", "cameras"]) == "; did you mean 'fps'?"
    assert did_you_mean("x", ["fps", "cameras"]) == "; known: fps, cameras"
    assert did_you_mean("x", []) == ""
