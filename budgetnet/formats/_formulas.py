"""Formulas of reports in the words of a spreadsheet: keys become cells, inputs become names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

_WORDS: Final = re.compile(r'"(?:[^"]|"")*"|\[(?P<key>(?:[^\]]|\]\])+)\]|\{(?P<name>[^{}]+)\}')
"""Texts, which stay as they are; values of the row; inputs, or the values of a table's column."""

ROW: Final = "\0"
"""Stands for the number of the row in a translated formula; no formula holds it otherwise."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What formulas may speak of: `names` of inputs, `ranges` of the values in the column `table:key`."""

    names: frozenset[str]
    ranges: Mapping[str, str]

    def translate(self, formula: str, columns: Mapping[str, str] | None = None) -> str:
        """The formula with cells for keys (`columns`: key -> letters, the row as `ROW`). Raises ValueError on a word
        that means nothing.
        """

        def word(found: re.Match[str]) -> str:
            key, name = found["key"], found["name"]
            if key is not None:
                return f"{_known(key.replace(']]', ']'), columns or {}, formula)}{ROW}"
            if name is None:
                return found[0]
            return name if name in self.names else _known(name, self.ranges, formula)

        return _WORDS.sub(word, formula)


def _known(word: str, known: Mapping[str, str], formula: str) -> str:
    if word not in known:
        raise ValueError(f"formula {formula!r}: {word!r} must be one of {', '.join(known) or 'nothing'}")
    return known[word]
