"""Class maps: which classes a network tells apart on a data set, and what belongs to each. One YAML file per map.

A file names its `source` (a data set of `budgetnet.datasets`), its `classes_name`, the `classes` (name and colour, in
output order), the class that is `void` (or null), and a `map` from every source id to a class name, or to the
reserved word `ignore`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from budgetnet.classes import IGNORE, ClassList
from budgetnet.errors import BudgetnetError, FileError, Problem, did_you_mean, first_of, printable, shorten
from budgetnet.plugins import data_files

IGNORE_WORD = "ignore"
"""What a source id is mapped to whose pixels are left out of loss and metrics."""

_FIELDS = ("source", "classes_name", "classes", "void", "map")
_TOLD = 12
"""Ids of the source that a message gives as examples."""
_TAG = "tag:yaml.org,2002:"

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """One class map file. `targets`: source id -> class index, or `IGNORE` for ignored ids and the void class.

    One that was `asked_for` by its file goes before others that would do as well.
    """

    key: str
    source: str
    classes: ClassList
    targets: Mapping[int, int]
    asked_for: bool = False


def names() -> list[str]:
    """Keys of the class map files, sorted."""
    return list(data_files(__name__))


def for_source(source: str, source_classes: Mapping[int, str]) -> list[ClassMap]:
    """The class maps of one data set, whose ids are `source_classes`. Raises FileError with all faults of a file."""
    # By name first: a fault in one data set's map is no other's concern. By content too: one key may begin another.
    texts = {key: _text(entry) for key, entry in data_files(__name__).items() if key.startswith(f"{source}-")}
    return [parse(text, key, source_classes) for key, text in texts.items() if source_of(text, key) == source]


def class_lists(source: str) -> list[str]:
    """Names of the lists of classes that one data set's class maps reduce to, sorted. Raises FileError."""
    keys = [key for key in names() if key.startswith(f"{source}-")]
    texts = {key: _text(data_files(__name__)[key]) for key in keys}
    mine = {key: text for key, text in texts.items() if source_of(text, key) == source}
    return sorted(_Reader(f"{key}.yaml").name_of(text) for key, text in mine.items())


def source_of(text: str, key: str) -> str:
    """The data set that a class map file belongs to. Raises FileError when the text does not say."""
    reader = _Reader(f"{key}.yaml")
    source = reader.text(reader.fields(text).get("source"), "source")
    if not source:
        reader.finish()
    return source


def read(path: Path, source: str, source_classes: Mapping[int, str]) -> ClassMap:
    """A class map file that somebody wrote for a data set. Raises FileError listing every fault with its line."""
    where = printable(str(path))
    text = _text(path, where)
    return _parse(_Reader(where), text, path.name.removesuffix(path.suffix), source_classes, source)


def parse(text: str, key: str, source_classes: Mapping[int, str]) -> ClassMap:
    """Read and check the text of class map file `key`. Raises FileError listing every fault with its line."""
    return _parse(_Reader(f"{key}.yaml"), text, key, source_classes)


def _parse(
    reader: "_Reader", text: str, key: str, source_classes: Mapping[int, str], wanted: str | None = None
) -> ClassMap:
    found = reader.fields(text)
    source = reader.text(found.get("source"), "source")
    if source and wanted not in (None, source):
        reader.fault(found["source"], "source", f"must be {wanted}, the data set that it is for", shorten(source))
        reader.finish()  # of another data set's ids there is nothing more to tell
    name = reader.text(found.get("classes_name"), "classes_name")
    classes = reader.classes(found.get("classes"))
    void = reader.void(found.get("void"), list(classes))
    targets = reader.targets(found.get("map"), list(classes), source_classes)
    reader.finish()
    listed = ClassList(name=name, names=tuple(classes), colours=tuple(classes.values()), void=void)
    # The network keeps an output for void, but its pixels teach and score nothing: see ClassList.
    kept = {source_id: IGNORE if index == void else index for source_id, index in targets.items()}
    return ClassMap(key=key, source=source, classes=listed, targets=kept)


def _text(path: Path, where: str | None = None) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise BudgetnetError(f"{where or path.name}: class map cannot be read: {why}") from None


@cache
def _compose(text: str) -> Node | None:
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


@dataclass(slots=True)
class _Reader:
    """Walks the nodes of one file, not the values made of them: nodes know their line, and keep keys given twice."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def fault(self, node: Node | None, path: str, rule: str, value: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 1
        self.problems.append(Problem(file=self.file, line=line, field=path, rule=rule, value=value))

    def finish(self) -> None:
        if self.problems:
            raise FileError(self.problems)

    def fields(self, text: str) -> dict[str, Node]:
        try:
            root = _compose(text)
        except YAMLError as error:
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            what = shorten(getattr(error, "problem", None) or str(error), 120)
            line = mark.line + 1 if mark is not None else 1
            raise FileError(
                [Problem(file=self.file, line=line, field="(file)", rule="must be YAML", value=what)]
            ) from None
        found: dict[str, Node] = {}
        for key, value in self.items(root, "(file)"):
            name = self.text(key, "(file)")
            if name not in _FIELDS:
                self.fault(key, name, f"must be a known field{did_you_mean(name, _FIELDS)}", shorten(name))
            elif name in found:
                self.fault(key, name, "must be given once", "a second one")
            found.setdefault(name, value)
        for name in _FIELDS:
            if name not in found:
                self.fault(root, name, "must be given", "nothing")
        return found

    def name_of(self, text: str) -> str:
        name = self.text(self.fields(text).get("classes_name"), "classes_name")
        self.finish()
        return name

    def items(self, node: Node | None, path: str) -> Iterator[tuple[Node, Node]]:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(value, ScalarNode) and not value.value:
                    value.start_mark = key.start_mark  # an empty value starts where the next token does
                yield key, value
        else:
            self.fault(node, path, "must be a mapping", _shown(node))

    def text(self, node: Node | None, path: str) -> str:
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str" and node.value.strip():
            return str(node.value)
        if node is not None:  # a field left out was told already
            self.fault(node, path, "must be a text", _shown(node))
        return ""

    def classes(self, node: Node | None) -> dict[str, Colour]:
        if node is None:
            return {}
        if not isinstance(node, SequenceNode) or not node.value:
            self.fault(node, "classes", "must be a list of classes with name and colour", _shown(node))
            return {}
        found: dict[str, Colour] = {}
        colours: list[Colour] = []
        for index, entry in enumerate(node.value):
            path = f"classes[{index}]"
            values = {self.text(key, path): value for key, value in self.items(entry, path)}
            if isinstance(entry, MappingNode) and sorted(values) != ["colour", "name"]:
                self.fault(
                    entry, path, "must have the fields name and colour and no other", ", ".join(values) or "none"
                )
            name = self.text(values.get("name"), f"{path}.name")
            if name == IGNORE_WORD or name in found:
                self.fault(entry, f"{path}.name", f"must be a name of its own, and not {IGNORE_WORD!r}", shorten(name))
            colour = self.colour(values.get("colour"), f"{path}.colour")
            if colour in colours:
                self.fault(entry, f"{path}.colour", "must differ from the colours of the other classes", str(colour))
            if colour is not None:
                colours.append(colour)
            if name:
                found[name] = colour or (0, 0, 0)
        return found

    def colour(self, node: Node | None, path: str) -> Colour | None:
        if node is None:
            return None
        parts = [_whole(part) for part in node.value] if isinstance(node, SequenceNode) else []
        known = [part for part in parts if part is not None and 0 <= part <= 255]
        if len(parts) == len(known) == 3:
            return known[0], known[1], known[2]
        self.fault(node, path, "must be three whole numbers from 0 to 255: red, green, blue", _shown(node))
        return None

    def void(self, node: Node | None, known: list[str]) -> int | None:
        if node is None or (isinstance(node, ScalarNode) and node.tag == f"{_TAG}null"):
            return None
        name = self.text(node, "void")
        if name and name not in known:
            self.fault(node, "void", f"must be null or a name of the classes{did_you_mean(name, known)}", shorten(name))
        return known.index(name) if name in known else None

    def targets(self, node: Node | None, known: list[str], source_classes: Mapping[int, str]) -> dict[int, int]:
        if node is None:
            return {}
        found: dict[int, int] = {}
        for key, value in self.items(node, "map"):
            source_id = _whole(key)
            if source_id is None or source_id not in source_classes:
                ids = first_of([f"{number} {name}" for number, name in source_classes.items()], _TOLD)
                self.fault(key, "map", f"must have ids of the source as keys ({ids})", _shown(key))
                continue
            path = f"map.{source_id}"
            if source_id in found:
                self.fault(key, path, "must be mapped once", "a second one")
            name = self.text(value, path)
            if name and name not in (*known, IGNORE_WORD):
                rule = f"must be a name of the classes, or {IGNORE_WORD}{did_you_mean(name, known)}"
                self.fault(value, path, rule, shorten(name))
            found[source_id] = known.index(name) if name in known else IGNORE
        left_out = [f"{source_id} {name}" for source_id, name in source_classes.items() if source_id not in found]
        if left_out and isinstance(node, MappingNode):
            self.fault(node, "map", f"must map every id of the source, but leaves out {', '.join(left_out)}", "")
        return found


def _whole(node: Node) -> int | None:
    if not isinstance(node, ScalarNode) or node.tag != f"{_TAG}int" or not node.value.isdecimal():
        return None
    return int(node.value) if len(node.value) < 10 else None


def _shown(node: Node | None) -> str:
    if node is None:
        return "nothing"
    if isinstance(node, ScalarNode):
        return shorten(node.value) if node.value else "nothing"
    return "a mapping" if isinstance(node, MappingNode) else f"a list of {len(node.value)}"
