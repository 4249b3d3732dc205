import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from shell import Shell

from budgetnet import heads
from budgetnet.networks import family, mobilenet_fcn
from budgetnet.ops import Conv2d, Resize
from budgetnet.parameters import Parameter

# Tests run in as many processes as there are cores: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run: a failure on one machine is a failure on all, and none comes and goes.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, capsys, monkeypatch)


@pytest.fixture
def another_head(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A head with a parameter of its own, as a file that somebody adds would be."""
    extra = Parameter(
        name="extra_kernel", kind=int, default=1, space=(1, 3), minimum=1, maximum=9, part="head", help="a kernel"
    )

    def add(g: Any, stem: Any, *, classes: int, extra_kernel: int) -> Any:
        x = g.add("extra/convolution", Conv2d(channels=classes, kernel=extra_kernel), stem.features)
        return g.add("extra/resize", Resize(), x, stem.image)

    wide: Any = SimpleNamespace(__doc__="Another head.", PARAMETERS=(extra,), add=add)
    known = heads.head
    monkeypatch.setattr(heads, "head", lambda name: wide if name == "wide" else known(name))
    monkeypatch.setattr(heads, "names", lambda: ["fcn", "wide"])
    parameters = tuple(replace(p, choices=("fcn", "wide")) if p.name == "head" else p for p in mobilenet_fcn.PARAMETERS)
    monkeypatch.setattr(mobilenet_fcn, "PARAMETERS", parameters)
    family.cache_clear()
    yield
    family.cache_clear()
