"""The contact sheet: images of a data set blended with their labels, what each is, and the colour key."""

import itertools
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from budgetnet import pictures
from budgetnet.classes import ClassList
from budgetnet.pictures import Colour, Pixels

TILE = 320
"""Width and greatest height of a tile, in pixels."""

MOST = 200
"""Tiles of one sheet: more make a picture that few programs open."""

LINES = 3
"""Lines that the words below a tile's title may take."""

_LINE, _FONT = 18, 13
_GREY, _RED = (90, 90, 90), (190, 20, 10)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """An image, uint8 (h, w, 3), with its labels, uint8 (h, w), class indices or `IGNORE`, at most `TILE` a side.

    Below it stand `title` and `text`, which is red for a `fault`.
    """

    image: Pixels
    labels: Pixels
    title: str
    text: str
    fault: bool = False


def tile(image: Pixels, labels: Pixels, *, title: str, text: str, fault: bool = False) -> Tile:
    """An image, uint8 (h, w, 3), and its labels, uint8 (h, w), scaled to a tile."""
    height, width = labels.shape
    scale = TILE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Tile(
        image=np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), np.uint8),
        labels=np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST), np.uint8),
        title=title,
        text=text,
        fault=fault,
    )


def sheet(tiles: Sequence[Tile], classes: ClassList) -> Pixels:
    """The tiles in rows of four or more, words below each, and the colour key of all classes: uint8 (h, w, 3)."""
    columns = min(len(tiles), max(4, round(len(tiles) ** 0.5)))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    drawn = pictures.below([_row(row, columns, classes) for row in rows])
    width = max(drawn.shape[1], 2 * TILE)  # the key's words want room
    wide = np.full((drawn.shape[0], width, 3), 255, np.uint8)
    wide[:, : drawn.shape[1]] = drawn
    return np.concatenate([wide, pictures.key(width, classes, columns=max(3, width // 240))], axis=0)


def spread(splits: Mapping[str, Sequence[Item]], count: int, seed: int) -> dict[str, list[Item]]:
    """About as many of each split, `count` in all where there are so many: from each stretch of a split one, drawn from
    `seed`. In a drive neighbours look the same.
    """
    numbers = _shares({split: len(items) for split, items in splits.items()}, count)
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    drawn: dict[str, list[Item]] = {}
    for split, items in splits.items():
        number = numbers[split]
        edges = [len(items) * place // max(1, number) for place in range(number + 1)]
        drawn[split] = [items[rng.randrange(first, last)] for first, last in itertools.pairwise(edges)]
    return drawn


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """One after the other takes one more, until `count` are given out or all are taken."""
    given = dict.fromkeys(sizes, 0)
    left = min(count, sum(sizes.values()))
    while left:
        for split, size in sizes.items():
            if left and given[split] < size:
                given[split] += 1
                left -= 1
    return given


def _row(tiles: Sequence[Tile], columns: int, classes: ClassList) -> Pixels:
    height = max(len(each.labels) for each in tiles)
    lines = max(len(wrapped(each.text)) for each in tiles)
    cells = [_cell(each, height, lines, classes) for each in tiles]
    empty = np.full_like(cells[0], 255)
    return pictures.beside([*cells, *[empty] * (columns - len(cells))])


def _cell(each: Tile, height: int, lines: int, classes: ClassList) -> Pixels:
    """A tile in the middle of its cell, with its title and room for as many lines of words below."""
    made = Image.new("RGB", (TILE, height + (1 + lines) * _LINE + 4), "white")
    blended = Image.fromarray(pictures.overlay(each.image, each.labels, classes))
    made.paste(blended, ((TILE - blended.width) // 2, (height - blended.height) // 2))
    draw = ImageDraw.Draw(made)
    ink = _RED if each.fault else _GREY
    told: list[tuple[str, Colour]] = [(_fitting(each.title), (0, 0, 0)), *((line, ink) for line in wrapped(each.text))]
    for place, (words, colour) in enumerate(told):
        draw.text((2, height + 3 + place * _LINE), words, fill=colour, font=_font())
    return np.asarray(made)


def wrapped(words: str) -> list[str]:
    """The words in lines that fit under a tile, `LINES` at most; what is left over is cut off."""
    lines: list[str] = []
    while len(lines) < LINES - 1 and not _fits(words):
        end = _end(words, "")
        gap = words.rfind(" ", 1, end + 1)
        end = gap if gap > 0 else end  # a path may be longer than a line
        lines.append(words[:end])
        words = words[end:].lstrip(" ")
    return [*lines, _fitting(words)]


def _fitting(words: str) -> str:
    """As many of the words as fit under a tile."""
    return words if _fits(words) else f"{words[: _end(words, '...')]}..."


def _end(words: str, tail: str) -> int:
    """How many characters fit under a tile, `tail` behind them; one at least."""
    first_too_long = bisect_left(range(len(words)), True, key=lambda end: not _fits(words[:end] + tail))
    return max(1, first_too_long - 1)


def _fits(words: str) -> bool:
    return _font().getlength(words) <= TILE - 4


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT)
