"""A data set as tensors, ready to be drawn in batches."""

import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, final

import torch
from torch import Tensor

from budgetnet.data.order import in_order
from budgetnet.data.reading import Dataset, Split
from budgetnet.training.augment import Augmentation


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What is done to an image before the network sees it: (image / 255 - mean) / std, each per RGB channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def of(cls, images: Tensor) -> "Scaling":
        """The mean pixel of uint8 images (n, 3, height, width)."""
        sums = [part.sum(dim=(0, 2, 3), dtype=torch.int64) for part in torch.split(images, 16)]  # exact, little memory
        red, green, blue = (torch.stack(sums).sum(dim=0).double() / images[:, 0].numel() / 255).tolist()
        return cls(mean=(red, green, blue))

    def __call__(self, images: Tensor) -> Tensor:
        """Uint8 (n, 3, height, width) -> float of the same shape and memory format."""
        mean = torch.tensor(self.mean, device=images.device)
        scaled = images.float().div_(255).sub_(mean[:, None, None])
        if self.std == (1.0, 1.0, 1.0):
            return scaled
        return scaled.div_(torch.tensor(self.std, device=images.device)[:, None, None])


class Batch(NamedTuple):
    """Uint8 images (n, 3, height, width) and labels (n, height, width) on a device, and their numbers in the split."""

    images: Tensor
    labels: Tensor
    numbers: tuple[int, ...]


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

    def shuffled(
        self,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        device: torch.device,
        *,
        skip: int = 0,
        places: Callable[[int], Sequence[int]] = range,
    ) -> Generator[Batch, None, None]:
        """Every sample once, in an order drawn from `seed`, augmented and on the device, in batches of equal size
        (`batch_size`, or one less); without the first `skip` of them. `places(count)`, in rising order, are those in a
        batch that are made: what is at the others is nothing.

        They are made ahead, in a thread: what the next step needs is there when it begins. The same seed gives the same
        batches. Whoever stops early must close it.
        """
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))

        def make(drawn: tuple[int, Tensor]) -> Batch:
            number, chosen = drawn
            mine = list(places(len(chosen)))
            given = augmentation.wanted_for(mine, len(chosen))
            images, labels = self.images[chosen[given]], self.labels[chosen[given]]
            if device.type == "cuda":
                images, labels = images.pin_memory(), labels.pin_memory()
            placed = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            made = augmentation.some(*placed, (seed * 1_000_003 + number) % 2**63, given, len(chosen))
            if len(mine) < len(chosen):
                made = _put(made[0], given, len(chosen)), _put(made[1], given, len(chosen))
            return Batch(images=made[0], labels=made[1], numbers=tuple(chosen.tolist()))

        numbered = enumerate(order.tensor_split(self.batches(batch_size)))
        return in_order(make, islice(numbered, skip, None), workers=1)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, in its order."""
        yield from zip(torch.split(self.images, batch_size), torch.split(self.labels, batch_size), strict=True)

    def share(self, number: int, of: int) -> "Samples":
        """Every `of`-th sample, from `number` on."""
        return self if of == 1 else Samples(images=self.images[number::of], labels=self.labels[number::of])

    def batches(self, batch_size: int) -> int:
        """How many batches of at most `batch_size` an epoch has."""
        return -(-len(self) // batch_size)


def _put(made: Tensor, places: Sequence[int], count: int) -> Tensor:
    """(k, ...) -> (count, ...) with those at their places and anything at the others."""
    whole = torch.empty_strided((count, *made.shape[1:]), made.stride(), dtype=made.dtype, device=made.device)
    whole[list(places)] = made
    return whole


def tensors(dataset: Dataset) -> tuple[Samples, Samples]:
    """The training and the validation split."""
    return Samples.of(dataset.train), Samples.of(dataset.val)
