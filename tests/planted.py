"""Faults to plant into a data set of CamVid's layout: one function each, its name says what it does.

A function gets a pair of files of its own and another pair, which it may look at. It returns the file that must be
reported and what must be said of it.
"""

import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Pair:
    image: Path
    labels: Path

    def pixels(self) -> np.ndarray:
        return np.array(Image.open(self.image).convert("RGB"))

    def ids(self) -> np.ndarray:
        return np.array(Image.open(self.labels))


Planted = tuple[Path, str]
PROBLEMS: dict[str, Callable[[Pair, Pair], Planted]] = {}
"""What must make the check fail."""

NOTES: dict[str, Callable[[Pair, Pair], Planted]] = {}
"""What cannot be proved, and must be noted."""

HARMLESS: dict[str, Callable[[Pair, Pair], Planted]] = {}
"""What must not be complained of."""


def problem(function):
    PROBLEMS[function.__name__] = function
    return function


def note(function):
    NOTES[function.__name__] = function
    return function


def harmless(function):
    HARMLESS[function.__name__] = function
    return function


def save(path: Path, pixels: np.ndarray, format: str = "PNG", **options: object) -> Path:
    Image.fromarray(pixels).save(path, format=format, **options)
    return path


def cut(path: Path, end: int | float) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(end * len(whole)) if isinstance(end, float) else end])
    return path


def sixteen_bits(path: Path, channels: int, height: int, width: int) -> Path:
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x00\x02" * channels * width) * height)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    parts = [struct.pack(">I", len(body)) + k + body + struct.pack(">I", zlib.crc32(k + body)) for k, body in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


WHOLE, WHOLE_PNG = "must be a whole PNG or JPEG that can be read", "must be a whole PNG that can be read"


# --- files that are no whole picture


@problem
def image_cut_in_half(own, other):
    return cut(own.image, 0.5), WHOLE


@problem
def image_cut_after_its_first_bytes(own, other):
    return cut(own.image, 8), WHOLE


@problem
def image_without_its_end(own, other):
    return cut(own.image, -12), "must be a whole PNG, but its end is missing"


@problem
def image_without_its_last_byte(own, other):
    return cut(own.image, -1), "must be a whole PNG, but its end is missing"


@problem
def empty_image(own, other):
    return cut(own.image, 0), WHOLE


@problem
def labels_cut_in_half(own, other):
    return cut(own.labels, 0.5), WHOLE_PNG


@problem
def labels_without_their_end(own, other):
    return cut(own.labels, -3), "must be a whole PNG, but its end is missing"


@problem
def empty_labels(own, other):
    return cut(own.labels, 0), WHOLE_PNG


@problem
def text_for_an_image(own, other):
    own.image.write_text("404 Not Found\n")
    return own.image, WHOLE


@problem
def text_for_labels(own, other):
    own.labels.write_text("version https://git-lfs.github.com/spec/v1\n")
    return own.labels, WHOLE_PNG


@problem
def gif_for_an_image(own, other):
    return save(own.image, own.pixels(), "GIF"), WHOLE


@problem
def bitmap_for_labels(own, other):
    return save(own.labels, own.ids(), "BMP"), WHOLE_PNG


@problem
def jpeg_for_labels(own, other):
    return save(own.labels, own.ids(), "JPEG", quality=95), WHOLE_PNG


@problem
def jpeg_named_png(own, other):
    return save(own.image, own.pixels(), "JPEG", quality=95), "must be named after what it is, JPEG, but ends in .png"


@problem
def flipped_checksum(own, other):
    content = bytearray(own.image.read_bytes())
    content[-14] ^= 1
    own.image.write_bytes(content)
    return own.image, "must be a whole PNG, but the checksum of its part IDAT at byte "


@problem
def flipped_bit_in_the_pixels(own, other):
    content = bytearray(own.labels.read_bytes())
    content[len(content) // 2] ^= 4
    own.labels.write_bytes(content)
    return own.labels, "must be a whole PNG"


@problem
def flipped_byte_in_the_header(own, other):
    content = bytearray(own.image.read_bytes())
    content[18] ^= 255
    own.image.write_bytes(content)
    return own.image, WHOLE


@problem
def image_too_large_to_be_true(own, other):
    header = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    content = own.image.read_bytes()
    own.image.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    return own.image, WHOLE


# --- pictures of a kind that is not meant


@problem
def grey_image_of_16_bits(own, other):
    return sixteen_bits(own.image, 1, *own.ids().shape), "must have 8 bits per channel, but has 16"


@problem
def colour_image_of_16_bits(own, other):
    return sixteen_bits(own.image, 3, *own.ids().shape), "must have 8 bits per channel, but has 16"


@problem
def labels_of_16_bits(own, other):
    return sixteen_bits(own.labels, 1, *own.ids().shape), "must have 8 bits per channel, but has 16"


@problem
def image_for_print(own, other):
    Image.fromarray(own.pixels()).convert("CMYK").save(own.image, format="JPEG")
    return own.image, "an image must be 8-bit, colour or grey, but its mode is CMYK"


@problem
def labels_in_colour(own, other):
    return save(own.labels, np.stack([own.ids()] * 3, axis=-1)), "a single channel, but the mode is RGB"


@problem
def labels_in_colour_with_alpha(own, other):
    return save(own.labels, np.stack([own.ids()] * 4, axis=-1)), "a single channel, but the mode is RGBA"


@problem
def labels_in_grey_with_alpha(own, other):
    return save(own.labels, np.stack([own.ids()] * 2, axis=-1)), "a single channel, but the mode is LA"


@problem
def image_and_labels_exchanged(own, other):
    pixels, ids = own.pixels(), own.ids()
    save(own.image, ids)
    return save(own.labels, pixels), "a single channel, but the mode is RGB"


# --- labels that mean nothing


@problem
def strange_id_in_the_last_corner(own, other):
    ids = own.ids()
    ids[-1, -1] = 12
    place = f"12 in 1 of {ids.size:,} pixels, first in row {ids.shape[0] - 1}, column {ids.shape[1] - 1}"
    return save(own.labels, ids), place


@problem
def ignored_as_255(own, other):
    ids = own.ids()
    ids[ids == 11] = 255
    ids[0, :5] = 255
    return save(own.labels, ids), "labels must be ids of the source"


@problem
def labels_stretched_to_be_seen(own, other):
    return save(own.labels, own.ids() * np.uint8(20)), "labels must be ids of the source"


@problem
def all_void(own, other):
    words = "labels must have a pixel of a class that counts, but hold nothing but void (11 unlabelled)"
    return save(own.labels, np.full_like(own.ids(), 11)), words


@problem
def all_of_one_class(own, other):
    return save(own.labels, np.zeros_like(own.ids())), "labels must tell classes apart, but hold nothing but 0 sky"


# --- sizes


@problem
def labels_too_low(own, other):
    high, wide = own.ids().shape
    words = (
        f"labels must have the size of their image (height x width), but got {high - 1} x {wide} for {high} x {wide}"
    )
    return save(own.labels, own.ids()[:-1]), words


@problem
def labels_too_wide(own, other):
    return save(own.labels, np.pad(own.ids(), ((0, 0), (0, 7)))), "labels must have the size of their image"


@problem
def labels_transposed(own, other):
    return save(own.labels, own.ids().T.copy()), "labels must have the size of their image"


@problem
def image_of_half_the_size(own, other):
    save(own.image, own.pixels()[::2, ::2].copy())
    return own.labels, "labels must have the size of their image"


@problem
def one_pixel(own, other):
    save(own.labels, own.ids()[:1, :1].copy())
    return save(own.image, own.pixels()[:1, :1].copy()), "an image must show something"


# --- files that are not there


@problem
def missing_labels(own, other):
    own.labels.unlink()
    return own.image, "every image must have a label file, and the other way round, but "


@problem
def missing_image(own, other):
    own.image.unlink()
    return own.labels, "every image must have a label file, and the other way round, but "


@problem
def labels_of_another_name(own, other):
    own.labels.rename(own.labels.with_name(own.labels.name.swapcase()))
    return own.image, "every image must have a label file, and the other way round, but "


@problem
def link_to_nothing(own, other):
    own.image.unlink()
    own.image.symlink_to("nowhere.png")
    return own.image, "nothing"


@problem
def folder_named_as_labels(own, other):
    own.labels.unlink()
    own.labels.mkdir()
    return own.labels, "folder"


# --- images that are none, or twice


@problem
def black_image(own, other):
    words = "an image must show something, but all its pixels have one colour, (0, 0, 0)"
    return save(own.image, np.zeros_like(own.pixels())), words


@problem
def image_under_a_lens_cap(own, other):
    noise = np.random.default_rng(0).integers(3, 6, own.pixels().shape, np.uint8)
    return save(own.image, noise), "none of its pixels is more than 2 of 255 from the colour (3, 3, 3)"


@problem
def labels_for_an_image(own, other):
    shutil.copyfile(own.labels, own.image)
    return own.image, "an image must show the scene, but this one has a single colour for each class of its labels"


@problem
def coloured_labels_for_an_image(own, other):
    table = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    words = "an image must show the scene, but this one has a single colour for each class of its labels"
    return save(own.image, table[own.ids()]), words


@problem
def image_copied(own, other):
    shutil.copyfile(other.image, own.image)
    return own.image, "an image must be there once, but "


@problem
def image_saved_again(own, other):
    save(own.image, other.pixels(), compress_level=1)
    assert own.image.read_bytes() != other.image.read_bytes()
    return own.image, "an image must be there once, but "


@problem
def pair_mirrored(own, other):
    save(own.image, other.pixels()[:, ::-1].copy())
    save(own.labels, other.ids()[:, ::-1].copy())
    return own.image, f"an image must be there once, but {other.image} (val) is the same, mirrored"


@problem
def pair_copied(own, other):
    shutil.copyfile(other.image, own.image)
    shutil.copyfile(other.labels, own.labels)
    return own.image, "an image must be there once, but "


@problem
def labels_copied(own, other):
    save(own.labels, other.ids(), compress_level=1)
    return own.labels, "labels must belong to one image, but "


# --- what can only be suspected


@note
def labels_mirrored(own, other):
    return save(own.labels, own.ids()[:, ::-1].copy()), "seem not to be this image's, or shifted or mirrored"


@note
def labels_upside_down(own, other):
    return save(own.labels, own.ids()[::-1].copy()), "seem not to be this image's, or shifted or mirrored"


@note
def labels_turned(own, other):
    return save(own.labels, own.ids()[::-1, ::-1].copy()), "seem not to be this image's, or shifted or mirrored"


@note
def image_in_grey(own, other):
    grey = np.array(Image.fromarray(own.pixels()).convert("L"))
    return save(own.image, grey), "in grey, while "


@note
def image_saved_as_jpeg_and_back(own, other):
    out = io.BytesIO()
    Image.fromarray(other.pixels()).save(out, format="JPEG", quality=90)
    return save(own.image, np.array(Image.open(out))), "nearly the same as "


@note
def noise_for_labels(own, other):
    noise = np.random.default_rng(0).integers(0, 12, own.ids().shape, np.uint8)
    return save(own.labels, noise), "seem not to be this image's, or shifted or mirrored"


@note
def lower_half_lost(own, other):
    pixels = own.pixels()
    pixels[len(pixels) // 2 :] = 128
    return save(own.image, pixels), "50.0% of its rows are of one colour each: a part of it may be lost"


@note
def labels_half_done(own, other):
    ids = own.ids()
    ids[: len(ids) * 3 // 4] = 11
    return save(own.labels, ids), "of them are void (half of all images have "


# --- what is all right


@harmless
def labels_with_a_palette(own, other):
    ids = own.ids()
    picture = Image.fromarray(ids)
    picture.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    assert picture.mode == "P"
    picture.save(own.labels)
    return own.labels, ""


@harmless
def image_with_an_opaque_alpha(own, other):
    Image.fromarray(own.pixels()).convert("RGBA").save(own.image)
    return own.image, ""


@harmless
def other_files_beside(own, other):
    for name in ("Thumbs.db", ".DS_Store", f"._{own.image.name}", "list.txt"):
        (own.image.parent / name).write_bytes(b"?")
    return own.image, ""


@harmless
def link_to_an_image_elsewhere(own, other):
    away = own.image.parent.parent / own.image.name
    own.image.rename(away)
    own.image.symlink_to(os.path.relpath(away, own.image.parent))
    return own.image, ""
