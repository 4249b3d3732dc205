"""Work that stops when somebody asks (Ctrl-C, SIGTERM, a terminal that is closed): after what is under way, and at once
when asked again.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, final

_ALWAYS: Final = (signal.SIGINT, signal.SIGTERM)
_SIGNALS: Final = (*_ALWAYS, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


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
        """Inside, the first Ctrl-C, SIGTERM or closed terminal asks the training to stop after its step; the next one
        ends it at once, but where there are several processes: torchrun hands on to each what a terminal sends to all.
        """
        for number in _SIGNALS:
            if number in _ALWAYS or signal.getsignal(number) is not signal.SIG_IGN:  # which nohup asks for
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
