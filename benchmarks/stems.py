"""What a pre-trained stem buys: mean IoU per epoch of one network from several starts, all else equal.

    python benchmarks/stems.py --dataset camvid:FOLDER --stems FOLDER [--depth-multiplier 0.5] [--epochs 5] [--seeds 2]

The starts are Xavier; the next wider stem of the folder, narrowed; the folder's own stem of that depth multiplier,
where it has one; and the same again, frozen: neither its weights nor its statistics move. Each sees the same batches in
the same order, scaled alike, in a plain loop (AdamW, one cycle, cross-entropy). A row is an epoch; several seeds give
the mean, and half the range between them. The last row is seconds per epoch, without validation.
"""

import argparse
import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from budgetnet import stems
from budgetnet.build import build
from budgetnet.classes import IGNORE, ClassList
from budgetnet.data import keeping
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.stems import PretrainedStem
from budgetnet.stems.sources import SUFFIXES, named_file
from budgetnet.training.machine import device, keep_memory
from budgetnet.training.metrics import Tally, scores
from budgetnet.training.samples import Samples, tensors

XAVIER = "Xavier"
OWN = "its own file"
FROZEN = f"{OWN}, frozen"


def starts(folder: Path, depth_multiplier: float) -> dict[str, PretrainedStem | None]:
    """Title -> stem, or None for Xavier. Raises BudgetnetError where the folder has neither a wider one nor its own."""
    found = [named for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and (named := named_file(path))]
    wider = [named for named in found if named.depth_multiplier > depth_multiplier]
    made: dict[str, PretrainedStem | None] = {XAVIER: None}
    if wider:
        nearest = min(wider, key=lambda named: (named.depth_multiplier, -named.resolution))
        made[f"narrowed from {nearest.depth_multiplier:g}"] = stems.load(str(nearest.path), depth_multiplier)
    if any(named.depth_multiplier == depth_multiplier for named in found):
        made[OWN] = made[FROZEN] = stems.load(str(folder), depth_multiplier)
    if len(made) == 1:
        raise BudgetnetError(f"{folder}: must hold a stem of depth multiplier {depth_multiplier:g} or wider")
    return made


class Course:
    """One training after the other on the same data."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.height, self.width = map(int, asked.size.split("x"))
        data = keeping.load(asked.dataset, classes=asked.classes, height=self.height, width=self.width)
        self.classes: ClassList = data.classes
        train, self.val = tensors(data)
        self.train = Samples(images=train.images[: asked.images], labels=train.labels[: asked.images])
        self.candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": asked.depth_multiplier, "head": asked.head})

    def run(self, stem: PretrainedStem | None, seed: int, *, frozen: bool) -> tuple[list[float], float]:
        """Mean IoU on the validation split after each epoch, and the seconds of one."""
        graph = self.candidate.graph(classes=len(self.classes), height=self.height, width=self.width)
        model = build(graph, seed=seed).to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        if stem is not None:
            stems.apply(stem, model)
        for parameter in model.part_parameters("stem"):
            parameter.requires_grad_(not frozen)
        optimizer = torch.optim.AdamW(
            [each for each in model.parameters() if each.requires_grad], lr=self.asked.rate, weight_decay=1e-2
        )
        batches = math.ceil(len(self.train) / self.asked.batch)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.asked.rate, epochs=self.asked.epochs, steps_per_epoch=batches
        )
        torch.manual_seed(seed)  # of dropout
        order = torch.Generator().manual_seed(seed)
        reached, seconds = [], 0.0
        for _ in range(self.asked.epochs):
            started = time.perf_counter()
            model.train()
            if frozen:
                for module in model.part_modules("stem"):
                    module.eval()
            for chosen in torch.randperm(len(self.train), generator=order).tensor_split(batches):
                loss = self.loss(model, self.train.images[chosen], self.train.labels[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                cycle.step()
            seconds += time.perf_counter() - started
            reached.append(self.mean_iou(model))
        return reached, seconds / self.asked.epochs

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the pixels that have a label."""
        found = model(scaled(images))
        return functional.cross_entropy(found.float(), labels.to(device()).long(), ignore_index=IGNORE)

    @torch.no_grad()
    def mean_iou(self, model: nn.Module) -> float:
        """On the validation split."""
        model.eval()
        counted = Tally(len(self.classes), device())
        for images, labels in zip(self.val.images.split(8), self.val.labels.split(8), strict=True):
            counted.add(labels, model(scaled(images)).argmax(dim=1))
        return scores(counted.confusion, self.classes).mean_iou


def scaled(images: Tensor) -> Tensor:
    """-1 to 1, as the stems want it; Xavier does not mind."""
    return images.to(device()).contiguous(memory_format=torch.channels_last).float() / 127.5 - 1


def table(reached: Mapping[str, list[list[float]]], seconds: Mapping[str, list[float]], epochs: int) -> None:
    """Mean over the seeds, and half the range where there are several; at last the quickest seed's seconds an epoch."""
    print("| epoch | " + " | ".join(reached) + " |\n|" + "---|" * (len(reached) + 1))
    for epoch in range(epochs):
        row = [[run[epoch] for run in runs] for runs in reached.values()]
        told = [
            f"{sum(each) / len(each):.3f}" + (f" ± {(max(each) - min(each)) / 2:.3f}" if len(each) > 1 else "")
            for each in row
        ]
        print(f"| {epoch + 1} | " + " | ".join(told) + " |")
    print("| seconds an epoch | " + " | ".join(f"{min(each):.1f}" for each in seconds.values()) + " |")


def main(asked: argparse.Namespace) -> None:
    made, course = starts(Path(asked.stems), asked.depth_multiplier), Course(asked)
    print(
        f"{course.candidate.label}, {asked.dataset}, {len(course.train)} images of {asked.size}, batches of "
        f"{asked.batch}, {torch.get_num_threads()} threads, {device()}"
    )
    for title, stem in made.items():
        print(f"{title}: {stem.story if stem else 'no weights'}")
    reached: dict[str, list[list[float]]] = {title: [] for title in made}
    seconds: dict[str, list[float]] = {title: [] for title in made}
    started = time.perf_counter()
    for seed in range(asked.seeds):
        for title, stem in made.items():
            curve, spent = course.run(stem, seed, frozen=title == FROZEN)
            reached[title].append(curve)
            seconds[title].append(spent)
            print(
                f"{title}, seed {seed}, {time.perf_counter() - started:.0f} s: {reached[title][-1][-1]:.3f}", flush=True
            )
    table(reached, seconds, asked.epochs)


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--dataset", required=True)
    words.add_argument("--stems", required=True)
    words.add_argument("--classes", default="camvid-11")
    words.add_argument("--size", default="320x480")
    words.add_argument("--depth-multiplier", type=float, default=0.5)
    words.add_argument("--head", default="fcn")
    words.add_argument("--epochs", type=int, default=5)
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--batch", type=int, default=8)
    words.add_argument("--rate", type=float, default=0.004)
    words.add_argument("--images", type=int, default=None, help="the first so many of the training split")
    keep_memory()
    main(words.parse_args())
