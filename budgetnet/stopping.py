"""Work that stops when somebody asks: Ctrl-C or SIGTERM, after what is under way, and at once when asked again."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, final


@final
@dataclass(slots=True, kw_only=True)
class Stop:
    """Whether somebody asked the training to stop; `told` is called then. `alone`: this is its only process."""

    told: Callable[[], None]
    alone: bool
    asked: bool = False
    _before: dict[int, Any] = field(default_factory=dict)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the first Ctrl-C or SIGTERM asks the training to stop after its step; the next one ends it at
        once, but where there are several processes: torchrun hands on to each what a terminal has sent to all.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        try:
            yield
        finally:
            self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.alone:
            self._restore()
        if not self.asked:
            self.asked = True
            self.told()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
