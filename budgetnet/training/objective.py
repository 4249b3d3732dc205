"""What a training makes small: the loss on the labels, and what a teacher says."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from budgetnet.build import GraphModule
from budgetnet.classes import IGNORE
from budgetnet.training import losses
from budgetnet.training.finished import Finished
from budgetnet.training.machine import computes_bfloat16
from budgetnet.training.material import Material
from budgetnet.training.samples import Scaling
from budgetnet.training_settings import Training


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A trained network that says, pixel by pixel, how likely each class is (Hinton et al., arXiv:1503.02531)."""

    model: GraphModule
    scaling: Scaling
    weight: float
    temperature: float

    @classmethod
    def of(cls, run: Finished, settings: Training, height: int, width: int) -> "Teacher":
        """A finished run's network for images of a size."""
        return cls(
            model=run.model(height, width).requires_grad_(False),
            scaling=run.scaling,
            weight=settings.teacher_weight,
            temperature=settings.teacher_temperature,
        )

    def loss(self, scores: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Kullback-Leibler divergence of the network's `scores` (n, classes, h, w) from the teacher's of the same uint8
        images (n, 3, height, width) at their size, mean over the pixels with a label (n, height, width), the nearest
        one; 0 where there is none. Times temperature squared, which keeps its gradient's size.
        """
        with torch.no_grad():
            wanted = self.model.coarse(self.scaling(images)).float()
            if wanted.shape[2:] != scores.shape[2:]:
                wanted = functional.interpolate(wanted, scores.shape[2:], mode="bilinear", align_corners=False)
            wanted = wanted.div_(self.temperature).log_softmax(dim=1)
        said = functional.log_softmax(scores.float() / self.temperature, dim=1)
        divergence = functional.kl_div(said, wanted, log_target=True, reduction="none").sum(dim=1)
        labelled = functional.interpolate((labels != IGNORE)[:, None].float(), scores.shape[2:])[:, 0]
        return self.weight * self.temperature**2 * (divergence * labelled).sum() / labelled.sum().clamp(min=1)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """(network, images, labels) -> the loss of a batch, in the arithmetic asked for where the device is faster at
    it."""

    loss: Callable[[Tensor, Tensor], Tensor]
    scaling: Scaling
    teacher: Teacher | None
    mixed: bool

    @classmethod
    def of(cls, settings: Training, material: Material, teacher: Teacher | None, device: torch.device) -> "Objective":
        """As the settings say; class weights are those of the training split."""
        weights = losses.class_weights(settings.class_weights, material.train.labels, len(material.classes))
        return cls(
            loss=losses.build(settings.loss, None if weights is None else weights.to(device)),
            scaling=material.scaling,
            teacher=teacher,
            mixed=settings.arithmetic == "mixed" and computes_bfloat16(device),
        )

    def __call__(self, model: GraphModule, images: Tensor, labels: Tensor) -> Tensor:
        """Uint8 images (n, 3, h, w) and labels (n, h, w) on the model's device -> a scalar."""
        with self._arithmetic(images.device):
            scores = model.coarse(self.scaling(images))
            total = self.loss(scores, labels)
            return total if self.teacher is None else total + self.teacher.loss(scores, images, labels)

    def _arithmetic(self, device: torch.device) -> Any:
        """Autocast keeps sums, norms and losses in fp32."""
        return torch.autocast(device.type, dtype=torch.bfloat16) if self.mixed else nullcontext()
