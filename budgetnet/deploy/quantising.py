"""An fp32 model -> int8: static quantisation, its ranges measured on calibration images.

Weights are int8 with a scale per output channel, maps int8 with one scale, all symmetric around zero, as TensorRT takes
them (Jacob et al., arXiv:1712.05877; Wu et al., arXiv:2004.09602). Only what operators read is quantised, so that an
activation stays in one kernel with its convolution. Biases stay floats, for TensorRT reads no int32 ones
(https://github.com/microsoft/onnxruntime/issues/14229), and are corrected: see `correcting`.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import ModelProto

from budgetnet.deploy.correcting import corrected
from budgetnet.deploy.running import Pixels, Prepare
from budgetnet.deploy.writer import IMAGES

IMAGES_USED: Final = 64
"""Calibration images, where nobody says how many."""

QUANTISED: Final = ("Conv", "ConvTranspose", "Add", "MaxPool", "GlobalAveragePool", "Resize", "Concat")
"""Operators whose inputs become int8. All others, scaling and argmax among them, compute in floats."""

_TOLD = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Says that shapes are inferred and batch norms folded: else ONNX Runtime asks for it, by the log."""


def quantise(model: ModelProto, images: Callable[[], Iterator[Pixels]], prepare: Prepare, room: Path) -> ModelProto:
    """The model in int8, calibrated on batches of uint8 images (n, 3, height, width), which are asked for twice and
    read one after the other. `room` is a folder for what is in between.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    shaped = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.helper.set_model_props(shaped, _TOLD)
    given, made = room / "fp32.onnx", room / "int8.onnx"
    onnx.save(shaped, given)
    with _quiet():
        quantize_static(
            given,
            made,
            _reader(images(), prepare),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=_left_out(model),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": list(QUANTISED),
            },
        )
    return corrected(_bare(onnx.load(made)), model, images(), prepare)


def quantised_share(model: ModelProto) -> tuple[int, int]:
    """How many of a model's convolutions have int8 weights, and how many convolutions there are."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    kernels = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return sum(node.input[1] in dequantised for node in kernels), len(kernels)


def _left_out(model: ModelProto) -> list[str]:
    """Nodes that stay in floats: poolings that also tell positions, which int8 kernels do not."""
    return [node.name for node in model.graph.node if node.op_type == "MaxPool" and len(node.output) > 1]


def _bare(model: ModelProto) -> ModelProto:
    """Without what the quantiser leaves behind: its name, shapes in between."""
    model.producer_name, model.producer_version = "budgetnet", ""
    del model.metadata_props[:], model.graph.value_info[:]
    return model


def _reader(images: Iterator[Pixels], prepare: Prepare) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            part = next(images, None)
            return None if part is None else {IMAGES: prepare(part)}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, the quantiser's advice to its programmer goes nowhere."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
