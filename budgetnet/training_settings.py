"""How a network is trained: all that its numbers depend on besides the network and the data, checked.

A recipe (`training_recipes/*.yaml`) names values for any of the fields; what is said beside it goes first. The defaults
are those of the published recipe, `lab`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from budgetnet import loss_spec, plugins, training_recipes, yaml_model
from budgetnet.errors import BudgetnetError, FileError, did_you_mean, shorten
from budgetnet.yaml_source import Fault, FaultsError, say

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

_GRID = 16
"""Pixels; crops are so many of them that the maps of a stem have no odd sides."""

Optimizer: TypeAlias = Literal["adam", "adamw", "sgd"]
Schedule: TypeAlias = Literal["constant", "poly", "cosine", "one-cycle", "plateau"]
ClassWeights: TypeAlias = Literal["none", "inverse-log", "median-frequency", "inverse-sqrt"]
Arithmetic: TypeAlias = Literal["fp32", "mixed"]


def _loss(spec: str) -> str:
    return str(loss_spec.parse(spec))


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a text on one line, and not empty")
    return text


Line: TypeAlias = Annotated[str, AfterValidator(_line)]


class Training(BaseModel):
    """How candidates are trained. The defaults are those of the published recipe."""

    model_config = _CONFIG

    recipe: Line = Field(
        default="lab",
        description="Where values come from that are not given here: lab, short, strong, or the path of a recipe file.",
    )
    epochs: int = Field(default=10, ge=1, le=10_000, description="Passes over the training images.")
    batch_size: int = Field(default=16, ge=1, le=4096, description="Images per step of training.")
    parts: int = Field(
        default=1,
        ge=1,
        le=256,
        description="In how many parts each batch is computed, side by side on as many cores or GPUs; batch norm looks "
        "at one part at a time. Results depend on it, and not on how many cores there are.",
    )
    optimizer: Optimizer = Field(default="adam", description="What makes steps of gradients.")
    learning_rate: float = Field(default=0.001, gt=0, le=10, description="Learning rate, the highest of its schedule.")
    schedule: Schedule = Field(default="constant", description="How the learning rate changes over the training.")
    warm_up: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="Share of the training in which the learning rate rises to its highest.",
    )
    patience: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Epochs without a better validation mean IoU after which the plateau schedule halves the rate.",
    )
    early_stop: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs without a better validation mean IoU after which the training ends; 0 is never.",
    )
    stem_rate: float = Field(
        default=1.0, ge=0, le=10, description="Factor on the learning rate for the stem; 0 leaves it as it came."
    )
    weight_decay: float = Field(
        default=1e-6,
        ge=0,
        le=10,
        description="With adam an L2 penalty: this times the weights is added to their gradient. With adamw and sgd it "
        "is decoupled (the rate times this times the weights is taken off), and not for biases and batch norms.",
    )
    loss: Annotated[Line, AfterValidator(_loss)] = Field(
        default="cross_entropy",
        description="What is made small: a loss, or a weighted sum of losses such as cross_entropy + 0.5 * lovasz.",
    )
    class_weights: ClassWeights = Field(
        default="none", description="How much rare classes weigh more than frequent ones, in losses that ask for it."
    )
    flip: bool = Field(default=False, description="Mirror each training image with even chances, drawn in each epoch.")
    smallest_scale: float = Field(
        default=1.0,
        ge=0.1,
        le=1,
        description="Scale each training image by a factor drawn from here to largest_scale, and cut or fill it.",
    )
    largest_scale: float = Field(default=1.0, ge=1, le=10, description="The other end of what scales are drawn from.")
    crop: float = Field(
        default=1.0,
        ge=0.1,
        le=1,
        description="Share of each side of an image that is trained on, somewhere in it, drawn anew in each epoch; "
        "scored are whole images.",
    )
    early_epochs: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Epochs at the beginning that train, and are validated, on smaller images: see early_scale.",
    )
    early_scale: float = Field(
        default=0.5, ge=0.1, le=1, description="Share of each side that images have in the early epochs."
    )
    paste: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the training images that get the rarer half of the classes of another one of the batch.",
    )
    photometric: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How far brightness, contrast and saturation of training images change at most: 0.2 is a fifth.",
    )
    arithmetic: Arithmetic = Field(
        default="fp32",
        description="mixed computes in bfloat16 what bears it, where the machine is faster at that; weights stay fp32.",
    )
    averaging: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of a moving average of the weights, over steps; it is what is scored and kept. 0 is none.",
    )
    keep: Literal["last", "best"] = Field(
        default="last", description="Which weights are kept: the last, or the best by validation mean IoU."
    )
    validate_every: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Epochs from one validation to the next; the last one always has its own.",
    )
    stem: Line | None = Field(
        default=None,
        description="Pre-trained weights of the stem: a file (Keras HDF5, safetensors), a folder of such, keras, or "
        "https://...#sha256=...; without it the stem starts from random numbers.",
    )
    teacher: Line | None = Field(
        default=None, description="A finished run whose network teaches this one (distillation), of the same classes."
    )
    teacher_weight: float = Field(
        default=1.0, ge=0, le=100, description="How much the teacher's opinion counts beside the labels' loss."
    )
    teacher_temperature: float = Field(
        default=1.0, gt=0, le=100, description="Softens what the teacher says: higher tells more of what is unlikely."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Of everything drawn: the same seed gives the same numbers."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_recipe(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("recipe"), str):
            return given
        try:
            source = training_recipes.read(given["recipe"])
            yaml_model.validate(source, cls)
        except FileError as error:
            problems = map(str, error.problems)
            raise FaultsError([Fault(("recipe",), *_refused(given["recipe"], each)) for each in problems]) from None
        except BudgetnetError as error:
            raise FaultsError([Fault(("recipe",), *_refused(given["recipe"], str(error)))]) from None
        return {**source.value, **given}

    @model_validator(mode="after")
    def _weighs_what_asks_for_it(self) -> Self:
        """Class weights without a loss that heeds them, or such a loss without them, are not what somebody meant."""
        terms = {term.name for term in loss_spec.parse(self.loss).terms}
        needing, rule = terms & loss_spec.NEED_WEIGHTS, None
        if self.class_weights == "none" and needing:
            rule = f"must be other than none for the loss {', '.join(sorted(needing))}"
        elif self.class_weights != "none" and not terms & loss_spec.TAKE_WEIGHTS:
            rule = f"must be none where no loss heeds them, as {' and '.join(sorted(loss_spec.TAKE_WEIGHTS))} do"
        if rule is not None:
            raise FaultsError([Fault(("class_weights",), rule, say(self.class_weights))])
        return self

    @model_validator(mode="after")
    def _ends_on_whole_images(self) -> Self:
        if self.early_epochs >= self.epochs:
            rule = f"must be below the {self.epochs} of all epochs, the last of which see whole images"
            raise FaultsError([Fault(("early_epochs",), rule, say(self.early_epochs))])
        return self

    def validated(self, history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows of a training's history with a validation on whole images: those of early epochs are of another
        kind.
        """
        return [row for row in history if row["mean_iou"] is not None and row["epoch"] > self.early_epochs]

    def early(self, height: int, width: int) -> tuple[int, int]:
        """Sides of images in the early epochs, in pixels."""
        return max(round(height * self.early_scale), 1), max(round(width * self.early_scale), 1)

    def cropped(self, height: int, width: int) -> tuple[int, int]:
        """What is trained on of images of a size, in pixels: sides are multiples of 16 where they are cut."""
        if self.crop == 1:
            return height, width
        parts = [min(side, max(round(side * self.crop / _GRID), 2) * _GRID) for side in (height, width)]
        return parts[0], parts[1]

    @property
    def steps_decay(self) -> bool:
        """Whether `weight_decay` is decoupled from the gradient."""
        return self.optimizer != "adam"


def completed(record: Any) -> Any:
    """A record whose `training` an earlier version wrote, with the fields that it did not know yet: as they are without
    a recipe, since a new field's default is what was done before it.
    """
    if not isinstance(record, Mapping) or not isinstance(record.get("training"), Mapping):
        return record
    unset = {name: field.default for name, field in Training.model_fields.items()}
    return {**record, "training": {**unset, **record["training"]}}


def _refused(recipe: str, why: str) -> tuple[str, str]:
    """The broken rule and what was given."""
    if recipe in training_recipes.names() or plugins.is_path(recipe):
        return "must be a recipe file without errors", f"{shorten(recipe)} ({why})"
    known = training_recipes.names()
    return "must be a known recipe or the path of one", shorten(recipe) + did_you_mean(recipe[:100], known)
