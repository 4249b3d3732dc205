"""PyTorch as it is, kernel after kernel: what `evaluate` and `predict` compute with."""

from typing import Any, Final

from numpy.typing import NDArray

from budgetnet.bench import runtimes
from budgetnet.bench.network import Network
from budgetnet.bench.runtimes import Compute
from budgetnet.errors import BudgetnetError, printable

NAME: Final = "torch"
TAKES_FILES: Final = False


def missing() -> str | None:
    """How to install it."""
    return runtimes.missing("torch", "torch")


def version() -> str:
    """Of torch."""
    import torch

    return str(torch.__version__)


def prepare(network: Network, *, threads: int, batch: int) -> Compute:
    """The built network, channels last, transposed convolutions in their sub-pixel form. How many threads torch takes
    is a setting of the whole process: it is set for each call and set back.
    """
    if network.graph is None or network.weights is None:
        file = printable(network.file or network.label)
        raise BudgetnetError(f"runtime torch: must be given a network that budgetnet knows, but got {file}")
    import torch

    from budgetnet.build import ConvTranspose2d, build

    model = build(network.graph, seed=0)
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in network.weights.items()})
    model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for module in model.modules():
        if isinstance(module, ConvTranspose2d):
            module.quick = True

    def compute(images: NDArray[Any]) -> NDArray[Any]:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                scores = model(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
            answer: NDArray[Any] = scores.numpy()
            return answer
        finally:
            torch.set_num_threads(before)

    return compute
