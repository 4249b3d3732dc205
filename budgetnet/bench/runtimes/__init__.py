"""Runtimes: what computes a network on this machine's processor. One file each, its name is its key.

A runtime file holds

- a docstring whose first line says what it is;
- `NAME`: what people call it; `TAKES_FILES`: whether it runs ONNX files that budgetnet has no graph of;
- `missing()`: how to install what it needs, None where that is there;
- `version()`: of what computes;
- `prepare(network, threads=, batch=)`: a function from images (batch, 3, height, width) to scores (batch, classes,
  height, width), which may be overwritten by the next call.

All give the same scores, and none leaves a setting of the process other than it was; the contract test holds every
file to that.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

from numpy.typing import NDArray

from budgetnet.bench.network import Network
from budgetnet.errors import BudgetnetError
from budgetnet.plugins import load_module, module_names

Compute: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""Images -> scores."""


class Runtime(Protocol):
    """A runtime file, as its users see it."""

    NAME: str
    TAKES_FILES: bool

    def missing(self) -> str | None:
        """How to install what it needs; None where that is there."""
        ...

    def version(self) -> str:
        """The version of what computes."""
        ...

    def prepare(self, network: Network, *, threads: int, batch: int) -> Compute:
        """The network, ready to compute with so many threads. Raises BudgetnetError for one that it cannot run."""
        ...


def names() -> list[str]:
    """Keys of all runtimes."""
    return module_names(__name__)


def runtime(name: str) -> Runtime:
    """The runtime `name`, which is installed. Raises BudgetnetError naming the nearest known one when there is none, or
    how to install it.
    """
    how = how_to_install(name)
    if how is not None:
        raise BudgetnetError(f"runtime {name}: must be installed ({how}), but is not")
    return _file(name)


def how_to_install(name: str) -> str | None:
    """`pip install ...` for a runtime that is not installed, else None. Raises BudgetnetError for an unknown one."""
    return _file(name).missing()


def installed() -> list[str]:
    """Keys of the runtimes that are installed."""
    return [name for name in names() if how_to_install(name) is None]


def missing(package: str, words: str) -> str | None:
    """`pip install WORDS` where a package cannot be imported."""
    try:
        import_module(package)
    except ImportError:
        return f"pip install {words}"
    return None


def _file(name: str) -> Runtime:
    return cast(Runtime, load_module(__name__, name, "runtime"))
