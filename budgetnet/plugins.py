"""A plug-in is a file: its name is its key. Found by looking in the folder, there is no registry to edit.

`fcn8s.py` in `heads/` is the head `fcn8s`; `mobilenet_fcn.py` in `networks/` is the network `mobilenet-fcn`.
Names are lower-case letters, digits and `_`; files that begin with `_` are no plug-ins.
"""

import ast
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from budgetnet.errors import BudgetnetError, did_you_mean


def module_names(package: str) -> list[str]:
    """Keys of the plug-in modules of a package, sorted, without importing any of them."""
    found = (path.stem for path in _folder(package).glob("*.py"))
    return sorted(stem.replace("_", "-") for stem in found if re.fullmatch("[a-z][a-z0-9_]*", stem))


def load_module(package: str, key: str, kind: str) -> ModuleType:
    """The plug-in module `key` of `package`. Raises BudgetnetError naming the known keys when there is none."""
    known = module_names(package)
    if key not in known:
        raise BudgetnetError(f"{kind} must be one of the known ones, but got {key!r}{did_you_mean(key, known)}")
    name = f"{package}.{key.replace('-', '_')}"
    try:
        return import_module(name)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise BudgetnetError(f"{name}: the file of {kind} {key!r} must be importable, but got {what}") from error


def summary(package: str, key: str) -> str:
    """The first paragraph of what a plug-in module says about itself, on one line, without importing it."""
    path = _folder(package) / f"{key.replace('-', '_')}.py"
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())


def data_files(package: str, suffix: str = ".yaml") -> dict[str, Path]:
    """Key -> data file of a package's folder, sorted by key."""
    return {path.name.removesuffix(suffix): path for path in sorted(_folder(package).glob(f"*{suffix}"))}


def is_path(key_or_path: str) -> bool:
    """Whether a data file is asked for by path rather than by key: it names a folder too, or ends as YAML files do."""
    return Path(key_or_path).name != key_or_path or key_or_path.endswith((".yaml", ".yml"))


def _folder(package: str) -> Path:
    """The folder of a package of budgetnet, which is not imported: a data set's package brings NumPy along."""
    return Path(__file__).parent.joinpath(*package.split(".")[1:])
