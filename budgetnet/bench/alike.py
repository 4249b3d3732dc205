"""Whether networks that are compared do the same work: images of one size, equally many classes, alike in and out."""

from collections.abc import Sequence
from typing import Any

from budgetnet.bench.network import Network


def differences(networks: Sequence[Network], *, sizes: bool = True) -> list[str]:
    """A sentence that names what networks differ in, or none; `sizes` says whether those of images count. What nobody
    knows of a network is no difference.
    """
    found: dict[str, list[Any]] = {
        "images": [f"{each.height} x {each.width}" for each in networks if sizes],
        "classes": [each.classes for each in networks],
        "what goes in": [each.takes for each in networks],
        "what comes out": [each.gives for each in networks],
    }
    told = []
    for what, values in found.items():
        known = [str(value) for value in dict.fromkeys(values) if value is not None]
        if len(known) > 1:
            told.append(f"in {what}: {', '.join(known[:-1])} and {known[-1]}")
    return [f"Rows differ {'; '.join(told)}."] if told else []
