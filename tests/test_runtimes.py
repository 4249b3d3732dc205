"""Every runtime file, without knowing their names: the same scores as torch gives, and the process left as it was."""

import gc
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from budgetnet.bench import runtimes
from budgetnet.bench.network import Network, untrained
from budgetnet.build import build
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate

NETWORKS = {
    "fcn": ("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_kernel": 3, "classifier_depth": 32}, (64, 96)),
    "odd sides": ("mobilenet-fcn", {"depth_multiplier": 0.25, "classifier_depth": 32}, (71, 45)),
    "light decoder": ("mobilenet-fcn", {"depth_multiplier": 0.25, "head": "light-decoder"}, (64, 96)),
    "dilated context": ("mobilenet-fcn", {"depth_multiplier": 0.25, "head": "context", "output_stride": 8}, (64, 64)),
    "smaller inside": ("mobilenet-fcn", {"depth_multiplier": 0.25, "input_scale": 0.5}, (96, 128)),
    "skips": ("skipnet-mobilenet", {}, (64, 64)),
    "unpooling": ("enet", {}, (64, 64)),
}


@cache
def network(name: str) -> Network:
    family, parameters, (height, width) = NETWORKS[name]
    graph = Candidate.of(family, parameters).graph(classes=5, height=height, width=width)
    return untrained(name, graph, seed=3)


def scores(runtime: str, name: str, *, threads: int = 1, batch: int = 2) -> np.ndarray:
    compute = runtimes.runtime(runtime).prepare(network(name), threads=threads, batch=batch)
    return compute(network(name).images(batch)).copy()


def plain(name: str) -> np.ndarray:
    """As the built module gives them, with nothing done to it."""
    chosen = network(name)
    assert chosen.graph is not None
    assert chosen.weights is not None
    model = build(chosen.graph, seed=0)
    model.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in chosen.weights.items()})
    with torch.no_grad():
        return model.eval()(torch.from_numpy(chosen.images(2))).numpy()


@pytest.mark.parametrize("runtime", runtimes.names())
@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_the_modules(runtime: str, name: str) -> None:
    if (runtime, name) == ("openvino", "unpooling"):
        with pytest.raises(BudgetnetError, match=r"unpooling: must be a model that OpenVINO takes.*MaxUnpool"):
            scores(runtime, name)
        return
    expected = plain(name)
    assert expected.std() > 1e-3, "scores that are all alike would agree whatever a runtime does"
    found = scores(runtime, name)
    assert found.shape == (2, 5, *NETWORKS[name][2])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("runtime", runtimes.names())
def test_threads_and_batches_change_no_scores(runtime: str) -> None:
    two = scores(runtime, "fcn")
    np.testing.assert_allclose(scores(runtime, "fcn", threads=2), two, rtol=1e-4, atol=1e-5)
    first = runtimes.runtime(runtime).prepare(network("fcn"), threads=1, batch=1)(network("fcn").images(2)[:1])
    np.testing.assert_allclose(first, two[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("runtime", runtimes.names())
def test_networks_that_are_ready_at_once_do_not_disturb_each_other(runtime: str) -> None:
    prepared = {
        name: runtimes.runtime(runtime).prepare(network(name), threads=1, batch=2) for name in ("fcn", "light decoder")
    }
    alone = {name: compute(network(name).images(2)).copy() for name, compute in prepared.items()}
    for _ in range(2):
        for name, compute in prepared.items():
            np.testing.assert_array_equal(compute(network(name).images(2)), alone[name])


@pytest.mark.parametrize("runtime", runtimes.names())
def test_the_process_is_left_as_it_was(runtime: str) -> None:
    def state() -> tuple[object, ...]:
        return torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled(), os.sched_getaffinity(0)

    before = state()
    scores(runtime, "fcn", threads=torch.get_num_threads() + 1)
    assert state() == before


@pytest.mark.parametrize("runtime", runtimes.names())
def test_every_runtime_says_what_it_is(runtime: str) -> None:
    chosen = runtimes.runtime(runtime)
    assert chosen.NAME
    assert chosen.version()[0].isdigit()
    assert chosen.missing() is None


def test_all_that_are_installed_are_found() -> None:
    assert runtimes.installed() == runtimes.names() == ["onnxruntime", "openvino", "torch"]


def test_an_unknown_runtime_is_refused_with_the_nearest() -> None:
    with pytest.raises(BudgetnetError, match=r"runtime must be .*'openvin'; did you mean 'openvino'\?"):
        runtimes.runtime("openvin")


def test_a_runtime_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if there were no such package
    assert runtimes.installed() == ["onnxruntime", "torch"]
    with pytest.raises(BudgetnetError) as caught:
        runtimes.runtime("openvino")
    assert str(caught.value) == ("runtime openvino: must be installed (pip install 'budgetnet[openvino]'), but is not")


def test_torch_refuses_a_file() -> None:
    model = network("fcn").onnx()
    given = Network(label="theirs", height=64, width=96, model=model, file="theirs.onnx")
    with pytest.raises(BudgetnetError, match=r"runtime torch: must be given a network that budgetnet knows.*theirs"):
        runtimes.runtime("torch").prepare(given, threads=1, batch=1)


@pytest.mark.parametrize(("runtime", "name"), [("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")])
def test_what_is_no_model_is_refused(runtime: str, name: str) -> None:
    given = Network(label="spoilt", height=64, width=96, model=b"\x08\x08no model")
    with pytest.raises(BudgetnetError, match=f"spoilt: must be a model that {name} takes"):
        runtimes.runtime(runtime).prepare(given, threads=1, batch=1)


def test_random_weights_are_the_same_for_the_same_seed() -> None:
    graph = network("fcn").graph
    assert graph is not None
    first, again, other = (untrained("fcn", graph, seed=seed).weights for seed in (3, 3, 4))
    assert first is not None
    assert again is not None
    assert other is not None
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_scores_of_random_weights_are_of_ordinary_size() -> None:
    chosen = network("light decoder")
    assert 0.01 < plain("light decoder").std() < 100
    assert chosen.weights is not None
    assert all(np.isfinite(array).all() for array in chosen.weights.values())


def test_images_are_the_same_ones_again() -> None:
    chosen = network("fcn")
    assert chosen.images(2, seed=1).shape == (2, 3, 64, 96)
    np.testing.assert_array_equal(chosen.images(2, seed=1), chosen.images(2, seed=1))
    assert not np.array_equal(chosen.images(2, seed=1), chosen.images(2, seed=2))
    inside = Network(label="bytes", height=8, width=8, model=b"", takes="uint8").images(1)
    assert (inside.dtype, inside.max() > 128) == (np.uint8, True)


INTERRUPTED = """
import gc, os, signal, sys
from budgetnet.bench import runtimes
from budgetnet.bench.network import untrained
from budgetnet.networks import Candidate

graph = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}).graph(classes=3, height=64, width=64)
network, chosen = untrained("network", graph), runtimes.runtime(sys.argv[1])
prepared = [chosen.prepare(network, threads=1, batch=1) for _ in range(2)]
for compute in prepared:
    compute(network.images(1))
told = []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
os.kill(os.getpid(), signal.SIGINT)
prepared.clear()
del compute
gc.collect()
os.kill(os.getpid(), signal.SIGINT)
print(len(told))
"""


@pytest.mark.parametrize("runtime", runtimes.names())
def test_ctrl_c_is_heard_while_networks_are_ready_and_after(runtime: str) -> None:
    """OpenVINO leaves a stack for signals behind that is gone: a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, runtime], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "2")
