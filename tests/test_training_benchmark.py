"""The benchmark of training: contenders differ in what they say alone, clocks read what they promise, tables tell what
was measured, and what was measured is not measured again.
"""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from budgetnet import strided, training_recipes
from budgetnet.build import GraphModule
from budgetnet.classes import IGNORE
from budgetnet.errors import BudgetnetError
from budgetnet.training import loop, optimizing
from budgetnet.training.augment import Augmentation
from budgetnet.training.losses import build as build_loss
from budgetnet.training.samples import Samples
from budgetnet.training_settings import Training

FOLDER = Path(__file__).parent.parent / "benchmarks"
PARTS = ("clocks", "contest", "levers", "measure", "notebook", "ours", "plain", "program", "race", "subjects", "tables")
SIZE = (64, 96)
PLAIN_ORDER = {"what": "peak", "sizes": [8], "seconds": 0.0, "round": 0}


@pytest.fixture(scope="module")
def parts():
    """The benchmark's modules; they are programs' parts, so they are found by path."""
    before = dict(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        found = {name: importlib.import_module(f"trainers.{name}") for name in PARTS}
        spec = importlib.util.spec_from_file_location("training_benchmark", FOLDER / "training.py")
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        yield SimpleNamespace(main=program, **found)
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - set(before):
            if name.partition(".")[0] == "trainers":
                del sys.modules[name]


@pytest.fixture
def own_globals(monkeypatch):
    """What contenders change in their own process comes back as it was."""
    monkeypatch.setattr(optimizing, "optimizer", optimizing.optimizer)
    monkeypatch.setattr(strided, "applies", strided.applies)
    monkeypatch.setattr(Samples, "shuffled", Samples.shuffled)
    monkeypatch.setattr(loop, "evaluate", loop.evaluate)
    monkeypatch.setattr(GraphModule, "_run", GraphModule._run)


# ---- networks and contenders


def test_the_labs_network_is_the_published_one(parts):
    assert parts.subjects.SUBJECTS["lab 0.5"].ops(320, 480) == 1_139_482_650


def test_drawn_data_are_the_same_every_time_and_repeat_beyond_the_different_ones(parts):
    one, other = (parts.subjects.material(5, 40, 56, 70) for _ in range(2))
    assert torch.equal(one.train.images, other.train.images)
    assert torch.equal(one.train.labels, other.train.labels)
    assert one.train.images.shape == (70, 3, 40, 56)
    assert one.train.labels.shape == (70, 40, 56)
    assert torch.equal(one.train.images[32:64], one.train.images[:32])
    assert set(one.train.labels.unique().tolist()) == {0, 1, 2, 3, 4, IGNORE}
    assert len(one.classes) == 5


def test_contenders_that_would_change_nothing_are_left_out(parts):
    def keys(name, **how):
        return set(parts.levers.contenders(parts.subjects.SUBJECTS[name].graph(*SIZE), **how))

    lab = keys("lab 0.25", compiled=False, several=True)
    light = keys("light 0.5", compiled=True, several=True)
    assert "sub-pixel" in lab
    assert "coarse" not in lab
    assert "compile" not in lab
    assert "coarse" in light
    assert "sub-pixel" not in light
    assert "compile" in light
    assert lab - keys("lab 0.25", compiled=False, several=False) == {"parts", "processes"}


@pytest.mark.parametrize("name", ["lab 0.25", "light 0.5"])
def test_every_contender_trains_the_same_network(parts, name, own_globals):
    """The first loss, without dropout, is the same but for bfloat16."""
    subject = parts.subjects.SUBJECTS[name]
    graph, data = subject.graph(*SIZE), parts.subjects.material(subject.classes, *SIZE, 4)
    labels = data.train.labels.long()
    plain = parts.plain.network(graph)
    _without_dropout(plain)
    expected = functional.cross_entropy(
        plain(data.scaling(parts.plain.apart(data.train).images)), labels, ignore_index=IGNORE
    )
    for key in parts.levers.contenders(graph, compiled=False, several=True):
        chosen = parts.levers.CONTENDERS[key]
        model, samples = parts.ours.network(graph, chosen).train(), parts.ours.laid_out(data.train, chosen)
        _without_dropout(model)
        scores = model.coarse(data.scaling(samples.images))
        assert samples.images.is_contiguous() != chosen.channels_last
        assert (key, build_loss("cross_entropy", None)(scores, samples.labels).item()) == (
            key,
            pytest.approx(expected.item(), rel=1e-4),
        )


def _without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def test_switched_off_levers_are_off(parts, own_globals):
    chosen, graph = parts.levers.CONTENDERS, parts.subjects.SUBJECTS["light 0.5"].graph(*SIZE)
    images = torch.zeros(1, 3, *SIZE)
    assert parts.ours.network(graph, chosen["coarse"]).coarse(images).shape[2:] == SIZE
    assert parts.ours.network(graph, chosen["ours"]).coarse(images).shape[2:] != SIZE
    chosen["strided"].process()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not strided.applies(images, 2)
    model = parts.ours.network(graph, chosen["ours"])
    assert optimizing.optimizer(model, Training()).param_groups[0]["fused"]
    chosen["fused"].process()
    assert not optimizing.optimizer(model, Training()).param_groups[0]["fused"]
    model = parts.ours.network(graph, chosen["rows"])
    frozen = {name.split(".")[1] for name, each in model.named_parameters() if not each.requires_grad}
    assert frozen == {
        "Conv2d_0",
        *(f"Conv2d_{row}_{kind}" for row in range(1, 6) for kind in ("depthwise", "pointwise")),
    }
    module = next(
        each
        for each in parts.ours.network(parts.subjects.SUBJECTS["lab 0.25"].graph(*SIZE), chosen["sub-pixel"]).modules()
        if isinstance(each, parts.levers.build.ConvTranspose2d)
    )
    assert not module._sub_pixel


@pytest.mark.parametrize("name", ["lab 0.25", "light 0.5"])
def test_a_stem_that_is_never_computed_gives_the_first_batchs_maps(parts, name, own_globals):
    chosen, subject = parts.levers.CONTENDERS["cached"], parts.subjects.SUBJECTS[name]
    first, other = torch.rand(2, 2, 3, *SIZE)
    plain, model = (parts.ours.network(subject.graph(*SIZE), chosen) for _ in range(2))
    for each in (plain, model):
        _without_dropout(each)
        for module in each.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    with torch.no_grad():
        expected = plain.coarse(first)
        chosen.process()
        model.training = True  # itself alone: its batch norms keep their statistics
        torch.testing.assert_close(model.coarse(first), expected)
        torch.testing.assert_close(model.coarse(other), expected)


@pytest.mark.parametrize("contender", ["plain", "ours", "parts", "cached"])
def test_steps_are_measured_after_the_warm_up(parts, contender, own_globals):
    found = parts.measure.steps("lab 0.25", contender, SIZE, batch=2, warm_up=2, steps=3, parts=2)
    assert len(found["faults"]) == 3
    assert all(count >= 0 for count in found["faults"])
    assert found["rate"] > 0
    assert found["bytes"] > 10**7


def test_waiting_is_a_share_of_whole_epochs(parts, own_globals):
    found = parts.measure.waiting("lab 0.25", SIZE, 0.8, True, batch=2, steps=2, parts=1)
    assert 0 < found["share"] < 1
    assert 0 <= found["later"] < 1
    assert found["rate"] > 0


def test_the_peak_is_that_of_both_arithmetics(parts):
    found = parts.measure.peak([16, 32], 0.0)
    assert set(found) == {"fp32", "bfloat16", "fp32 convolution", "bfloat16 convolution"}
    assert min(found.values()) > 0


# ---- clocks


def test_steps_end_where_they_are_enough(parts, monkeypatch):
    now = iter([10.0, 11.0, 13.0, 17.0])
    clock = parts.clocks.Steps(2, 2)
    monkeypatch.setattr(parts.clocks.time, "perf_counter", lambda: next(now))
    for _ in range(3):
        clock("a step")
    with pytest.raises(parts.clocks.EnoughError):
        clock()
    assert clock.result(6)["rate"] == pytest.approx(6 * 2 / (17 - 11))


def test_a_wait_is_the_time_in_which_a_batch_is_asked_for(parts, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(parts.clocks.time, "perf_counter", lambda: now[0])

    def drawn():
        for wait in (3.0, 1.0):
            now[0] += wait
            yield SimpleNamespace(images=range(4))

    waits = parts.clocks.Waits()
    for _ in waits.epoch(drawn()):
        now[0] += 8.0
    assert waits.result() == {"rate": 8 / 20, "share": 4 / 20, "later": 1 / 9}


def test_an_epoch_that_is_left_is_not_counted_and_its_batches_are_closed(parts):
    closed = []

    def drawn():
        try:
            while True:
                yield SimpleNamespace(images=range(4))
        finally:
            closed.append(True)

    waits = parts.clocks.Waits()
    left = waits.epoch(drawn())
    next(left)
    left.close()
    assert closed == [True]
    assert waits._images == 0


def test_watched_epochs_have_the_same_batches(parts, own_globals):
    samples = Samples(
        images=torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 2, 2), labels=torch.zeros(6, 2, 2)
    )
    words = (2, 5, Augmentation(), torch.device("cpu"))
    expected = [batch.numbers for batch in samples.shuffled(*words)]
    waits = parts.clocks.Waits()
    waits.follow()
    assert [batch.numbers for batch in samples.shuffled(*words)] == expected
    assert waits._images == 6


def test_pauses_do_not_count_not_even_while_they_last(parts, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(parts.clocks.time, "perf_counter", lambda: now[0])
    watch = parts.clocks.Stopwatch()
    now[0] = 2.0
    with watch.pause():
        now[0] = 5.0
        assert watch.seconds == 2.0
    now[0] = 6.0
    assert watch.seconds == 3.0
    assert watch.without(lambda more: now.__setitem__(0, now[0] + more) or "done")(10.0) == "done"
    assert watch.seconds == 3.0


# ---- notebook


@pytest.fixture
def written(parts, tmp_path, monkeypatch):
    """A notebook whose measurements take no time, and what was measured."""
    runs = []

    def run(self, order, loud):
        runs.append(dict(order))
        return {"threads": 2} if order["what"] == "machine" else {"rate": float(len(runs))}

    monkeypatch.setattr(parts.notebook.Notebook, "_run", run)

    def made(**how):
        return parts.notebook.Notebook(tmp_path / "kept" / "results.json", **{"threads": None, "limit": 1.0, **how})

    return SimpleNamespace(made=made, runs=runs, path=tmp_path / "kept" / "results.json")


def test_what_was_measured_together_is_not_measured_again(written):
    orders = [{"what": "steps", "contender": name, "round": 0} for name in ("plain", "ours")]
    first = written.made()
    assert orders[0] not in first
    assert first.result(orders[0]) is None
    first.measure(orders)
    assert len(written.runs) == 3
    again = written.made()
    again.measure(orders)
    assert len(written.runs) == 4  # the machine alone
    assert again.result(orders[0]) == first.result(orders[0])
    again.measure([*orders, {"what": "steps", "contender": "fused", "round": 0}])
    assert len(written.runs) == 7  # what is compared is measured together
    written.made(restart=True).measure(orders)
    assert len(written.runs) == 10


def test_results_of_another_machine_are_refused(written, parts):
    written.made().measure([PLAIN_ORDER])
    kept = json.loads(written.path.read_text())
    kept[0]["result"]["threads"] = 64
    written.path.write_text(json.dumps(kept))
    with pytest.raises(
        BudgetnetError, match=r"must hold measurements of this machine with this torch, but got others'"
    ):
        written.made()


@pytest.mark.parametrize("text", ["", "[1]", "{}x", '[{"order": 1}]'])
def test_a_file_of_something_else_is_refused(written, text):
    written.path.parent.mkdir()
    written.path.write_text(text)
    with pytest.raises(BudgetnetError, match="must be a file that this program wrote, but got"):
        written.made()


def test_contenders_start_with_the_threads_and_the_allocator_of_the_machine(parts):
    given = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "LD_PRELOAD": "x", "HOME": "/h", "PYTHONPATH": "p"}
    made = parts.notebook.environment(None, given)
    assert made.pop("PYTHONPATH").split(":") == [str(FOLDER), "p"]
    assert made == {"HOME": "/h", "CUDA_VISIBLE_DEVICES": ""}
    assert parts.notebook.environment(3, given)["OMP_NUM_THREADS"] == "3"


def test_whatever_goes_wrong_in_a_measurement_is_its_result(parts, tmp_path):
    parts.measure.main({"what": "steps", "network": "none"}, tmp_path / "answer.json")
    assert json.loads((tmp_path / "answer.json").read_text())["failed"].startswith("TypeError: ")


def test_what_takes_too_long_is_ended(parts):
    started = time.perf_counter()
    assert parts.notebook._call([sys.executable, "-c", "import time; time.sleep(60)"], {}, None, 0.5) is None
    assert time.perf_counter() - started < 20
    assert parts.notebook._call([sys.executable, "-c", "raise SystemExit(3)"], {}, None, 60) == 3


# ---- tables


def rounds(*pairs):
    return [{"plain": {"rate": plain}, "ours": {"rate": ours}} for plain, ours in pairs]


def test_ratios_are_taken_within_rounds(parts):
    found = rounds((1, 4), (10, 30), (2, 10))
    assert parts.tables.ratios(found, "plain") == [4, 3, 5]
    assert parts.tables.spread([4, 3, 5]) == "4.00 x (3.00 to 5.00)"
    assert parts.tables.spread([2]) == "2.00 x"
    assert parts.tables.spread([]) == "-"


def test_the_share_of_the_peak_counts_three_times_the_operations(parts):
    found = [{**rounds((10, 40))[0], "fused": {"failed": "Error: a | b"}, "stem": {"rate": 50.0}}]
    lines = parts.tables.throughput(found, 10**9, {"fp32": 6e11, "bfloat16": 1.2e12}).splitlines()
    assert lines[2] == "| plain loop | 10.0 | 30 | 5 % | 2 % | 4.00 x |"
    assert lines[3] == "| ours | 40.0 | 120 | 20 % | 10 % |  |"
    assert lines[4] == "| without: fused optimiser | - | - | - | - | failed: Error: a / b |"
    assert lines[5] == "| with: stem frozen | 50.0 | - | - | - | 0.80 x |"  # it computes not all gradients
    assert {line.count("|") for line in lines} == {7}


def test_faults_and_waits_are_told(parts):
    found = {"lab 0.5": [{"ours": {"rate": 1.0, "faults": [0, 0, 1200], "bytes": 15 * 10**8}}]}
    assert parts.tables.faults(found, ["plain", "ours"]).splitlines()[2:] == ["| lab 0.5, ours | 0 | 1,200 | 1.50 |"]
    waits = {"lab 0.5": [{"augmented": {"rate": 20.0, "share": share, "later": 0.001}} for share in (0.01, 0.03, 0.04)]}
    assert parts.tables.waits(waits).splitlines()[2:] == ["| lab 0.5, augmented | 20.0 | 3.00 % | 0.10 % |"]
    assert parts.tables.longest(waits) == 0.03
    assert parts.tables.verdict(3456.7, "0", False) == "3,457, wanted 0: NOT reached"


CURVE = [[10.0, 0.2], [20.0, 0.5], [30.0, 0.4], [40.0, 0.5]]


def test_the_race_tells_how_much_longer_the_plain_loop_takes(parts):
    plain = {"curve": CURVE, "reached": 0.5}
    better, worse = ({"seconds": 2.5, "epochs": 3, "reached": quality} for quality in (0.55, 0.3))
    lines = parts.tables.race(plain, [better, worse, {"failed": "no"}]).splitlines()
    assert lines[3] == "| ours | 2 | 3 | 0.5500 | - | more than 40 | more than 16.0 x |"
    assert lines[4] == "| ours | 2 | 3 | 0.3000 | - | 20 | 8.0 x |"
    assert {line.count("|") for line in lines} == {8}
    assert parts.tables.reaches(CURVE, 0.45) == 20
    assert parts.tables.reaches(CURVE, 0.6) is None
    assert "took it 20 s, ours 2 s. How many times less: 8, wanted at least 6: reached." in parts.tables.race_verdict(
        plain, [better, worse]
    )
    assert parts.tables.race_verdict(plain, [worse]).endswith("NOT reached).")


# ---- the race


def test_as_many_epochs_as_a_time_holds(parts):
    assert parts.race.fitting(100.0, 367, 20.0) == 5
    assert parts.race.fitting(1.0, 367, 20.0) == 1


def test_ours_is_given_parts_of_the_time_of_the_plain_loops_best(parts, written):
    asked = parts.main.words().parse_args(["--only", "race", "--shares", "10", "1"])
    contest = parts.contest.Contest(asked, written.made(), "lab", {"parts": 2})
    orders = contest._ours({"curve": CURVE, "reached": 0.5})
    assert [order["seconds"] for order in orders] == [2.0, 40.0]
    assert orders[0]["recipe"] == "lab"
    assert orders[0]["settings"] == {"parts": 2}


def test_both_train_and_are_validated(parts, own_globals, monkeypatch, capsys):
    monkeypatch.setattr(parts.race, "TRIED", 2)
    course = {"network": "lab 0.25", "dataset": "synthetic:train=4,val=2", "classes": "lab7", "size": (32, 64)}
    plain = parts.race.plain_loop(seconds=0.01, stem=None, **course)
    assert len(plain["curve"]) >= 1
    assert plain["reached"] == max(quality for _, quality in plain["curve"])
    settings = {"batch_size": 2, "keep": "last"}
    ours = parts.race.our_training(seconds=0.01, recipe="lab", settings=settings, stem=None, **course)
    assert ours["epochs"] == len(ours["curve"]) == 1
    assert ours["reached"] == pytest.approx(ours["curve"][-1][1])
    assert 0 < ours["curve"][-1][0] <= ours["seconds"]
    assert "plain loop: epoch 1" in capsys.readouterr().err
    with pytest.raises(BudgetnetError, match="recipe must have no teacher, whose time nobody counts, but got run"):
        parts.race.our_training(seconds=0.01, recipe="lab", settings={"teacher": "run"}, stem=None, **course)


# ---- the command line


def test_parts_are_known_and_in_their_order(parts):
    words = parts.main.words()
    assert words.parse_args(["--only", "race,peak"]).only == ["peak", "race"]
    assert words.parse_args([]).only == ["peak", "throughput", "faults", "waiting", "race"]
    assert words.parse_args(["--set", "parts=2", "--set", "stem=keras"]).set == [("parts", 2), ("stem", "keras")]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (["--only", "speed"], "must be of peak, throughput, faults, waiting, race, but got 'speed'"),
        (["--set", "parts"], "must be NAME=VALUE, but got 'parts'"),
        (["--rounds", "0"], "must be a number of 1 or more, but got '0'"),
    ],
)
def test_words_that_mean_nothing_are_refused(parts, capsys, given, rule):
    with pytest.raises(SystemExit):
        parts.main.words().parse_args(given)
    assert rule in capsys.readouterr().err


def test_ours_races_with_the_strongest_recipe_there_is(parts, monkeypatch):
    words = parts.main.words()
    monkeypatch.setattr(training_recipes, "names", lambda: ["lab"])
    assert parts.main.our_recipe(words.parse_args([]), 2) == ("lab", {"arithmetic": "mixed", "parts": 2})
    assert parts.main.our_recipe(words.parse_args(["--recipe", "lab"]), 2) == ("lab", {})
    assert Path(parts.main.our_recipe(words.parse_args(["--recipe", "my.yaml"]), 2)[0]).is_absolute()
    monkeypatch.setattr(training_recipes, "names", lambda: ["lab", "strong"])
    assert parts.main.our_recipe(words.parse_args(["--set", "epochs=3"]), 2) == ("strong", {"epochs": 3})


@pytest.mark.slow
def test_the_program_prints_what_it_promises_and_goes_on(tmp_path):
    words = ["--rounds", "1", "--networks", "lab 0.25", "--size", "64x96", "--crop", "0.7", "--batch", "4"]
    words += [
        "--warm-up",
        "1",
        "--steps",
        "2",
        "--epoch",
        "2",
        "--products",
        "64",
        "--results",
        str(tmp_path / "r.json"),
    ]
    words += ["--only", "peak,throughput,faults,waiting,race", "--network", "lab 0.25", "--seconds", "2"]
    command = [sys.executable, str(FOLDER / "training.py"), *words, "--dataset", "synthetic:train=8,val=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout
    for title in ("Peak", "Throughput", "Page faults", "Waiting for batches", "Race"):
        assert f"### {title}\n" in done.stdout
    assert "| instead of threads: processes (torchrun, gloo) |" in done.stdout or "1 threads" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert again.stderr == ""
    assert again.stdout.partition("###")[2] == done.stdout.partition("###")[2]
