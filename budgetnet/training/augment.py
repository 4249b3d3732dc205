"""Augmentation: image and label mirrored, scaled, cut, pasted and recoloured together, drawn from a seed, in torch.

The images keep their size, or are cut to one. What is left over of one that was made smaller is filled with the mean
pixel and has no label.
Labels are moved by the nearest pixel: no class appears that was not there.

Pasting takes the rarer half of the classes of another image of the batch, whole and where they are, so that what is
rare is seen more often, and before other backgrounds (after Olsson et al., arXiv:2007.07936, who take any half, and
Ghiasi et al., arXiv:2012.07177, who take objects).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor
from torch.nn import functional

from budgetnet.classes import IGNORE
from budgetnet.training_settings import Training

_LUMA: Final = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to training images; see `scenario.Training` for what the settings mean. `crop` is height and width,
    `fill` RGB, 0 to 255.
    """

    flip: bool = False
    smallest_scale: float = 1.0
    largest_scale: float = 1.0
    paste: float = 0.0
    photometric: float = 0.0
    crop: tuple[int, int] | None = None
    fill: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(
        cls, settings: Training, mean: tuple[float, float, float], height: int, width: int, *, early: bool = False
    ) -> "Augmentation":
        """As a scenario says, for images of a size, in its `early` epochs or after; `mean` is the mean pixel."""
        red, green, blue = (round(255 * part) for part in mean)
        size, scale = settings.cropped(height, width), 1.0
        if early:
            size, scale = settings.early(*size), settings.early_scale
        return cls(
            flip=settings.flip,
            smallest_scale=settings.smallest_scale * scale,
            largest_scale=settings.largest_scale * scale,
            paste=settings.paste,
            photometric=settings.photometric,
            crop=None if size == (height, width) else size,
            fill=(red, green, blue),
        )

    @property
    def scales(self) -> bool:
        """Whether images are made larger or smaller."""
        return (self.smallest_scale, self.largest_scale) != (1.0, 1.0)

    @property
    def moves(self) -> bool:
        """Whether images are scaled or cut."""
        return self.scales or self.crop is not None

    @property
    def changes(self) -> bool:
        """Whether it does anything at all."""
        return self.flip or self.moves or self.paste > 0 or self.photometric > 0

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Uint8 images (n, 3, h, w) and labels (n, h, w) -> the same types, device and memory format, copied, of
        the same size or that of the crop.

        What is drawn depends on `seed` and on the place in the batch alone.
        """
        return self.some(images, labels, seed, list(range(len(images))), len(images))

    def wanted_for(self, places: Sequence[int], count: int) -> list[int]:
        """The places in a batch of `count` that `some` has to be given to make those at some of them."""
        return sorted({*places, *((place + 1) % count for place in places)} if self.paste else set(places))

    def some(
        self, images: Tensor, labels: Tensor, seed: int, places: Sequence[int], count: int
    ) -> tuple[Tensor, Tensor]:
        """The same for those images alone that are at some `places` of a batch of `count`, in rising order. With
        `paste` only those whose next place is there as well come out as they would in the whole batch.
        """
        if not self.changes:
            return images, labels
        generator, chosen = torch.Generator().manual_seed(seed), torch.tensor(places, dtype=torch.int64)
        draws = torch.rand(count, 7, generator=generator, dtype=torch.float64)[chosen]
        if self.flip or self.moves:
            images, labels = self._moved(images, labels, draws[:, :4].tolist())
        if self.paste:
            onto = (torch.rand(count, generator=generator, dtype=torch.float64) < self.paste)[chosen].tolist()
            at = {place: index for index, place in enumerate(places)}
            images, labels = _pasted(images, labels, [at.get((each + 1) % count) for each in places], onto)
        if self.photometric:
            images = _recoloured(images, (1 + self.photometric * (2 * draws[:, 4:] - 1)).float())
        return images, labels

    def _moved(self, images: Tensor, labels: Tensor, draws: list[list[float]]) -> tuple[Tensor, Tensor]:
        count, channels, height, width = images.shape
        size = self.crop or (height, width)
        moved_images = torch.empty(
            (count, channels, *size), dtype=images.dtype, device=images.device, memory_format=torch.channels_last
        )
        moved_labels = labels.new_empty((count, *size))
        for index, (mirror, larger, down, right) in enumerate(draws):
            scale = self.smallest_scale + larger * (self.largest_scale - self.smallest_scale)
            image, label = images[index], labels[index]
            if self.flip and mirror < 0.5:
                image, label = image.flip(2), label.flip(1)
            rows, columns = _placed(height, size[0], scale, down), _placed(width, size[1], scale, right)
            self._place(image, label, rows, columns, moved_images[index], moved_labels[index])
        return moved_images, moved_labels

    def _place(
        self, image: Tensor, label: Tensor, rows: "_Span", columns: "_Span", to_image: Tensor, to_label: Tensor
    ) -> None:
        """A part of the image, scaled, somewhere in the frame; what it does not cover is filled."""
        if rows.fills and columns.fills:
            window_image, window_label = to_image, to_label
        else:
            to_image.copy_(torch.tensor(self.fill, dtype=torch.uint8, device=image.device)[:, None, None])
            to_label.fill_(IGNORE)
            window_image, window_label = to_image[:, rows.to, columns.to], to_label[rows.to, columns.to]
        window_image.copy_(_resized(image[:, rows.of, columns.of], rows.size, columns.size))
        window_label.copy_(_nearest(label[rows.of, columns.of], rows.size, columns.size))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Along one side: which pixels are taken, where they go, and whether they fill it."""

    of: slice
    to: slice
    fills: bool

    @property
    def size(self) -> int:
        """Pixels that come out."""
        return int(self.to.stop - self.to.start)


def _placed(size: int, frame: int, scale: float, at: float) -> _Span:
    """An image's side of `size` pixels times `scale`, against a frame: a part of it as large as the frame where it is
    larger, all of it somewhere in the frame where it is smaller. `at` in [0, 1) draws where.
    """
    if size * scale >= frame:
        taken = min(max(round(frame / scale), 1), size)
        start = int(at * (size - taken + 1))
        return _Span(of=slice(start, start + taken), to=slice(0, frame), fills=True)
    made = min(max(round(size * scale), 1), frame)
    start = int(at * (frame - made + 1))
    return _Span(of=slice(0, size), to=slice(start, start + made), fills=made == frame)


def shrunk(images: Tensor, labels: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Uint8 images (n, 3, h, w), channels last, and labels (n, h, w) at a smaller size."""
    made = [_resized(image, height, width) for image in images]
    smaller = torch.stack(made).contiguous(memory_format=torch.channels_last)
    return smaller, torch.stack([_nearest(label, height, width) for label in labels])


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


def _pasted(images: Tensor, labels: Tensor, following: list[int | None], onto: list[bool]) -> tuple[Tensor, Tensor]:
    """The images that are wanted `onto`, each with the rarer half of the classes of its `following` one over it, all
    as they were before anything was pasted.
    """
    made_images, made_labels = images.clone(memory_format=torch.preserve_format), labels.clone()
    for index, (source, wanted) in enumerate(zip(following, onto, strict=True)):
        if not wanted or source in (None, index):
            continue
        label = labels[source].long()
        rare = torch.zeros(IGNORE + 1, dtype=torch.bool, device=labels.device)
        rare[_rarer(torch.bincount(label.flatten(), minlength=IGNORE + 1)[:IGNORE])] = True
        over = rare[label]
        made_labels[index] = torch.where(over, labels[source], labels[index])
        made_images[index] = torch.where(over, images[source], images[index])
    return made_images, made_labels


def _rarer(pixels: Tensor) -> Tensor:
    """(classes,) pixels of each -> the half of those present, rounded down, that have the fewest."""
    present = pixels.nonzero()[:, 0]
    return present[pixels[present].argsort(stable=True)][: len(present) // 2]


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
