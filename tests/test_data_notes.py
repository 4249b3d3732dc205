"""What `budgetnet data check` says beside its problems: what is odd, what the contact sheet shows of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from layouts import save

from budgetnet.datasets import synthetic

TO_CAMVID = np.array([0, 1, 3, 4, 8, 9, 11], np.uint8)


def camvid(root: Path, **splits: int) -> str:
    """Drawn scenes as CamVid would have them, all of a sequence `a`; returns the spec."""
    for split, count in splits.items():
        for index in range(count):
            image, labels = synthetic.draw(4, split, index, 96, 128)
            save(root / split / f"a_{split}{index:03d}.png", image)
            save(root / f"{split}annot" / f"a_{split}{index:03d}.png", TO_CAMVID[labels])
    return f"camvid:{root}"


def record(shell, spec: str, code: int = 0) -> dict:
    done = shell("data", "check", spec, "-o", "out")
    assert done.code == code, done.err
    return json.loads(Path("out/check.json").read_text())


@pytest.mark.parametrize(
    ("blank", "told"), [(6, "the first 6 because of what was"), (8, "the first 6 being of the 8 in which")]
)
def test_the_contact_sheet_says_how_many_of_the_suspects_it_shows(blank, told, shell, tmp_path):
    spec = camvid(tmp_path / "data", train=10)
    for index in range(blank):
        save(tmp_path / "data" / "train" / f"a_train{index:03d}.png", np.full((96, 128, 3), 9 * index, np.uint8))
    record(shell, spec, code=1)
    text = Path("out/check.md").read_text()
    assert f"The contact sheet shows 10 images in the colours of camvid-11, {told}" in text
