"""A worker's process as the coordinator has it: begun, told things, heard, ended."""

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast, final

from budgetnet.errors import BudgetnetError
from budgetnet.search.jobs import Job, Leave, Message, Stop

_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; sys.argv[1:] = []; from budgetnet.search.worker import main; main()"
)
"""What Python runs. It finds modules where this process does, and nothing in the folder that happens to be at hand."""

_LINES_TOLD: Final = 5
"""Of what a process said before it ended."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A process is gone, with this code."""

    code: int


@final
class Process:
    """A worker's process, and the threads that hear what it says and notice its end.

    Both put it into `heard`, with the process itself. `make` are the pickled bytes of what makes its evaluators. Raises
    BudgetnetError where the system has no room for another process.
    """

    def __init__(self, make: bytes, environment: Mapping[str, str], heard: "Heard") -> None:
        self._heard = heard
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        paths = [path or str(Path.cwd()) for path in sys.path]
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this very Python)
                [sys.executable, "-P", "-c", _PROGRAM, *paths],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **environment},
            )
        except OSError as error:
            self._errors.close()
            raise BudgetnetError(f"workers: must be processes that can be started, but got {error.strerror}") from error
        self._write(pickle.dumps(make))
        self._mouth = threading.Thread(target=self._hear, daemon=True)
        self._mouth.start()
        self._watch = threading.Thread(target=self._notice_end, daemon=True)
        self._watch.start()

    def send(self, message: Job | Stop | Leave) -> bool:
        """Whether it could be told: not where it is gone already."""
        return self._write(pickle.dumps(message))

    def _write(self, content: bytes) -> bool:
        stdin = cast(BinaryIO, self._process.stdin)
        try:
            stdin.write(content)
            stdin.flush()
        except (OSError, ValueError):  # it ended, or was ended
            return False
        return True

    def _hear(self) -> None:
        """Hands on what it says. It has a thread of its own, so that no signal can interrupt it within a message."""
        said = cast(BinaryIO, self._process.stdout)
        while True:
            try:
                message = pickle.load(said)  # noqa: S301 (from a process that this one started)
            except EOFError:
                return
            except Exception:  # killed while it spoke; or nobody here understands it, and it would speak in vain
                self._process.kill()
                return
            self._heard.put((self, message))

    def _notice_end(self) -> None:
        code = self._process.wait()
        self._mouth.join(1)  # all that it said comes before; a process that it started may hold its line open
        self._heard.put((self, Ended(code=code)))

    def await_end(self, seconds: float) -> None:
        """Waits until it ends by itself, for so long."""
        self._watch.join(seconds)

    def kill(self) -> None:
        """Ends it at once, where it has not ended."""
        self._process.kill()

    def close(self) -> None:
        """After its end: leaves nothing of it behind."""
        self._watch.join()
        with suppress(OSError):  # what it was told last did not reach it
            cast(BinaryIO, self._process.stdin).close()
        if not self._mouth.is_alive():
            cast(BinaryIO, self._process.stdout).close()
        self._errors.close()

    def last_words(self) -> str:
        """The last lines that it wrote to standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-_LINES_TOLD:]) or "nothing"


Heard: TypeAlias = queue.SimpleQueue[tuple[Process, Message | Ended]]
"""What all processes say, in the order in which it comes; of one of them in its own."""


def ending(code: int) -> str:
    """`killed by signal 9 (SIGKILL)` or `ended with code 3`, of a process's exit code as Popen gives it."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:  # one of the real-time signals, which have no names
        return f"killed by signal {-code}"
