"""Training recipes: values for the fields of a training, by name. One YAML file each, its name is its key.

What a scenario or the command line says beside a recipe goes before what the recipe says.
"""

from typing import Any

from budgetnet import yaml_source
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.plugins import data_files, is_path


def names() -> list[str]:
    """Keys of the recipe files."""
    return list(data_files(__name__))


def load(key_or_path: str) -> dict[str, Any]:
    """The values of the recipe of that key, or in that YAML file; whoever takes them checks them.

    Raises FileError with the faults of the file, or BudgetnetError when there is none.
    """
    return dict(read(key_or_path).value)


def read(key_or_path: str) -> yaml_source.Source:
    """The same with the lines of the file."""
    files = data_files(__name__)
    if key_or_path in files:
        source = yaml_source.parse(files[key_or_path].read_bytes(), files[key_or_path].name)
    elif is_path(key_or_path):
        source = yaml_source.read(key_or_path)
    else:
        raise BudgetnetError(f"recipe: must be one of {', '.join(files)}, or a path, but got {shorten(key_or_path)}")
    source.finish()
    if "recipe" in source.value:
        raise BudgetnetError(f"{key_or_path}: must not name another recipe, but got {shorten(source.value['recipe'])}")
    return source
