"""What every candidate is trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

from budgetnet.classes import ClassList
from budgetnet.data.reading import Dataset
from budgetnet.training.augment import shrunk
from budgetnet.training.samples import Samples, Scaling, tensors
from budgetnet.training_settings import Training


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Two splits, their classes and fingerprint, the scaling of the images.

    `digests` are those of the splits, by name, for whoever wants to know later whether data are the same.
    """

    train: Samples
    val: Samples
    classes: ClassList
    scaling: Scaling
    fingerprint: str
    digests: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset) -> "Material":
        """A data set's training and validation split; the mean pixel of the former is subtracted from images."""
        train, val = tensors(dataset)
        return cls(
            train=train,
            val=val,
            classes=dataset.classes,
            scaling=Scaling.of(train.images),
            fingerprint=dataset.fingerprint,
            digests={"train": dataset.train.digest, "val": dataset.val.digest},
        )

    def early(self, settings: Training) -> "Material":
        """The same with the validation images of early epochs. Training images are made smaller in batches."""
        size = settings.early(*self.val.images.shape[2:])
        images, labels = shrunk(self.val.images, self.val.labels, *size)
        return replace(self, val=Samples(images=images, labels=labels))

    def scaled(self, scaling: Scaling) -> "Material":
        """The same with another scaling: pre-trained weights bring their own."""
        return replace(self, scaling=scaling)
