"""Augmentation: image and label mirrored, scaled, cut and recoloured together, drawn from a seed, in torch.

The images keep their size. Where one is made smaller, what is left over is filled with the mean pixel and has no label.
Labels are moved by the nearest pixel: no class appears that was not there.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor
from torch.nn import functional

from budgetnet.classes import IGNORE
from budgetnet.scenario import Training

_LUMA: Final = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to training images; see `scenario.Training` for what the settings mean. `fill` is RGB, 0 to 255."""

    flip: bool = False
    smallest_scale: float = 1.0
    largest_scale: float = 1.0
    photometric: float = 0.0
    fill: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, settings: Training, mean: tuple[float, float, float]) -> "Augmentation":
        """As a scenario says; `mean` is the mean pixel, 0 to 1."""
        red, green, blue = (round(255 * part) for part in mean)
        return cls(
            flip=settings.flip,
            smallest_scale=settings.smallest_scale,
            largest_scale=settings.largest_scale,
            photometric=settings.photometric,
            fill=(red, green, blue),
        )

    @property
    def scales(self) -> bool:
        """Whether images are made larger or smaller."""
        return (self.smallest_scale, self.largest_scale) != (1.0, 1.0)

    @property
    def changes(self) -> bool:
        """Whether it does anything at all."""
        return self.flip or self.scales or self.photometric > 0

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Uint8 images (n, 3, h, w) and labels (n, h, w) -> the same shapes, type, device and memory format, copied.

        What is drawn depends on `seed` and on the place in the batch alone.
        """
        if not self.changes:
            return images, labels
        draws = torch.rand(len(images), 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        if self.flip or self.scales:
            images, labels = self._moved(images, labels, draws[:, :4].tolist())
        if self.photometric:
            images = _recoloured(images, (1 + self.photometric * (2 * draws[:, 4:] - 1)).float())
        return images, labels

    def _moved(self, images: Tensor, labels: Tensor, draws: list[list[float]]) -> tuple[Tensor, Tensor]:
        moved_images = torch.empty_like(images, memory_format=torch.channels_last)
        moved_labels = torch.empty_like(labels)
        for index, (mirror, size, down, right) in enumerate(draws):
            scale = self.smallest_scale + size * (self.largest_scale - self.smallest_scale)
            image, label = images[index], labels[index]
            if self.flip and mirror < 0.5:
                image, label = image.flip(2), label.flip(1)
            place = _enlarge if scale >= 1 else self._shrink
            place(image, label, scale, (down, right), moved_images[index], moved_labels[index])
        return moved_images, moved_labels

    def _shrink(
        self, image: Tensor, label: Tensor, scale: float, at: tuple[float, float], to_image: Tensor, to_label: Tensor
    ) -> None:
        """The whole image smaller, somewhere in the frame."""
        height, width = label.shape
        high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
        top, left = int(at[0] * (height - high + 1)), int(at[1] * (width - wide + 1))
        to_image.copy_(torch.tensor(self.fill, dtype=torch.uint8, device=image.device)[:, None, None])
        to_label.fill_(IGNORE)
        to_image[:, top : top + high, left : left + wide] = _resized(image, high, wide)
        to_label[top : top + high, left : left + wide] = _nearest(label, high, wide)


def _enlarge(
    image: Tensor, label: Tensor, scale: float, at: tuple[float, float], to_image: Tensor, to_label: Tensor
) -> None:
    """A part of the image, somewhere in it, as large as the frame."""
    height, width = label.shape
    high, wide = max(round(height / scale), 1), max(round(width / scale), 1)
    top, left = int(at[0] * (height - high + 1)), int(at[1] * (width - wide + 1))
    to_image.copy_(_resized(image[:, top : top + high, left : left + wide], height, width))
    to_label.copy_(_nearest(label[top : top + high, left : left + wide], height, width))


def _resized(image: Tensor, height: int, width: int) -> Tensor:
    """Uint8 (3, h, w), bilinear, averaging where it shrinks."""
    if image.shape[1:] == (height, width):
        return image
    batch = image[None] if image.is_cpu else image[None].float()  # bytes are resized on CPUs only
    made = functional.interpolate(batch, (height, width), mode="bilinear", antialias=height < image.shape[1])[0]
    return made if image.is_cpu else made.round_().clamp_(0, 255).byte()


def _nearest(label: Tensor, height: int, width: int) -> Tensor:
    """(h, w): each new pixel is the old one whose centre is nearest."""
    if label.shape == (height, width):
        return label
    rows, columns = (
        (2 * torch.arange(size, device=label.device) + 1) * old // (2 * size)
        for size, old in ((height, label.shape[0]), (width, label.shape[1]))
    )
    return label[rows[:, None], columns]


def _recoloured(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation times the factors (n, 3). All three in one matrix of colours per image:

    saturation mixes each colour with its grey, contrast moves it from the image's mean grey, brightness multiplies.
    """
    count, _, height, width = images.shape
    pixels = images.permute(0, 2, 3, 1).reshape(count, height * width, 3).float()
    luma = torch.tensor(_LUMA, device=images.device)
    brightness, contrast, saturation = factors.to(images.device)[:, :, None, None].unbind(1)
    grey = (pixels.mean(dim=1) @ luma)[:, None, None]
    mixed = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma[:, None].expand(3, 3)
    made = torch.baddbmm(brightness * (1 - contrast) * grey, pixels, brightness * contrast * mixed)
    return made.add_(0.5).clamp_(0, 255).byte().reshape(count, height, width, 3).permute(0, 3, 1, 2)
