"""A calibrated platform as a platform file: what it was, with the efficiency that was fitted to it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from budgetnet.calibration.measured import Hardware
from budgetnet.efficiencies import Efficiency
from budgetnet.platforms import Engine, Figure, Memory, Peak, Platform
from budgetnet.platforms.figures import TERA
from budgetnet.units import GIGA, Precision
from budgetnet.yaml_text import flow

MEASURED: Final = "measured by budgetnet calibrate"


def this_machine(name: str, hardware: Hardware, threads: int) -> Platform:
    """A platform out of what was measured of this machine, in fp32."""
    memory = None
    if hardware.bandwidth is not None:
        bandwidth = Figure(value=_three(hardware.bandwidth / GIGA), source=MEASURED, note="a large map copied")
        memory = Memory(kind="main memory", gigabytes_per_second=bandwidth)
    peak = Figure(value=_three(hardware.peak / TERA), source=MEASURED, note="a product of large matrices")
    engine = Engine(name=f"{threads} threads of the processor", kind="cpu", peak=Peak(fp32=peak))
    return Platform(name=name, description="As budgetnet calibrate found it.", memory=memory, engines=(engine,))


def _three(value: float) -> float:
    return float(f"{value:.4g}")


def calibrated(platform: Platform, engine: Engine, precision: Precision, efficiency: Efficiency) -> Platform:
    """The platform with an efficiency for one of its engines at a precision, in place of what it had there."""
    own = engine.model_copy(update={"efficiency": {**engine.efficiency, precision: efficiency}})
    engines = tuple(own if each.name == engine.name else each for each in platform.engines)
    return platform.model_copy(update={"engines": engines})


def written(platform: Platform, comments: Sequence[str]) -> str:
    """The platform's file, as `platforms.load` reads it; comments come first."""
    told = [f"# {line}" for line in comments]
    return "\n".join([*told, *_block(platform.model_dump(exclude_defaults=True))]) + "\n"


def _block(data: Mapping[str, Any], indent: str = "") -> list[str]:
    """Mappings of mappings line by line, what holds no more mappings on one line."""
    lines: list[str] = []
    for key, value in data.items():
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            lines += [f"{indent}{key}:", *_block(value, indent + "  ")]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines.append(f"{indent}{key}:")
            for each in value:
                first, *rest = _block(each, indent + "    ")
                lines += [f"{indent}  - {first.lstrip()}", *rest]
        else:
            lines.append(f"{indent}{key}: {flow(value)}")
    return lines
