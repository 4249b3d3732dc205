"""Other people's operation counters, each behind the same two functions: a total, and a figure for every module.

They are called as their own documents show, on one batch of images. What they print and warn of is kept from the
screen; what they raise is not.
"""

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from budgetnet import build
from counters.text import first_line

Figures = dict[str, float]
"""Module path -> figure."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A counter. `unit` is its own word for what it counts, `per_mac` how many of those it says a MAC is."""

    name: str
    package: str
    unit: str
    per_mac: int
    total: Callable[[nn.Module, Tensor], float]
    layers: Callable[[nn.Module, Tensor], Figures] | None

    def missing(self) -> str | None:
        """Why it cannot be used here, with the line that installs it; None where it can."""
        try:
            with quiet():
                importlib.import_module(self.package)
        except ImportError as error:
            return f"missing ({error}): pip install '.[bench]'"
        return None


class CountError(RuntimeError):
    """A counter gave no figure."""


def attempt(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """What `work` gives, or None and how it failed. Whatever a counter raises is for us to report, not to die of."""
    try:
        with quiet():
            return work(), ""
    except Exception as error:
        return None, first_line(error)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what counters print and warn of from the screen."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")
        yield


def _fvcore(module: nn.Module, images: Tensor) -> Any:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, images)
    return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")


def _fvcore_total(module: nn.Module, images: Tensor) -> float:
    return float(_fvcore(module, images).total())


def _fvcore_layers(module: nn.Module, images: Tensor) -> Figures:
    return dict(_fvcore(module, images).by_module())


def _torch(module: nn.Module, images: Tensor) -> Any:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as mode:
        module(images)
    return mode


def _torch_total(module: nn.Module, images: Tensor) -> float:
    return float(_torch(module, images).get_total_flops())


def _torch_layers(module: nn.Module, images: Tensor) -> Figures:
    """Its names start with the class of the whole network."""
    counts = _torch(module, images).get_flop_counts()
    return {name.partition(".")[2]: sum(operators.values()) for name, operators in counts.items()}


def _ptflops_total(
    module: nn.Module, images: Tensor, hooks: Mapping[Any, Any] | None = None, backend: str = ""
) -> float:
    from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        module,
        tuple(images.shape[1:]),
        print_per_layer_stat=False,
        as_strings=False,
        input_constructor=lambda _: images,  # the only way to a batch of more than one
        custom_modules_hooks=dict(hooks or {}),
        backend=backend or "pytorch",
    )
    if macs is None:
        raise CountError("ptflops printed an error and gave no figure")
    return float(macs)


def _ptflops_layers(module: nn.Module, images: Tensor, hooks: Mapping[Any, Any] | None = None) -> Figures:
    """ptflops only prints its layers, so this takes the steps of its default backend one by one."""
    from ptflops import pytorch_engine

    pytorch_engine.CUSTOM_MODULES_MAPPING = dict(hooks or {})
    counted = pytorch_engine.add_flops_counting_methods(module)
    counted.start_flops_count(ost=io.StringIO(), verbose=False, ignore_list=[])
    counted(images)
    pytorch_engine.CUSTOM_MODULES_MAPPING = {}
    return {name: vars(layer).get("__flops__", 0) for name, layer in module.named_modules()}


def _ptflops_hooks() -> dict[Any, Any]:
    """ptflops's own rules, for our subclasses of the layers that it knows."""
    from ptflops.pytorch_ops import MODULES_MAPPING

    return {
        build.Conv2d: MODULES_MAPPING[nn.Conv2d],
        build.ConvTranspose2d: MODULES_MAPPING[nn.ConvTranspose2d],
    }


def _thop(module: nn.Module, images: Tensor, hooks: Mapping[Any, Any] | None = None) -> Any:
    import thop

    return thop.profile(module, inputs=(images,), custom_ops=dict(hooks or {}), verbose=False, ret_layer_info=True)


def _thop_total(module: nn.Module, images: Tensor, hooks: Mapping[Any, Any] | None = None) -> float:
    return float(_thop(module, images, hooks)[0])


def _thop_layers(module: nn.Module, images: Tensor, hooks: Mapping[Any, Any] | None = None) -> Figures:
    def flat(layers: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
        for name, (macs, _, inner) in layers.items():
            yield prefix + name, macs
            yield from flat(inner, f"{prefix}{name}.")

    return dict(flat(_thop(module, images, hooks)[2], ""))


def _thop_hooks() -> dict[Any, Any]:
    """thop's own rules, for our subclasses of the layers that it knows."""
    from thop.profile import register_hooks

    return {build.Conv2d: register_hooks[nn.Conv2d], build.ConvTranspose2d: register_hooks[nn.ConvTranspose2d]}


def _torchinfo(module: nn.Module, images: Tensor) -> Any:
    import torchinfo

    return torchinfo.summary(module, input_data=images, verbose=0)


def _torchinfo_total(module: nn.Module, images: Tensor) -> float:
    return float(_torchinfo(module, images).total_mult_adds)


def _torchinfo_layers(module: nn.Module, images: Tensor) -> Figures:
    names = {id(layer): name for name, layer in module.named_modules()}
    return {names[id(layer.module)]: layer.macs for layer in _torchinfo(module, images).summary_list}


def _calflops(module: nn.Module, images: Tensor) -> tuple[float, float]:
    from calflops import calculate_flops

    flops, macs, _ = calculate_flops(
        module, args=[images], print_results=False, print_detailed=False, output_as_string=False
    )
    return float(flops), float(macs)


def _calflops_layers(module: nn.Module, images: Tensor, attribute: str) -> Figures:
    """calflops only prints its layers, so this takes its steps one by one."""
    from calflops.calculate_pipline import CalFlopsPipline

    pipeline = CalFlopsPipline(model=module, include_backPropagation=False, compute_bp_factor=2.0)
    pipeline.start_flops_calculate(ignore_list=None)
    try:
        module(images)
        return {name: vars(layer)[attribute] for name, layer in module.named_modules()}
    finally:
        pipeline.end_flops_calculate()


COUNTERS = (
    # "We count one fused multiply-add as one flop" (docstring of FlopCountAnalysis)
    Counter(name="fvcore", package="fvcore", unit="flop", per_mac=1, total=_fvcore_total, layers=_fvcore_layers),
    Counter(name="FlopCounterMode", package="torch", unit="flop", per_mac=2, total=_torch_total, layers=_torch_layers),
    Counter(name="ptflops", package="ptflops", unit="MAC", per_mac=1, total=_ptflops_total, layers=_ptflops_layers),
    Counter(
        name="ptflops, taught",
        package="ptflops",
        unit="MAC",
        per_mac=1,
        total=lambda module, images: _ptflops_total(module, images, _ptflops_hooks()),
        layers=lambda module, images: _ptflops_layers(module, images, _ptflops_hooks()),
    ),
    Counter(
        name="ptflops, aten",
        package="ptflops",
        unit="MAC",
        per_mac=1,
        total=lambda module, images: _ptflops_total(module, images, backend="aten"),
        layers=None,
    ),
    Counter(name="thop", package="thop", unit="MAC", per_mac=1, total=_thop_total, layers=_thop_layers),
    Counter(
        name="thop, taught",
        package="thop",
        unit="MAC",
        per_mac=1,
        total=lambda module, images: _thop_total(module, images, _thop_hooks()),
        layers=lambda module, images: _thop_layers(module, images, _thop_hooks()),
    ),
    Counter(
        name="torchinfo",
        package="torchinfo",
        unit="mult-add",
        per_mac=1,
        total=_torchinfo_total,
        layers=_torchinfo_layers,
    ),
    Counter(
        name="calflops, MACs",
        package="calflops",
        unit="MAC",
        per_mac=1,
        total=lambda module, images: _calflops(module, images)[1],
        layers=lambda module, images: _calflops_layers(module, images, "__macs__"),
    ),
    Counter(
        name="calflops, FLOPs",
        package="calflops",
        unit="FLOP",
        per_mac=2,
        total=lambda module, images: _calflops(module, images)[0],
        layers=lambda module, images: _calflops_layers(module, images, "__flops__"),
    ),
)
"""ptflops and thop know layers by their exact class and count a subclass, such as ours, as nothing: `taught` is told
to count ours by its own rules, `aten` is ptflops's second backend. calflops gives two figures."""
