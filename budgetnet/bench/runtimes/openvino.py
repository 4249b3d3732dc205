"""OpenVINO on the processor, made for latency, in float32."""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from numpy.typing import NDArray

from budgetnet.bench import runtimes
from budgetnet.bench.network import Network
from budgetnet.bench.runtimes import Compute
from budgetnet.errors import BudgetnetError, printable, shorten

NAME: Final = "OpenVINO"
TAKES_FILES: Final = True

_UNKNOWN: Final = re.compile(r"No conversion rule found for operations: .*")


def missing() -> str | None:
    """How to install it: it is an extra."""
    return runtimes.missing("openvino", "'budgetnet[openvino]'")


def version() -> str:
    """Of OpenVINO."""
    import openvino

    return str(openvino.__version__)


def prepare(network: Network, *, threads: int, batch: int) -> Compute:
    """A request of its own, for batches of this size alone: free ones are slower. Where the processor has bfloat16,
    OpenVINO would compute in it unless it is told not to, and give other scores. Its threads may run wherever those of
    the process may, as with the other runtimes.
    """
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    try:
        with _signals_as_before():
            model = openvino.Core().read_model(network.onnx())
            model.reshape([batch, 3, network.height, network.width])
            request = openvino.compile_model(model, "CPU", settings).create_infer_request()
            request.infer([network.images(batch)])  # not every fault of a model shows before
    except RuntimeError as error:
        rule = "must be a model that OpenVINO takes, but it says"
        raise BudgetnetError(f"{printable(network.label)}: {rule} {_told(str(error))}") from None

    def compute(images: NDArray[Any]) -> NDArray[Any]:
        with _signals_as_before():
            scores: NDArray[Any] = request.infer([images], share_inputs=True, share_outputs=True)[0]
        return scores

    return compute


class _SignalStack(ctypes.Structure):
    """stack_t of signal.h, on Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@cache
def _sigaltstack() -> Any:
    """The system's function of that name, on Linux; None elsewhere."""
    return getattr(ctypes.CDLL(None), "sigaltstack", None) if sys.platform == "linux" else None


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Inside, OpenVINO may give this thread a stack for signals; afterwards it has the one it had.

    OpenVINO (2026.4) puts one into memory of the compiled model and leaves it there when that is gone: the next Ctrl-C
    would end the process with a segmentation fault.
    """
    alternate = _sigaltstack()
    before = _SignalStack()
    known = alternate is not None and alternate(None, ctypes.byref(before)) == 0
    try:
        yield
    finally:
        if alternate is not None and known:
            alternate(ctypes.byref(before), None)


def _told(error: str) -> str:
    """The line of a long message that names operators which OpenVINO does not have, or its beginning."""
    found = _UNKNOWN.search(error)
    return shorten(found[0] if found else error, 200)
