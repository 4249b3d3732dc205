"""What is refused before any data are read, and what is not."""

from pathlib import Path

import pytest
from runs import SMALL
from stem_files import random_stem, write_hdf5

from budgetnet import stems
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training import checks, ranks
from budgetnet.training_settings import Training


def scenario(**training) -> Scenario:
    size = InputSize(height=64, width=96)
    settings = Training.model_validate({"batch_size": 8, **training})
    return Scenario(name="t", cameras=1, fps=1, budget_gops=9, classes=7, input=size, training=settings)


def of(multiplier: float) -> Candidate:
    return Candidate.of("mobilenet-fcn", {"depth_multiplier": multiplier})


def test_parts_are_shared_out_among_processes():
    checks.require(scenario(parts=4), [SMALL], processes=2)
    with pytest.raises(
        BudgetnetError, match=r"^training.parts: must be a multiple of the processes, here 3, but got 4$"
    ):
        checks.require(scenario(parts=4), [SMALL], processes=3)
    with pytest.raises(BudgetnetError, match=r"^training.parts: must be at most the batch_size, 8, but got 9$"):
        checks.require(scenario(parts=9), [SMALL], processes=3)


@pytest.mark.parametrize(("images", "parts", "smallest"), [(16, 8, None), (9, 4, None), (9, 5, 4), (3, 4, 3)])
def test_the_smallest_batch_holds_every_part(images, parts, smallest):
    settings = Training(batch_size=8, parts=parts)
    if smallest is None:
        checks.require_batches(settings, images)
        return
    told = f"training.parts: must be at most the images of each batch, here {smallest}, but got {parts}"
    with pytest.raises(BudgetnetError, match=f"^{told}$"):
        checks.require_batches(settings, images)


def test_each_file_of_a_folder_is_read_once_for_the_widest_that_begins_with_it(tmp_path: Path, monkeypatch):
    for name, multiplier in (("2_5", 0.25), ("5_0", 0.5)):
        write_hdf5(tmp_path / f"mobilenet_{name}_224_tf_no_top.h5", random_stem(multiplier))
    loaded: list[float] = []
    load = stems.load
    monkeypatch.setattr(stems, "load", lambda source, multiplier: loaded.append(multiplier) or load(source, multiplier))
    asked = scenario(stem=str(tmp_path))
    checks.require(asked, map(of, (0.3, 0.25, 0.45, 0.5, 0.1, 0.3)))
    assert loaded == [0.25, 0.5]
    with pytest.raises(BudgetnetError, match=r"^training.stem: .* must hold weights of depth multiplier 0.75 or more"):
        checks.require(asked, [of(0.75)])


def test_what_the_first_process_alone_does_raises_what_it_raises():
    done: list[int] = []
    ranks.first(lambda: done.append(1))
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        ranks.first(lambda: done.append(1 // 0))
