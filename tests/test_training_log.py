"""history.csv and TensorBoard's file: every epoch once, whatever happened between."""

import csv
import struct
from pathlib import Path

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event

from budgetnet import training_log
from budgetnet.training_log import Log
from budgetnet.training_settings import Training


def rows(count: int) -> list[dict[str, float | None]]:
    return [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "mean_iou": None if epoch % 2 else epoch / 100,
            "learning_rate": 0.001,
            "seconds": 10.0,
        }
        for epoch in range(1, count + 1)
    ]


def masked(data: bytes) -> int:
    sum_ = crc32c(data)
    return (((sum_ >> 15) | (sum_ << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> list[Event]:
    """The records of the one event file as TFRecord frames them: length, its check, the event, its check."""
    (path,) = (folder / training_log.BOARD).iterdir()
    content, found = path.read_bytes(), []
    while content:
        (length, of_length), content = struct.unpack("<QI", content[:12]), content[12:]
        assert of_length == masked(struct.pack("<Q", length))
        data, (of_data,), content = (
            content[:length],
            struct.unpack("<I", content[length : length + 4]),
            content[length + 4 :],
        )
        assert of_data == masked(data)
        found.append(Event.FromString(data))
    assert found[0].file_version == "brain.Event:2"
    return found[1:]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    told: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            told.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
    return told


def expected(history) -> dict[str, list[tuple[int, float]]]:
    tags = {"training/loss": "loss", "training/learning_rate": "learning_rate", "training/seconds": "seconds"}
    tags["validation/mean_iou"] = "mean_iou"
    return {tag: [(row["epoch"], row[name]) for row in history if row[name] is not None] for tag, name in tags.items()}


def test_every_epoch_is_on_disk_once_it_is_told(tmp_path):
    history = rows(4)
    with Log(tmp_path) as log:
        for done in (1, 2, 3, 4):
            log.bring(history[:done])
            assert scalars(tmp_path) == {tag: told for tag, told in expected(history[:done]).items() if told}
            with (tmp_path / "history.csv").open(newline="") as file:
                read = list(csv.DictReader(file))
            assert [float(row["loss"]) for row in read] == [row["loss"] for row in history[:done]]
    assert training_log.qualities(tmp_path, Training()) == [0.02, 0.04]
    assert training_log.qualities(tmp_path, Training(early_epochs=2)) == [0.04]


@pytest.mark.parametrize("kept", [2, 3, 5])
def test_a_training_that_goes_on_leaves_no_gap_and_nothing_twice(tmp_path, kept):
    """It was killed after epoch 3: the checkpoint may be of that epoch or before, or the log may have missed some."""
    with Log(tmp_path) as log:
        for done in (1, 2, 3):
            log.bring(rows(done))
    with Log(tmp_path) as log:
        log.bring(rows(kept))
        log.bring(rows(kept + 1))
    assert scalars(tmp_path) == expected(rows(kept + 1))


def test_times_of_earlier_epochs_lie_before(tmp_path):
    with Log(tmp_path) as log:
        log.bring(rows(3))
    times = [event.wall_time for event in events(tmp_path) if event.summary.value[0].tag == "training/loss"]
    assert times[1] - times[0] == pytest.approx(10, abs=1)
    assert times[2] - times[1] == pytest.approx(10, abs=1)


def test_what_an_earlier_training_wrote_is_removed_and_nothing_else(tmp_path):
    with Log(tmp_path) as log:
        log.bring(rows(1))
    (tmp_path / "tensorboard" / "notes.txt").write_text("mine")
    training_log.remove(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes.txt", "tensorboard"]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "epoch,mean_iou\n1,x\n"])
def test_a_history_that_cannot_be_read_tells_nothing(tmp_path, text):
    assert training_log.qualities(tmp_path, Training()) == []
    (tmp_path / "history.csv").write_text(text)
    assert training_log.qualities(tmp_path, Training()) == []
