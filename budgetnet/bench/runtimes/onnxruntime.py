"""ONNX Runtime on the processor, with all its optimisations of graphs."""

from typing import Any, Final

from numpy.typing import NDArray

from budgetnet.bench import runtimes
from budgetnet.bench.network import Network
from budgetnet.bench.runtimes import Compute
from budgetnet.errors import BudgetnetError, printable, shorten

NAME: Final = "ONNX Runtime"
TAKES_FILES: Final = True

_ERRORS_ONLY: Final = 3


def missing() -> str | None:
    """How to install it."""
    return runtimes.missing("onnxruntime", "onnxruntime")


def version() -> str:
    """Of ONNX Runtime."""
    import onnxruntime

    return str(onnxruntime.__version__)


def session(model: bytes, *, threads: int, batch: int | None = None, profile: str | None = None) -> Any:
    """A session of its own on the processor, for any batch where it is None; with a `profile` it writes one to a file
    whose path begins so.

    Threads wait actively while they compute, as is the default, but not beyond: those that would go on after a call
    take time from whatever computes next.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if batch is not None:
        options.add_free_dimension_override_by_name("batch", batch)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def prepare(network: Network, *, threads: int, batch: int) -> Compute:
    """A session of its own, which has computed once: not every fault of a model shows before."""
    try:
        made = session(network.onnx(), threads=threads, batch=batch)
        made.run(None, {made.get_inputs()[0].name: network.images(batch)})
    except Exception as error:  # its own exceptions have no common base but this
        rule = "must be a model that ONNX Runtime takes, but it says"
        raise BudgetnetError(f"{printable(network.label)}: {rule} {shorten(str(error), 200)}") from None
    name, (first, *_) = made.get_inputs()[0].name, [each.name for each in made.get_outputs()]

    def compute(images: NDArray[Any]) -> NDArray[Any]:
        scores: NDArray[Any] = made.run([first], {name: images})[0]
        return scores

    return compute
