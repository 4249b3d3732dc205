"""ONNX models opened for ONNX Runtime; one that cannot run is refused with what is wrong with it."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

from budgetnet.deploy.writer import CLASSES, IMAGES, SCORES
from budgetnet.errors import BudgetnetError, printable, shorten

if TYPE_CHECKING:  # loading it takes half a second
    from onnxruntime import InferenceSession

Side: TypeAlias = int | None
"""A side of a tensor; None where it is free."""

_TYPES: Final = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
_PLACES: Final = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .+? failed:|\S*/onnxruntime_src/\S+:\d+ .*?\) "
)
"""Where in the runtime's own code an error was raised: nothing for the person who gave the file."""

_MOST = 200
"""Characters of the runtime's own words that are told."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What a model takes and gives: `images`, float32 or uint8 (`batch`, 3, `height`, `width`) -> `scores` or
    `classes`. The batch is None where it is free.
    """

    kind: Literal["float32", "uint8"]
    batch: int | None
    height: int
    width: int
    gives: Literal["scores", "classes"]


def open_content(content: bytes, name: str, *, threads: int | None = None) -> "InferenceSession":
    """A session for a model in memory, which keeps nothing elsewhere; `name` is what errors call it. Raises
    BudgetnetError.
    """
    return _session(content, threads, printable(name))


def interface(session: "InferenceSession", where: str) -> Interface:
    """What the model takes and gives. Raises BudgetnetError where it is none that budgetnet exports; `where` is what
    errors call it.
    """
    given, made = session.get_inputs(), session.get_outputs()
    told = ", ".join(f"{each.name} {_TYPES.get(each.type, each.type)} {_told(each.shape)}" for each in given)
    shape = list(given[0].shape) if len(given) == 1 else []
    batch, *sides = [side if isinstance(side, int) else None for side in shape] or [None]
    kind = _TYPES.get(given[0].type) if len(given) == 1 else None
    if len(sides) != 3 or sides[0] != 3 or None in sides or kind is None or given[0].name != IMAGES:
        rule = f"must take one input, {IMAGES}, float32 or uint8 (batch, 3, height, width)"
        raise BudgetnetError(f"{where}: {rule}, but takes {printable(told) or 'none'}")
    names = [each.name for each in made]
    if names not in ([SCORES], [CLASSES]):
        raise BudgetnetError(f"{where}: must give one output, {SCORES} or {CLASSES}, but gives {shorten(names)}")
    _, height, width = sides
    known: Any = {"kind": kind, "gives": names[0], "height": height, "width": width}
    return Interface(batch=batch, **known)


def _told(shape: Any) -> str:
    return f"({', '.join(map(str, shape))})"


def _session(model: bytes, threads: int | None, where: str) -> "InferenceSession":
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is told once, below
    if threads is not None:
        options.intra_op_num_threads = threads
    faults = (
        state.EPFail,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.ModelRequiresCompilation,
        state.NoModel,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
    )
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except faults as error:
        told = printable(_PLACES.sub("", " ".join(str(error).split())))
        raise BudgetnetError(f"{where}: must be a model that ONNX Runtime can run, but: {told[:_MOST]}") from None
