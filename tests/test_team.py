"""Batches in parts: however they are shared out, the numbers are the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from budgetnet.build import build
from budgetnet.networks import Candidate
from budgetnet.training import ranks
from budgetnet.training.losses import build as build_loss
from budgetnet.training.objective import Objective
from budgetnet.training.samples import Scaling
from budgetnet.training.team import Team

SMALL = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32})


def network(seed: int = 0):
    return build(SMALL.graph(classes=7, height=64, width=64), seed=seed).to(memory_format=torch.channels_last)


def objective() -> Objective:
    scaling = Scaling(mean=(0.5, 0.4, 0.3))
    return Objective(loss=build_loss("cross_entropy", None), scaling=scaling, teacher=None, mixed=False)


def batch(count: int, seed: int = 1):
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, 7, (count, 64, 64), dtype=torch.uint8, generator=draw)
    return images.contiguous(memory_format=torch.channels_last), labels


def gradients(parts: int, threads: int, count: int = 6):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = network()
        with Team(model, objective(), parts) as team:
            team.begin(3)
            losses = [team.step(*batch(count, seed)) for seed in (1, 2)]
            team.gather()
            statistics = [each.clone() for each in model.buffers() if each.is_floating_point()]
    finally:
        torch.set_num_threads(before)
    return losses, [each.grad.clone() for each in model.parameters()], statistics


def test_parts_on_threads_and_one_after_another_are_the_same():
    for parts in (2, 3):
        alone, together = gradients(parts, threads=1), gradients(parts, threads=2)
        assert alone[0] == together[0]
        for one, other in zip(alone[1] + alone[2], together[1] + together[2], strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("count", "parts", "world"), [(8, 4, 2), (7, 2, 2), (7, 6, 3), (5, 5, 1), (16, 4, 4)])
def test_processes_make_what_their_parts_compute(monkeypatch, count, parts, world):
    """Together every place once; each those that `Team` gives the same process."""
    monkeypatch.setattr(ranks, "world", lambda: world)
    made = []
    for rank in range(world):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        made.append(ranks.places(count, parts))
        computed = [torch.arange(count).tensor_split(parts)[number] for number in range(rank, parts, world)]
        assert made[-1] == torch.cat(computed).tolist()
    assert sorted(place for places in made for place in places) == list(range(count))


def test_the_gradient_is_the_mean_over_the_parts():
    images, labels = batch(6)
    model = network()
    with Team(model, objective(), 2) as team:
        team.begin(3)
        loss = team.step(images, labels)
        found = [each.grad.clone() for each in model.parameters()]
        torch.set_num_threads(1)
    losses, grads = [], []
    for number, (part, truth) in enumerate(zip(images.split(3), labels.split(3), strict=True)):
        single = network()
        with Team(single, objective(), 2) as other:
            other.begin(3)
            drawn = other.places()[number].drawn
            other._generators[0].set_state(drawn[0])
            losses.append(objective()(single, part, truth))
            grads.append(torch.autograd.grad(losses[-1], list(single.parameters())))
    assert loss == pytest.approx(sum(each.item() for each in losses) / 2, rel=1e-6)
    for mean, one, other in zip(found, *grads, strict=True):
        torch.testing.assert_close(mean, (one + other) / 2)


def test_running_statistics_of_the_parts_come_together():
    model = network()
    images, labels = batch(6)
    with Team(model, objective(), 2) as team:
        team.begin(0)
        team.step(images, labels)
        parts = [place.statistics for place in team.places()]
        team.gather()
    found = [each for each in model.buffers() if each.is_floating_point()]
    assert not all(torch.equal(one, other) for one, other in zip(*parts, strict=True))
    for mean, one, other in zip(found, *parts, strict=True):
        torch.testing.assert_close(mean, (one + other) / 2)


def test_a_team_goes_on_where_another_one_was():
    model = network()
    with Team(model, objective(), 2) as team:
        team.begin(5)
        team.step(*batch(6, 1))
        places, weights = team.places(), {name: each.clone() for name, each in model.state_dict().items()}
        expected = team.step(*batch(6, 2)), [each.grad.clone() for each in model.parameters()]
    other = network(seed=9)
    other.load_state_dict(weights)
    with Team(other, objective(), 2) as team:
        team.begin(6)
        team.go_on(places)
        assert team.step(*batch(6, 2)) == expected[0]
    assert all(torch.equal(each.grad, grad) for each, grad in zip(other.parameters(), expected[1], strict=True))


SCRIPT = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from test_team import Team, batch, network, objective
from budgetnet.training import ranks
torch.set_num_threads(1)
with ranks.together():
    model = network()
    with Team(model, objective(), 2) as team:
        team.begin(3)
        losses = [team.step(*batch(6, seed)) for seed in (1, 2)]
        places = team.places()
        team.gather()
    assert len(places) == 2 and ranks.agree(ranks.leads()) and not ranks.agree(False)
    if ranks.leads():
        statistics = [each for each in model.buffers() if each.is_floating_point()]
        torch.save((losses, [each.grad for each in model.parameters()], statistics), sys.argv[2])
"""


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_two_threads(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    words = [str(tmp_path / "script.py"), str(Path(__file__).parent), str(tmp_path / "found.pt")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *words], check=True, timeout=120, env=environment, capture_output=True)
    losses, grads, statistics = torch.load(tmp_path / "found.pt", weights_only=True)
    expected = gradients(2, threads=2)
    assert losses == expected[0]
    for one, other in zip(grads + statistics, expected[1] + expected[2], strict=True):
        assert torch.equal(one, other)
