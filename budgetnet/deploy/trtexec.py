"""The command line that measures a model on its target with TensorRT, layer by layer.

Flags as in NVIDIA's samples/common/sampleOptions.cpp, TensorRT 8.4 to 10. TensorRT 11 takes no flags of precision any
more: types stand in the model
(https://docs.nvidia.com/deeplearning/tensorrt/latest/api/migration/tensorrt-10x-to-11x-trtexec.html).
"""

import shlex
from collections.abc import Mapping
from typing import Final

from onnx import ModelProto

from budgetnet.deploy.opening import Interface
from budgetnet.deploy.running import MOST
from budgetnet.deploy.writer import IMAGES
from budgetnet.units import Precision

FLAGS: Final[Mapping[Precision, tuple[str, ...]]] = {"fp32": (), "fp16": ("--fp16",), "int8": ("--int8", "--fp16")}
"""Precision -> what lets TensorRT use it. In an int8 model, what is no int8 may be fp16."""

UNKNOWN: Final = ("MaxUnpool",)
"""Operators that TensorRT does not read (https://github.com/onnx/onnx-tensorrt, docs/operators.md)."""

ITERATIONS: Final = 200


def command(file: str, precision: Precision, known: Interface) -> str:
    """One line for the shell of the target, beside the file: builds an engine, times whole runs, then layers.

    With a free batch the engine takes 1 to 8 images and is measured on one. Layers go into `<file>.profile.json`.
    """
    stem = file.removesuffix(".onnx")
    size = f"3x{known.height}x{known.width}"
    shapes = {"min": 1, "opt": 1, "max": MOST} if known.batch is None else {}
    words = [
        "trtexec",
        f"--onnx={file}",
        f"--saveEngine={stem}.engine",
        *FLAGS[precision],
        *(f"--{name}Shapes={IMAGES}:{count}x{size}" for name, count in shapes.items()),
        *([f"--shapes={IMAGES}:1x{size}"] if shapes else []),
        "--warmUp=500",
        f"--iterations={ITERATIONS}",
        "--noDataTransfers",
        "--dumpProfile",
        "--separateProfileRun",
        "--profilingVerbosity=detailed",
        f"--exportProfile={stem}.profile.json",
        f"--exportLayerInfo={stem}.layers.json",
    ]
    return shlex.join(words)


def obstacles(model: ModelProto) -> tuple[str, ...]:
    """Names of operators in a model that TensorRT does not read."""
    return tuple(sorted({node.op_type for node in model.graph.node} & set(UNKNOWN)))
