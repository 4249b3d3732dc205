"""What a network or a head can be asked for: the declared parameters, their rules and the values searched by
default.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Literal, TypeAlias, final

from budgetnet.errors import shorten

Value: TypeAlias = int | float | str

_KINDS = {int: "a whole number", float: "a number", str: "a text"}


def written(value: Value) -> str:
    """A value as people write it, and exactly: 1.0 is 1, and 0.1234567 is no less."""
    return repr(float(value)).removesuffix(".0") if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    """Python reads `1_0` as 10, and digits of any alphabet; a word that is meant as one number is plainer than that."""
    if "_" in text or not text.isascii():
        raise ValueError
    return text


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. `above`, `minimum`, `maximum` and `choices` are its rules; `space` the values searched by
    default; `step` how finely a number is worth being chosen, counted from `minimum` or `above`.

    A number has either `minimum` or `above`, and a `maximum`: plans go through all its values. Or it has `choices`, as
    a text must: then it is a word that decides what the network looks like, not an axis along which it grows.

    One that is `named` is written in labels by name, and only where it is not the default: labels that were written
    before there was such a parameter keep their meaning. Raises ValueError with the first rule that the declaration
    breaks.
    """

    name: str
    kind: type[int] | type[float] | type[str]
    default: Value
    space: tuple[Value, ...]
    help: str
    part: Literal["stem", "head"]
    above: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] = ()
    step: float = 1
    named: bool = False

    def __post_init__(self) -> None:
        rule = self._broken_choices() if self.choices or self.kind is str else self._broken_numbers()
        if rule:
            raise ValueError(f"{self.name}: {rule}")
        if not self.space:
            raise ValueError(f"{self.name}: space must hold one value or more, but got none")
        for field, value in (("default", self.default), *(("space", value) for value in self.space)):
            rule = self.check(value)
            if rule:
                raise ValueError(f"{self.name}: {field} {rule}, but got {shorten(value)}")

    def _broken_choices(self) -> str | None:
        if not self.choices:
            return "choices must hold one text or more, but got none"
        for value in self.choices:
            rule = self.check_kind(value)
            if rule:
                return f"choices {rule}, but got {shorten(value)}"
        for field in ("minimum", "above", "maximum"):
            limit = getattr(self, field)
            if limit is not None:
                return f"{field} must be left out where there are choices, but got {shorten(limit)}"
        return None

    def _broken_numbers(self) -> str | None:
        if (self.minimum is None) == (self.above is None):
            got = "neither" if self.minimum is None else "both"
            return f"minimum or above must be given, one of them, but got {got}"
        if self.maximum is None:
            return "maximum must be given, but got none"
        for field in ("minimum", "above", "maximum", "step"):
            limit = getattr(self, field)
            rule = None if limit is None else self.check_kind(limit)
            if rule:
                return f"{field} {rule}, but got {shorten(limit)}"
        if self.step <= 0:
            return f"step must be greater than 0, but got {shorten(self.step)}"
        first = self.minimum if self.above is None else self.above + self.step
        if first is not None and self.maximum < first:
            return f"maximum must be {written(first)} or more, the first value, but got {shorten(self.maximum)}"
        return None

    @property
    def numeric(self) -> bool:
        """Whether it is a number on a scale, any value between its limits; else it is one of its choices."""
        return not self.choices

    def check(self, value: object) -> str | None:
        """The rule that `value` breaks (`must be greater than 0`), or None."""
        rule = self.check_kind(value)
        if rule:
            return rule
        if self.choices:
            return None if value in self.choices else f"must be {self.rule}"
        assert isinstance(value, int | float)
        return self._check_limits(value)

    def check_kind(self, value: object) -> str | None:
        """The same without limits and choices (`must be a whole number`)."""
        if isinstance(value, bool) or not isinstance(value, (int, float) if self.kind is float else self.kind):
            return f"must be {_KINDS[self.kind]}"
        if isinstance(value, float) and not isfinite(value):
            return "must be a finite number"
        return None

    def _check_limits(self, value: float) -> str | None:
        if self.above is not None and not value > self.above:
            return f"must be greater than {self.above:g}"
        if self.minimum is not None and value < self.minimum:
            return f"must be {self.minimum:g} or more"
        if self.maximum is not None and value > self.maximum:
            return f"must be {self.maximum:g} or less"
        return None

    def parse(self, text: str) -> Value:
        """The value that a word of the command line stands for. Raises ValueError with the broken rule."""
        value: Value = text
        if self.kind is not str:
            try:
                value = self.kind(_plain(text))
            except ValueError:
                raise ValueError(f"must be {_KINDS[self.kind]}") from None
        rule = self.check(value)
        if rule:
            raise ValueError(rule)
        return value

    def normal(self, value: Value) -> Value:
        """`value` in the parameter's own type, so that 1 and 1.0 are one depth multiplier."""
        return float(value) if self.kind is float else value

    @property
    def explained(self) -> str:
        """What it is, and the rule of a number, in sentences."""
        sentences = [self.help] if self.choices else [self.help, self.rule]
        return " ".join(f"{each[:1].upper()}{each[1:]}." for each in sentences)

    @property
    def rule(self) -> str:
        """The rules in words, for help texts."""
        if self.choices:
            return "one of " + ", ".join(map(written, self.choices))
        low = f" above {self.above:g}" if self.above is not None else ""
        low += f" from {self.minimum:g}" if self.minimum is not None else ""
        return _KINDS[self.kind] + low + (f" to {self.maximum:g}" if self.maximum is not None else "")
