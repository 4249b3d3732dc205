"""Reads a YAML file into plain Python values, with the line of every key and item, and every fault found on the way.

Whatever the file holds, the outcome is a value or a `FileError`. So only what a settings file needs is read: texts,
numbers, true, false and null as of YAML 1.2, lists, and mappings with texts as keys. Anchors, aliases and tags are
refused, which also leaves no way to blow a small file up. The parser's events are walked with a stack of our own, since
recursion has an end.
"""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from budgetnet.errors import FileError, Problem, printable, shorten

WHOLE_FILE: Final = "(file)"
"""Stands where a field's name stands, for faults that belong to no field."""

MAXIMUM_BYTES: Final = 64 * 1024
MAXIMUM_DEPTH: Final = 16
MAXIMUM_DIGITS: Final = 100

Location: TypeAlias = tuple[str | int, ...]
"""Where a value lies: the keys and list indices that lead to it."""

# --- what was read, and what is wrong with it


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule at a place inside a value. With the file and the line of that place it becomes a `Problem`."""

    location: Location
    rule: str
    value: str = ""

    def __str__(self) -> str:
        return f"{dotted(self.location)}: {self.rule}" + (f", but got {self.value}" if self.value else "")


class FaultsError(ValueError):
    """What a validator raises when several items of its field are wrong: all of them, located inside the field."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


@dataclass(slots=True)
class Source:
    """A file as far as it could be read: its value, the line of every key and item, the faults found on the way.

    What lies at an `unread` location is unknown and told already, so the model has no say about it.
    """

    file: str
    value: dict[str, Any] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[Location] = field(default_factory=set)

    def line(self, location: Location) -> int:
        """Line of the key or item at `location`, or of the nearest mapping or list around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def add(self, fault: Fault, line: int | None = None) -> None:
        """Takes a fault up, at its own line where that is not the line of its location."""
        line = line or self.line(fault.location)
        where = dotted(fault.location)
        self.problems.append(Problem(file=self.file, line=line, field=where, rule=fault.rule, value=fault.value))

    def finish(self) -> None:
        """Raises FileError with all faults, if there are any."""
        if self.problems:
            raise FileError(self.problems)


def say(value: object) -> str:
    """A value on one line, as the person who wrote the file knows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return shorten(value)


def dotted(location: Location) -> str:
    """`('input', 'height') -> 'input.height'`, `('classes', 0) -> 'classes[0]'`, `() -> '(file)'`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[\w-]{1,40}", part, re.ASCII)
            text += ("." if text else "") + (part if plain else shorten(part, 40))
    return text or WHOLE_FILE


# --- reading


def read(path: str | PathLike[str]) -> Source:
    """Reads a file. Raises FileError when there is nothing to go on; faults of single places are left in the result."""
    file = printable(str(path))
    return parse(_content(Path(path), file), file)


def parse(content: bytes, file: str) -> Source:
    """The same for the content of a file; messages call it `file`."""
    source = Source(file)
    text = _text(content, file)
    try:
        documents = _Walk(source).run(YAML(typ="safe", pure=True).parse(text))
    except _StopError as stop:
        source.add(stop.fault, stop.line)
        source.finish()
    except Exception as error:  # junk makes the parser fail in ways of its own, ValueError and OverflowError among them
        _add_syntax_faults(source, text, error)
        source.finish()
    else:
        if not documents:
            raise _refusal(file, "must be a mapping of fields", "an empty file")
    return source


def _content(path: Path, file: str) -> bytes:
    try:
        # Asked before it is opened: opening a pipe or a device may wait forever.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _refusal(file, "must be a regular file", "a folder" if stat.S_ISDIR(mode) else "a device or pipe")
        with path.open("rb") as stream:
            content = stream.read(MAXIMUM_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _refusal(file, "must exist", "no such file") from None
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        reason = error.strerror if isinstance(error, OSError) else None
        raise _refusal(file, "must be readable", f"an error: {printable(reason or str(error))}") from None
    if len(content) > MAXIMUM_BYTES:
        raise _refusal(file, f"must be at most {MAXIMUM_BYTES // 1024} KiB", "a larger file")
    return content


_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16 or UTF-32", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
# Besides control characters these are the line ends that only some programs know, byte order marks further on, and code
# points that are no characters. Alternatives rather than one set: Python compiles a set of wide ranges 50 times slower.
_BAD_CHARACTER = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\u2028|\u2029|\ufeff|[\ud800-\udfff]|\ufffe|\uffff")
_LINE_END = re.compile("\r\n?|\n")
_TAB_INDENT = re.compile(r" *\t\s*[^\s#]")


def _text(content: bytes, file: str) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise _refusal(file, "must be UTF-8 text", f"{encoding} text")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = _line_at(content[: error.start].decode("utf-8"))
        found = f"byte 0x{content[error.start]:02x} at offset {error.start}"
        raise _refusal(file, "must be UTF-8 text", found, line) from None
    bad = _BAD_CHARACTER.search(text)
    if bad:
        found = f"U+{ord(bad[0]):04X} at character {bad.start() + 1}"
        raise _refusal(file, "must be text without control characters", found, _line_at(text[: bad.start()]))
    return text


def _line_at(text_before: str) -> int:
    return 1 + len(_LINE_END.findall(text_before))


def _refusal(file: str, rule: str, value: str, line: int = 1) -> FileError:
    return FileError([Problem(file=file, line=line, field=WHOLE_FILE, rule=rule, value=value)])


def _add_syntax_faults(source: Source, text: str, error: Exception) -> None:
    """Tells where the text stops being YAML: the lines indented with tabs, or else where the parser gave up."""
    lines = _LINE_END.split(text)
    tabs = [number for number, line in enumerate(lines, 1) if _TAB_INDENT.match(line)]
    for number in tabs:
        source.add(Fault((), "must be indented with spaces", "a tab"), number)
    if tabs:
        return
    number, reason = max(source.lines.values(), default=1), "a value that cannot be read"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        number, reason = mark.line + 1 if mark else number, error.problem or reason
    reason = re.sub(r", but (?:got|found) (\('(.*)',\))?", lambda m: f", not '{m[2]}'" if m[1] else ", not ", reason)
    number = min(number, len(lines))
    line = lines[number - 1].strip()
    rule = f"must be YAML ({printable(reason)[:100]})"
    source.add(Fault((), rule, shorten(line) if line else "an empty line"), number)


class _StopError(Exception):
    """The rest of the file cannot be walked."""

    def __init__(self, event: NodeEvent | DocumentStartEvent, rule: str, value: str) -> None:
        super().__init__(rule)
        self.fault = Fault((), rule, value)
        self.line: int = event.start_mark.line + 1


@dataclass(slots=True)
class _Open:
    """A mapping or list under way. `key` is that of a mapping's next value; None where a key is due, and in lists."""

    location: Location
    value: dict[str, Any] | list[Any]
    key: str | None = None
    keep: bool = True


class _Walk:
    """Builds the value of a source from the parser's events."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open: list[_Open] = []

    def run(self, events: Iterable[Any]) -> int:
        """Takes up all events and returns the number of documents, 0 or 1. Raises _StopError at a second one."""
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _StopError(event, "must hold one document", "a second one")
            elif isinstance(event, CollectionEndEvent):
                self.open.pop()
            elif isinstance(event, NodeEvent):
                self.node(event)
        return documents

    def node(self, event: NodeEvent) -> None:
        if not self.open:
            self.root(event)
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            location = (*parent.location, len(parent.value))
            self.source.lines.setdefault(location, event.start_mark.line + 1)
            parent.value.append(self.value(event, location))
        elif parent.key is None:
            self.key(event, parent)
        else:
            key, keep, parent.key = parent.key, parent.keep, None
            value = self.value(event, (*parent.location, key))
            if keep:
                parent.value[key] = value

    def root(self, event: NodeEvent) -> None:
        self.source.lines[()] = event.start_mark.line + 1
        if not isinstance(event, MappingStartEvent):
            raise _StopError(event, "must be a mapping of fields", "a single value" if _is_leaf(event) else "a list")
        self.refuse_extras(event, ())
        self.open.append(_Open((), self.source.value))

    def key(self, event: NodeEvent, mapping: _Open) -> None:
        """Takes up the key of the next value. Where the key is no good, the value is read but not kept."""
        assert isinstance(mapping.value, dict)
        if not isinstance(event, ScalarEvent):
            raise _StopError(event, "must have texts as keys", "an alias" if _is_leaf(event) else "a mapping or list")
        key, line = str(event.value), event.start_mark.line + 1
        location = (*mapping.location, key)
        mapping.key, mapping.keep = key, False
        rule, value = _scalar(event)
        if rule or not isinstance(value, str):
            self.source.add(Fault(location, rule or "must have a text as key", shorten(key)), line)
        elif key in mapping.value:
            first = self.source.line(location)
            self.source.add(Fault(location, "must be given once", f"it again (first in line {first})"), line)
        else:
            mapping.keep = True
            self.source.lines[location] = line
            self.refuse_extras(event, location)

    def value(self, event: NodeEvent, location: Location) -> Any:
        self.refuse_extras(event, location)
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            self.source.unread.add(location)
            return None
        if isinstance(event, ScalarEvent):
            rule, value = _scalar(event)
            if rule:
                self.source.add(Fault(location, rule, shorten(event.value)), line)
            if rule or event.tag:
                self.source.unread.add(location)
            return value
        if len(self.open) >= MAXIMUM_DEPTH:
            raise _StopError(event, f"must be nested at most {MAXIMUM_DEPTH} deep", "deeper nesting")
        self.open.append(_Open(location, {} if isinstance(event, MappingStartEvent) else []))
        return self.open[-1].value

    def refuse_extras(self, event: NodeEvent, location: Location) -> None:
        """Anchors, aliases and tags: nothing that a settings file needs, and each a way to do harm."""
        line = event.start_mark.line + 1
        if event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            rule = "must be written out, without anchors and aliases"
            self.source.add(Fault(location, rule, shorten(f"{sign}{event.anchor}")), line)
        tag = getattr(event, "tag", None)  # aliases have none
        if tag:
            self.source.add(Fault(location, "must be written without a tag", shorten(tag)), line)


def _is_leaf(event: NodeEvent) -> bool:
    return isinstance(event, ScalarEvent | AliasEvent)


# The core schema of YAML 1.2: https://yaml.org/spec/1.2.2/#1032-tag-resolution
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"0o": 8, "0x": 16}


def _scalar(event: ScalarEvent) -> tuple[str, str | int | float | bool | None]:
    """The rule that a scalar breaks, or nothing; and its value."""
    text = str(event.value)
    if not event.implicit[0]:  # quoted, or in a block
        # An escape in double quotes writes what the file itself must not hold.
        return ("must be text without control characters" if _BAD_CHARACTER.search(text) else ""), text
    if text in _WORDS:
        return "", _WORDS[text]
    whole = _INTEGER.fullmatch(text)
    if not whole and not _FLOAT.fullmatch(text):
        return "", text
    # Checked before it is made: Python refuses to read ints of some thousand digits, and takes long for fewer.
    if len(text) > MAXIMUM_DIGITS:
        return f"must be a number of at most {MAXIMUM_DIGITS} digits", None
    return "", int(text, _BASES.get(text[:2], 10)) if whole else float(text)
