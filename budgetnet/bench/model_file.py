"""An ONNX file as somebody else made it -> a network for runtimes. Every refusal names the file and the rule."""

from pathlib import Path
from typing import Any, Final

from budgetnet.bench.network import Gives, Kind, Network
from budgetnet.errors import BudgetnetError, printable, shorten

SUFFIX: Final = ".onnx"

MOST_BYTES: Final = 2**31 - 1
"""Of one message in protocol buffers."""


def read(path: Path, size: tuple[int, int] | None = None) -> Network:
    """The network in a file, with all of its weights, for images of one size (its own where it has one). Raises
    BudgetnetError.
    """
    where = printable(str(path))
    model = _loaded(path, where)
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1 or not model.graph.output:
        raise BudgetnetError(f"{where}: must have one input and an output, but has {len(inputs)} inputs")
    takes, sides = _input(inputs[0], where)
    height, width = _size(sides[2:], size, where)
    if model.ByteSize() > MOST_BYTES:
        raise BudgetnetError(f"{where}: must be {MOST_BYTES:,} bytes or less, weights and all, but is larger")
    gives, scored = _output(model.graph.output[0])
    return Network(
        label=where,
        height=height,
        width=width,
        model=model.SerializeToString(),
        file=str(path),
        takes=takes,
        batch=sides[0] or None,
        gives=gives,
        scored=scored,
    )


def _loaded(path: Path, where: str) -> Any:
    """The model, its external weights taken in. onnx itself refuses those outside the model's folder."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.checker import ValidationError

    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except DecodeError:
        raise BudgetnetError(f"{where}: must be a whole ONNX model, but is not") from None
    try:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
    except (ValidationError, ValueError, OSError) as error:
        told = shorten(" ".join(str(error).split()), 160)
        raise BudgetnetError(f"{where}: must be a whole ONNX model, with its weights, but {told}") from None
    return model


def _input(given: Any, where: str) -> tuple[Kind, list[int]]:
    """Of what type the images are, and their four sides, 0 where one is free."""
    from onnx import TensorProto

    kinds: dict[int, Kind] = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}
    tensor = given.type.tensor_type
    sides = [each.dim_value for each in tensor.shape.dim]
    if len(sides) != 4 or sides[1] not in (0, 3) or tensor.elem_type not in kinds:
        name = TensorProto.DataType.Name(tensor.elem_type).lower()
        rule = "must take images (batch, 3, height, width) of float or uint8"
        raise BudgetnetError(f"{where}: {rule}, but its input is {name} {tuple(sides)}")
    return kinds[tensor.elem_type], sides


def _output(made: Any) -> tuple[Gives, int | None]:
    """Whether it gives scores or classes, and of how many classes scores are; None where it does not say. Scores are
    floats with a side for classes, anything else is taken for classes.
    """
    from onnx import TensorProto

    tensor = made.type.tensor_type
    sides = [each.dim_value for each in tensor.shape.dim]
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    if tensor.elem_type not in floats or len(sides) == 3:
        return "classes", None
    return "scores", (sides[1] or None) if len(sides) == 4 else None


def _size(own: list[int], asked: tuple[int, int] | None, where: str) -> tuple[int, int]:
    """The size of images: what is asked for where the model leaves it free."""
    if asked is None:
        if not all(own):
            raise BudgetnetError(f"--size: must be given for {where}, which takes images of any size, but got none")
        return own[0], own[1]
    if any(side not in (0, wanted) for side, wanted in zip(own, asked, strict=True)):
        shown = "x".join(str(side or "any") for side in own)
        raise BudgetnetError(f"{where}: must take images of {asked[0]}x{asked[1]}, but takes {shown}")
    return asked
