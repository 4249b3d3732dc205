"""HDF5 files that are damaged, that lie, or that point elsewhere: each refused with its name, none believed."""

import os
import random

import h5py
import numpy as np
import pytest
import torch
from stem_files import published, random_stem, write_hdf5

from budgetnet import stems
from budgetnet.errors import BudgetnetError
from budgetnet.stems import hdf5, layout

WIDTH = 0.25
LAYER = "conv_pw_3/conv_pw_3/kernel:0"


@pytest.fixture(scope="module")
def state():
    return random_stem(WIDTH)


@pytest.fixture
def path(state, tmp_path):
    return write_hdf5(tmp_path / "stem.h5", state)


def refuses(path, rule):
    with pytest.raises(BudgetnetError, match=rule) as caught:
        stems.load(str(path), WIDTH)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_values_are_checked_where_they_enter(path):
    for value, rule in [
        (
            np.zeros((1, 1, 32, 31), "f4"),
            rf"stem.h5: {LAYER}: must be of size 1 x 1 x 32 x 32 at .* got 1 x 1 x 32 x 31",
        ),
        (np.full((1, 1, 32, 32), np.nan, "f4"), rf"{LAYER}: must hold finite numbers, but got nan"),
        (np.full((1, 1, 32, 32), 1e39), rf"{LAYER}: must hold finite numbers, but got inf"),
        (np.zeros((1, 1, 32, 32), "i4"), rf"{LAYER}: must hold floating point numbers, but got 'int32'"),
        (np.float32(1), rf"{LAYER}: must be of size .* but got of one number"),
        ("text", rf"{LAYER}: must be of size"),
    ]:
        with h5py.File(path, "r+") as file:
            del file[LAYER]
            file[LAYER] = value
        refuses(path, rule)
    with h5py.File(path, "r+") as file:
        del file[LAYER]
    refuses(path, r"stem.h5: must hold conv_pw_3/kernel, but does not; it holds conv1, conv1_bn, conv_dw_1, .* 50 more")


def test_other_orders_of_bytes_and_compressed_chunks_are_read(path, state):
    name = layout.names()["conv_pw_3", "kernel"]
    with h5py.File(path, "r+") as file:
        kernel = file[LAYER][()]
        del file[LAYER]
        file.create_dataset(LAYER, data=kernel.astype(">f8"), chunks=True, compression="gzip", shuffle=True)
    assert torch.equal(stems.load(str(path), WIDTH).state[name], state[name])


def test_a_weight_that_is_there_twice_is_refused_but_for_the_optimizers(path):
    with h5py.File(path, "r+") as file:
        file["optimizer_weights/conv1/kernel:0"] = np.ones(3)
    stems.load(str(path), WIDTH)
    with h5py.File(path, "r+") as file:
        file["other/conv1/kernel:0"] = np.ones(3)
    refuses(path, r"kernel:0: must be there once, but .*conv1/kernel:0 is there as well")


def test_names_of_other_files_are_told(tmp_path):
    for name, hint in [("x", "it holds x$"), ("layers", "files that end in .weights.h5 do not keep the layers' names")]:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file[f"{name}/y"] = np.ones(2)
        refuses(tmp_path / "a.h5", f"must hold conv_pw_13/kernel, but does not; {hint}")
    with h5py.File(tmp_path / "a.h5", "w"):
        pass
    refuses(tmp_path / "a.h5", r"must hold conv_pw_13/kernel, but does not; it is empty$")


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_are_not_followed(path, tmp_path, kind):
    with h5py.File(path, "r+") as file:
        del file[LAYER]
        target = "/conv_pw_4/conv_pw_4/kernel:0"
        file[LAYER] = h5py.SoftLink(target) if kind == "soft" else h5py.ExternalLink(str(tmp_path / "b.h5"), target)
    refuses(path, rf"{LAYER}: must lie in this place, but is a link")


def test_values_that_lie_in_other_files_are_refused(path, tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    with h5py.File(path, "r+") as file:
        del file[LAYER]
        file.create_dataset(LAYER, (1, 1, 32, 32), "f4", external=[(str(tmp_path / "secret"), 0, 4096)])
    refuses(path, rf"{LAYER}: must lie in this file, but lies in others")
    virtual = h5py.VirtualLayout((1, 1, 32, 32), "f4")
    virtual[0, 0] = h5py.VirtualSource(str(tmp_path / "b.h5"), "x", (32, 32))
    with h5py.File(path, "r+") as file:
        del file[LAYER]
        file.create_virtual_dataset(LAYER, virtual)
    refuses(path, rf"{LAYER}: must lie in this file, but lies in others")


def test_nothing_large_is_allocated_for_a_small_file(path):
    """Sizes are declared, not there: a tensor of 64 GB, a stem of more than 16 GB, a chunk of 256 MB for 4 KB."""
    with h5py.File(path, "r+") as file:
        del file[LAYER]
        file.create_dataset(LAYER, (1, 1, 2**17, 2**17), "f4", chunks=(1, 1, 64, 64))
    refuses(path, rf"{LAYER}: must be of size 1 x 1 x 32 x 32 at .* but got 1 x 1 x 131072 x 131072")
    last = published("conv_pw_13", "kernel")
    with h5py.File(path, "r+") as file:
        del file[last]
        file.create_dataset(last, (1, 1, 65536, 65536), "f4", chunks=(1, 1, 64, 64))
    refuses(path, rf"{last}: must be the weights of a 1 x 1 convolution of a MobileNet v1, but got .* 65536 x 65536")
    with h5py.File(path, "r+") as file:
        del file[LAYER]
        file.create_dataset(LAYER, (1, 1, 32, 32), "f4", chunks=(1, 1, 2**13, 2**13), maxshape=(None,) * 4)
    refuses(path, rf"{LAYER}: must be kept in chunks of at most 67,108,864 bytes, but got \(1, 1, 8192, 8192\)")


def test_a_file_too_large_is_not_read(path, monkeypatch):
    monkeypatch.setattr(stems, "MOST_BYTES", 10_000)
    refuses(path, "must be at most 10,000 bytes, but is larger")


def test_endless_groups_end(path):
    with h5py.File(path, "r+") as file:
        file["loop/again"] = file["/"]
    refuses(path, "must hold at most 20,000 entries in at most 8 levels, but holds more")


def test_names_that_break_lines_are_made_visible(path):
    with h5py.File(path, "r+") as file:
        file["a\nb/conv1/kernel:0"] = np.ones(3)
    refuses(path, r"a\\nb/conv1/kernel:0: must be there once, but conv1/conv1/kernel:0 is there as well")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.6, 0.99, 0.9999])
def test_a_truncated_file_is_told(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: max(int(len(content) * share), 9)])
    refuses(path, "stem.h5: must be an HDF5 file that can be read, but got")


def test_damage_is_told_or_harmless(path, tmp_path):
    """Bytes overwritten at random: a complaint of ours, or a stem that is complete and finite."""
    content, rng, refused = path.read_bytes(), random.Random(0), 0
    damaged = tmp_path / "damaged.h5"
    for _ in range(40):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 4, 32))):
            place = rng.randrange(8, min(len(changed), rng.choice((4000, len(changed)))))
            changed[place] = rng.randrange(256)
        damaged.write_bytes(changed)
        try:
            stem = stems.load(str(damaged), WIDTH)
        except BudgetnetError:
            refused += 1
        else:
            assert all(torch.isfinite(tensor).all() for tensor in stem.state.values())
    assert refused > 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(BudgetnetError, match="which is not there"):
        stems.load(str(tmp_path / "pipe.h5"), WIDTH)


def test_the_signature_is_that_of_the_library(path):
    assert path.read_bytes().startswith(hdf5.SIGNATURE)
