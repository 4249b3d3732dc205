"""A plug-in is a file: its name is its key. Found by looking in the folder, there is no registry to edit.

`fcn8s.py` in `heads/` is the head `fcn8s`; `mobilenet_fcn.py` in `networks/` is the network `mobilenet-fcn`.
"""

from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType

from budgetnet.errors import BudgetnetError, did_you_mean


def module_names(package: str) -> list[str]:
    """Keys of the plug-in modules of a package, sorted, without importing any of them."""
    stems = (entry.name.removesuffix(".py") for entry in files(package).iterdir() if entry.name.endswith(".py"))
    return sorted(stem.replace("_", "-") for stem in stems if not stem.startswith("_"))


def load_module(package: str, key: str, kind: str) -> ModuleType:
    """The plug-in module `key` of `package`. Raises BudgetnetError naming the known keys when there is none."""
    known = module_names(package)
    if key not in known:
        raise BudgetnetError(f"{kind} must be one of the known ones, but got {key!r}{did_you_mean(key, known)}")
    return import_module(f"{package}.{key.replace('-', '_')}")


def data_files(package: str, suffix: str = ".yaml") -> dict[str, Traversable]:
    """Key -> data file of a package's folder, sorted by key."""
    found = {e.name.removesuffix(suffix): e for e in files(package).iterdir() if e.name.endswith(suffix)}
    return dict(sorted(found.items()))
