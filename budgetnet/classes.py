"""Lists of classes: names, colours, and which of them is void. Plain data, read from `classmaps/*.yaml`."""

from dataclasses import dataclass

IGNORE = 255
"""Label value of a pixel that is left out of loss and metrics, in every label array of budgetnet (uint8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassList:
    """The classes a network tells apart, in output order.

    `void` is the index of the class that stands for "none of these", where the list has one: the network keeps an
    output for it, as the published networks do, but its pixels are `IGNORE` in the labels, so loss and metrics leave
    it out.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    void: int | None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def scored(self) -> tuple[int, ...]:
        """Indices of the classes that count for the mean IoU: all but void."""
        return tuple(index for index in range(len(self.names)) if index != self.void)
