"""ONNX Runtime on the processor, with all its optimisations of graphs."""

from typing import Any, Final

from numpy.typing import NDArray

from budgetnet.deploy import runtimes
from budgetnet.deploy.network import Network
from budgetnet.deploy.runtimes import Compute
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


def prepare(network: Network, *, threads: int, batch: int) -> Compute:
    """A session of its own. Threads wait actively while they compute, as is the default, but not beyond: those that
    would go on after a call take time from whatever computes next.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_free_dimension_override_by_name("batch", batch)
    try:
        session = onnxruntime.InferenceSession(network.onnx(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have no common base but this
        rule = "must be a model that ONNX Runtime takes, but it says"
        raise BudgetnetError(f"{printable(network.label)}: {rule} {shorten(str(error), 200)}") from None
    name, (first, *_) = session.get_inputs()[0].name, [each.name for each in session.get_outputs()]

    def compute(images: NDArray[Any]) -> NDArray[Any]:
        scores: NDArray[Any] = session.run([first], {name: images})[0]
        return scores

    return compute
