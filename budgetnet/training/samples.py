"""A data set as tensors, ready to be drawn in batches."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from budgetnet.data.reading import Dataset, Split


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What is done to an image before the network sees it: (image / 255 - mean), `mean` per RGB channel."""

    mean: tuple[float, float, float]

    @classmethod
    def of(cls, images: Tensor) -> "Scaling":
        """The mean pixel of uint8 images (n, 3, height, width)."""
        sums = [part.sum(dim=(0, 2, 3), dtype=torch.int64) for part in torch.split(images, 16)]  # exact, little memory
        red, green, blue = (torch.stack(sums).sum(dim=0).double() / images[:, 0].numel() / 255).tolist()
        return cls(mean=(red, green, blue))

    def __call__(self, images: Tensor) -> Tensor:
        """Uint8 (n, 3, height, width) -> float of the same shape and memory format."""
        mean = torch.tensor(self.mean, device=images.device)
        return images.float().div_(255).sub_(mean[:, None, None])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One split: uint8 images (n, 3, height, width), channels last in memory, and uint8 labels (n, height, width)."""

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, split: Split) -> "Samples":
        """A split's arrays as tensors, not copied. Nobody writes to them: those mapped from files cannot be written."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
        return cls(images=images.permute(0, 3, 1, 2), labels=labels)

    def __len__(self) -> int:
        return len(self.images)

    def shuffled(self, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, in an order drawn from `seed`, in batches of equal size (`batch_size`, or one less)."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        for chosen in order.tensor_split(self.batches(batch_size)):
            yield self.images[chosen], self.labels[chosen]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, in its order."""
        yield from zip(torch.split(self.images, batch_size), torch.split(self.labels, batch_size), strict=True)

    def batches(self, batch_size: int) -> int:
        """How many batches of at most `batch_size` an epoch has."""
        return -(-len(self) // batch_size)


def tensors(dataset: Dataset) -> tuple[Samples, Samples]:
    """The training and the validation split."""
    return Samples.of(dataset.train), Samples.of(dataset.val)
