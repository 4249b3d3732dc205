"""Words of the command line -> values. Every refusal states the rule, then the word."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from budgetnet import heads
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.networks import SMALLEST_SIDE, Candidate, family
from budgetnet.networks import names as families
from budgetnet.parameters import Value

if TYPE_CHECKING:  # `ops` reads no scenario, and starts the faster
    from budgetnet.scenario import Scenario

LARGEST_SIDE = 8192


def candidate(network: str, words: Sequence[str]) -> Candidate:
    """`mobilenet-fcn`, `["depth_multiplier=0.5"]` -> the candidate. Raises BudgetnetError."""
    chosen = family(network)
    values: dict[str, Value] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise BudgetnetError(f"parameters must be given as NAME=VALUE, but got {shorten(word)}")
        if name in values:
            raise BudgetnetError(f"{name}: must be given once, but got it again as {shorten(word)}")
        try:
            values[name] = chosen.parameter(name).parse(text)
        except ValueError as error:
            raise BudgetnetError(f"{name}: {error}, but got {shorten(text)}") from None
    made = Candidate.of(network, values)
    for name in values.keys() - made.parameters.keys():
        raise BudgetnetError(
            f"{name}: must be a parameter of head {made.parameters.get('head')!r}, which has no such one"
        )
    return made


def choice(scenario: "Scenario", text: str, where: str = "--candidate") -> list[Candidate]:
    """`depth_multiplier=0.5 classifier_depth=256` -> the candidate for the scenario's network; parameters left out take
    their defaults. A label, as plans print it, is taken as well.

    Where the scenario chooses several networks each is given with its name, `shared: ...; front: ...`, where a label
    needs no colon. Errors begin with `where`. Raises BudgetnetError.
    """
    networks = scenario.networks
    if len(networks) == 1:
        return [worded(networks[0].family, text, where)]
    given: dict[str, str] = {}
    for part in text.split(";"):
        name, words = _named([each.name for each in networks], part.strip())
        if not name or name in given:
            rule = f"{where}: must be {'; '.join(f'{each.name}: NAME=VALUE ...' for each in networks)}"
            raise BudgetnetError(f"{rule}, but got {shorten(text)}")
        given[name] = words
    missing = [each.name for each in networks if each.name not in given]
    if missing:
        raise BudgetnetError(f"{where}: must name every network, but got none for {', '.join(missing)}")
    return [worded(each.family, given[each.name], f"{where}: {each.name}") for each in networks]


def named(text: str) -> Candidate:
    """`mobilenet-fcn depth_multiplier=0.5`, `unet`: a family and its parameters, defaults for the rest; or its label.
    Without a family it is `mobilenet-fcn`. Raises BudgetnetError.
    """
    first, _, rest = text.strip().partition(" ")
    if first in families() or not ("=" in text or "/" in text):
        return worded(first, rest, first) if rest.strip() else candidate(first, [])
    return worded("mobilenet-fcn", text, "candidate")


def chosen(scenario: "Scenario", text: str | None, row: str | None) -> Candidate:
    """The one candidate that is to be trained: as `choice` reads it, or of a row of a report. Raises BudgetnetError."""
    if (text is None) == (row is None):
        got = "neither" if text is None else "both"
        raise BudgetnetError(f"--candidate or --from: must be given, one of them, but got {got}")
    networks = scenario.networks
    if len(networks) > 1:
        rule = "scenario: must be one whose camera groups share one network"
        raise BudgetnetError(f"{rule}, but got {', '.join(each.name for each in networks)}")
    return (
        worded(networks[0].family, text, "--candidate") if text is not None else _of_row(networks[0].family, row or "")
    )


def _of_row(network: str, word: str) -> Candidate:
    """`reports/parking/pareto.csv:0`: the candidate in a row, from 0, of a CSV file with a column per parameter.

    Cells of parameters that the row's head does not have are blank; a parameter without a column takes its default.
    """
    path, colon, number = word.rpartition(":")
    if not path or not colon or not re.fullmatch(r"\d{1,6}", number, re.ASCII):
        raise BudgetnetError(f"--from: must be FILE.csv:ROW, the first row being 0, but got {shorten(word)}")
    where = printable(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValueError, csv.Error):
        raise BudgetnetError(f"{where}: must be a CSV file, but is not") from None
    if not rows:
        raise BudgetnetError(
            f"{where}: must hold a row of headings and one for each candidate, but holds none of these"
        )
    if int(number) >= len(rows):
        raise BudgetnetError(f"--from: must be a row below {len(rows)}, the rows of {where}, but got {int(number)}")
    known = {parameter.name for parameter in family(network).parameters}
    row = {name: (value or "").strip() for name, value in rows[int(number)].items() if name in known}
    if not row:
        raise BudgetnetError(f"{where}: must have columns named as parameters of {network}, but has none")
    try:
        made = candidate(network, [f"{name}={value}" for name, value in row.items() if value])
        blank = [name for name in made.parameters if row.get(name) == ""]
        if blank:
            raise BudgetnetError(f"{blank[0]}: must be given, but is blank")
    except BudgetnetError as error:
        raise BudgetnetError(f"{where}, row {int(number)}: {error}") from None
    return made


def _named(names: Sequence[str], part: str) -> tuple[str, str]:
    """`front: depth_multiplier=0.5`, `front 0.5 / Conv2d_13_pointwise / ...` -> the network's name, and the words for
    it; two empty texts where there is none.

    No name holds a colon, and the first value of a label holds no blank; so `front` and `front 2` are told apart.
    """
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    found = re.fullmatch(rf"({known})(?:\s*:(.*)|\s+([^\s/]+\s*/.*))", part, re.DOTALL)
    return (found[1], found[2] or found[3] or "") if found else ("", "")


def worded(network: str, text: str, where: str) -> Candidate:
    """A candidate of a network from words or a label; `where` is what errors call the text. Raises BudgetnetError."""
    plain = [parameter for parameter in family(network).declaration.PARAMETERS if not parameter.named]
    if "/" in text or (len(plain) == 1 and "=" not in text and text.strip()):  # a label may be of one parameter
        return _from_label(network, text, where)
    words = text.replace(",", " ").split()
    if not words:
        raise BudgetnetError(f"{where}: must name parameters as NAME=VALUE, or be a label, but got {shorten(text)}")
    return candidate(network, words)


def _from_label(network: str, text: str, where: str) -> Candidate:
    """`0.5 / Conv2d_13_pointwise / fcn / 7 / 1024`: every parameter in the declared order. Those that labels name
    follow where they are not the default: `output_stride=16`.
    """
    chosen = family(network)
    words = [word.strip() for word in text.split("/")]
    plain, named = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    names = [parameter.name for parameter in chosen.declaration.PARAMETERS if not parameter.named]
    head = dict(zip(names, plain, strict=False)).get("head")
    if head in heads.names():
        names += [parameter.name for parameter in chosen.head_parameters(head) if not parameter.named]
    if len(plain) != len(names):
        raise BudgetnetError(f"{where}: must be {' / '.join(names)}, but got {shorten(text)}")
    return candidate(network, [*(f"{name}={word}" for name, word in zip(names, plain, strict=True)), *named])


def size(word: str, flag: str = "--size") -> tuple[int, int]:
    """`320x480` -> (320, 480). Raises BudgetnetError that names the flag."""
    match = re.fullmatch(r"(\d{1,6})\s*[xX]\s*(\d{1,6})", word.strip(), re.ASCII)
    if match is None:
        raise BudgetnetError(f"{flag}: must be HEIGHTxWIDTH, such as 320x480, but got {shorten(word)}")
    height, width = int(match[1]), int(match[2])
    for side in (height, width):
        if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
            raise BudgetnetError(f"{flag}: sides must be {SMALLEST_SIDE} to {LARGEST_SIDE}, but got {shorten(word)}")
    return height, width
