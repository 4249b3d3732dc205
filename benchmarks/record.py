"""Trains every candidate of a space once for each seed and records its mean IoU after every epoch, to be replayed.

    python benchmarks/record.py --dataset camvid:FOLDER --stem FOLDER --output benchmarks/replays/camvid.json
    python benchmarks/record.py --dataset synthetic:train=96,val=48 --classes lab7 --train-share 1 --val-share 1 \
        --stem FOLDER --output benchmarks/replays/synthetic.json

Candidates over the budget are trained as well: a search that takes the budget for a soft constraint pays for them.
What is done is kept beside the output, line by line: stopped, the same command goes on. An hour on two cores each.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from budgetnet import files
from budgetnet.grid import blocks
from budgetnet.networks import Candidate
from budgetnet.plan import measure
from budgetnet.provenance import provenance
from budgetnet.scenario import Scenario, load

SPACE: Final = Path(__file__).parent / "replays" / "space.yaml"
SEEDS: Final = (0, 1, 2)
TRAINING: Final = {
    "recipe": "short",
    "epochs": 9,
    "batch_size": 8,
    "parts": 1,
    "learning_rate": 0.003,
    "loss": "cross_entropy",
    "smallest_scale": 1.0,
    "largest_scale": 1.0,
    "photometric": 0.0,
    "crop": 1.0,
    "averaging": 0.9,
}
"""Nine epochs that cost little: images are only mirrored."""
DIGITS: Final = 5


def asked_scenario(classes: str, stem: str | None) -> Scenario:
    """The space, with what it is trained on and how."""
    return load(str(SPACE)).changed(classes=classes, training={**TRAINING, "stem": stem})


def candidates(scenario: Scenario) -> list[Candidate]:
    """Every candidate of the space, in its order."""
    found = blocks(scenario.network, scenario.search_space)
    return [block.candidate(index) for block in found for index in range(len(block))]


def networks(scenario: Scenario) -> dict[str, int]:
    """Label -> which network it is. Those that are one network (`fcn16s`, `fcn` on a map of stride 16) share it."""
    size, seen, found = scenario.image, list[Any](), dict[str, int]()
    for each in candidates(scenario):
        graph = each.graph(classes=scenario.class_count, height=size.height, width=size.width)
        if graph not in seen:
            seen.append(graph)
        found[each.label] = seen.index(graph)
    return found


_WORK: dict[str, Any] = {}


def prepare(asked: Mapping[str, Any]) -> None:
    """Reads the data once in each process."""
    import torch

    from budgetnet.data import keeping
    from budgetnet.training.machine import keep_memory
    from budgetnet.training.material import Material

    keep_memory()
    torch.set_num_threads(1)
    scenario = asked_scenario(asked["classes"], asked["stem"])
    size = scenario.image
    whole = Material.of(keeping.load(asked["dataset"], classes=scenario.classes, height=size.height, width=size.width))
    material = replace(
        whole, train=whole.train.share(0, asked["train_share"]), val=whole.val.share(0, asked["val_share"])
    )
    _WORK.update(scenario=scenario, material=material)


@cache
def loaded(source: str, depth_multiplier: float) -> Any:
    """A stem: narrowing one takes as long as an epoch."""
    from budgetnet import stems

    return stems.load(source, depth_multiplier)


def train(candidate: Candidate, seed: int) -> list[dict[str, Any]]:
    """The history of one training."""
    import torch

    from budgetnet import stems
    from budgetnet.build import build
    from budgetnet.results import Run
    from budgetnet.training.loop import fit
    from budgetnet.training.samples import Scaling

    scenario, material = _WORK["scenario"], _WORK["material"]
    settings = scenario.training.model_copy(update={"seed": seed})
    size = scenario.image
    graph = candidate.graph(classes=scenario.class_count, height=size.height, width=size.width)
    model = build(graph, seed=seed).to(memory_format=torch.channels_last)
    if settings.stem is not None:
        stem = loaded(settings.stem, candidate.parameters["depth_multiplier"])
        stems.apply(stem, model)
        material = material.scaled(Scaling(mean=stem.mean, std=stem.std))
    with tempfile.TemporaryDirectory() as folder:
        history, _ = fit(model, material, settings, Run(number=0, folder=Path(folder)), identity="{}")
    return history


def record(candidate: Candidate, seed: int) -> dict[str, Any]:
    """What is kept of one training."""
    history = train(candidate, seed)
    return {
        "candidate": candidate.label,
        "seed": seed,
        "mean_iou": [round(row["mean_iou"], DIGITS) for row in history],
        "seconds": [round(row["seconds"], 3) for row in history],
    }


def done_before(path: Path) -> list[dict[str, Any]]:
    """Whole lines of an earlier call; one that a kill cut short is trained again."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def trained(asked: argparse.Namespace, scenario: Scenario) -> Iterator[dict[str, Any]]:
    """All trainings, those of an earlier call first."""
    kept = asked.output.with_suffix(".part")
    before, alike = done_before(kept), networks(scenario)
    yield from before
    known = {(alike[one["candidate"]], one["seed"]) for one in before if one["candidate"] in alike}
    first = {alike[each.label]: each for each in reversed(candidates(scenario))}
    jobs = [(each, seed) for seed in SEEDS for network, each in first.items() if (network, seed) not in known]
    random.Random(0).shuffle(jobs)  # noqa: S311  # whatever is done when it is stopped is a fair sample
    jobs.sort(key=lambda job: job[1])
    given = {name: getattr(asked, name) for name in ("dataset", "classes", "stem", "train_share", "val_share")}
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(asked.workers, context, initializer=prepare, initargs=(given,)) as pool,
        kept.open("a", encoding="utf-8") as file,
    ):
        futures = [pool.submit(record, *job) for job in jobs]
        file.write("\n")  # ends a line that a kill cut short
        for number, future in enumerate(as_completed(futures), 1):
            one = future.result()
            file.write(json.dumps(one) + "\n")
            file.flush()
            os.fsync(file.fileno())
            print(f"{number} of {len(jobs)}: {one['candidate']}, seed {one['seed']}: {one['mean_iou']}", flush=True)
            yield one


def table(asked: argparse.Namespace, scenario: Scenario, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole record: candidates with what they cost, and what each seed brought after each epoch."""
    alike = networks(scenario)
    of_network: dict[int, dict[int, dict[str, Any]]] = {}
    for run in runs:
        if run["candidate"] in alike:
            of_network.setdefault(alike[run["candidate"]], {})[run["seed"]] = run
    rows = []
    for candidate in candidates(scenario):
        planned = measure(scenario, candidate)
        of = of_network[alike[candidate.label]]
        rows.append(
            {
                "candidate": candidate.label,
                "parameters": candidate.parameters,
                "ops": planned.cost.ops,
                "macs": planned.cost.macs,
                "params": planned.cost.params,
                "fits": planned.fits,
                "images_per_second": planned.images_per_second,
                "mean_iou": [of[seed]["mean_iou"] for seed in SEEDS],
                "seconds": [sum(of[seed]["seconds"]) for seed in SEEDS],
            }
        )
    made_by = {**provenance(), "dataset": asked.dataset.partition(":")[0], "stem": "ImageNet" if asked.stem else "none"}
    made_by["command"] = "benchmarks/record.py"
    return {
        "scenario": scenario.name,
        "classes": asked.classes,
        "input": {"height": scenario.image.height, "width": scenario.image.width},
        "budget_gops": scenario.budget_gops,
        "train_share": asked.train_share,
        "val_share": asked.val_share,
        "training": scenario.training.model_dump(mode="json", exclude={"stem", "seed"}),
        "seeds": list(SEEDS),
        "made_by": made_by,
        "candidates": rows,
    }


def written(made: Mapping[str, Any]) -> bytes:
    """JSON with a candidate on each line."""
    head = {key: value for key, value in made.items() if key != "candidates"}
    lines = ",\n".join("  " + json.dumps(row) for row in made["candidates"])
    opening = json.dumps(head, indent=1)[:-2]
    return f'{opening},\n "candidates": [\n{lines}\n ]\n}}\n'.encode()


def main(asked: argparse.Namespace) -> None:
    """Trains what is not recorded yet and writes the table."""
    scenario = asked_scenario(asked.classes, asked.stem)
    files.make_folder(asked.output.parent)
    runs = list(trained(asked, scenario))
    files.write(asked.output, written(table(asked, scenario, runs)))
    print(f"Written: {asked.output}: {len(runs)} trainings")


def words() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--dataset", default="synthetic:train=192,val=64")
    made.add_argument("--classes", default="camvid-11")
    made.add_argument("--stem", help="folder or file of pre-trained stems")
    made.add_argument("--train-share", type=int, default=3, help="every so many of the training images")
    made.add_argument("--val-share", type=int, default=2, help="every so many of the validation images")
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--output", type=Path, required=True)
    return made


if __name__ == "__main__":
    sys.exit(main(words().parse_args()))
