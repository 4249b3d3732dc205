"""Pictures enlarged by a transposed convolution: interpolation, but for the border."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budgetnet import ops
from budgetnet.errors import BudgetnetError
from budgetnet.ops import Shape
from budgetnet.upsampling import LARGEST, enlarge, run_upsample

FACTORS = (1, 2, 3, 4, 5, 7, 8, 16, 31, 32)


def drawn(height: int = 13, width: int = 18) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def interpolated(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Bilinear interpolation by its formula, pixel centres aligned, in 64 bits."""

    def weights(size: int) -> np.ndarray:
        places = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        first = np.minimum(np.floor(places).astype(int), size - 1)
        found = np.zeros((size * factor, size))
        rows = np.arange(size * factor)
        np.add.at(found, (rows, first), 1 - (places - first))
        np.add.at(found, (rows, np.minimum(first + 1, size - 1)), places - first)
        return found

    height, width = pixels.shape[:2]
    return np.einsum("yh,hwc,xw->yxc", weights(height), pixels.astype(float), weights(width))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_picture_comes_out_as_it_is_larger(factor):
    pixels = drawn()
    made = enlarge(pixels, factor)
    assert made.pixels.shape == (13 * factor, 18 * factor, 3)
    assert made.border == factor // 2
    inside = (slice(made.border, 13 * factor - made.border), slice(made.border, 18 * factor - made.border))
    apart = np.abs(made.pixels[inside].astype(float) - interpolated(pixels, factor)[inside])
    assert apart.max() <= 0.5 + 1e-3  # what rounding to whole levels makes
    assert made.inside < 1e-3
    if factor > 1:
        assert made.at_border > 1


def test_by_one_nothing_changes():
    pixels = drawn()
    made = enlarge(pixels, 1)
    assert np.array_equal(made.pixels, pixels)
    assert (made.inside, made.at_border, made.border) == (0, 0, 0)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_operator_gives_exactly_so_many_times_the_size(factor):
    given = Shape(channels=4, height=9, width=11)
    assert ops.enlarging(4, factor).output_shape(given) == Shape(channels=4, height=9 * factor, width=11 * factor)


def test_the_file_is_written_and_what_came_of_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = drawn()
    Image.fromarray(pixels).save("street.png")
    said = run_upsample(Path("street.png"), factor=3, output=None)
    assert said.splitlines()[0].startswith(
        "18 x 13 -> 54 x 39 pixels, largest difference to bilinear interpolation 0.0"
    )
    assert "in the outermost 1" in said
    with Image.open("reports/upsample/street-x3.png") as written:
        assert np.array_equal(np.asarray(written), enlarge(pixels, 3).pixels)
    Image.fromarray(pixels[..., 0]).save("grey.jpg")
    run_upsample(Path("grey.jpg"), factor=2, output=tmp_path / "there" / "grey.png")
    with Image.open(tmp_path / "there" / "grey.png") as written:
        assert written.size == (36, 26)


def test_what_is_no_picture_or_would_be_too_large_is_refused(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (2000, 1000)).save(path)
    with pytest.raises(BudgetnetError, match="--factor: must give 100 million pixels or fewer, but got 128 million"):
        run_upsample(path, factor=8, output=None)
    assert LARGEST == 100_000_000
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(BudgetnetError, match="must be a whole PNG or JPEG"):
        run_upsample(tmp_path / "words.png", factor=8, output=None)


def test_the_name_to_write_to_is_that_of_another_png(tmp_path):
    path = tmp_path / "street.png"
    Image.fromarray(drawn()).save(path)
    for name in (".", "large.jpg"):
        with pytest.raises(BudgetnetError, match=r"--output: must be the name of a \.png file"):
            run_upsample(path, factor=2, output=Path(name))
    with pytest.raises(BudgetnetError, match="--output: must be another file than the picture itself"):
        run_upsample(path, factor=2, output=path)


def test_a_picture_is_taken_as_people_see_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken upright: turned by a quarter
    Image.fromarray(drawn()).save(tmp_path / "turned.jpg", exif=exif)
    assert run_upsample(tmp_path / "turned.jpg", factor=2, output=tmp_path / "a.png").startswith("13 x 18 -> 26 x 36")
    Image.new("RGBA", (4, 3)).save(tmp_path / "clear.png")
    said = run_upsample(tmp_path / "clear.png", factor=2, output=tmp_path / "b.png")
    assert "without its transparency" in said
