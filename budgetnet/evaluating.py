"""One evaluation as the command line runs it: run, data, network and counting put together, reports written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch

from budgetnet import files, formats
from budgetnet.classes import ClassList
from budgetnet.data.form import Form
from budgetnet.data.keeping import Keep, load_kept
from budgetnet.data.names import own_name
from budgetnet.data.reading import Split
from budgetnet.errors import BudgetnetError
from budgetnet.evaluation import report as evaluation_report
from budgetnet.evaluation.pictures import Shown, confusion_png, examples_png
from budgetnet.evaluation.record import Evaluation, Kinship
from budgetnet.progress import Watch, bars
from budgetnet.provenance import provenance
from budgetnet.report import Report
from budgetnet.training.finished import Finished, load
from budgetnet.training.machine import deterministic, keep_memory, ran_out_of_memory
from budgetnet.training.run_data import find
from budgetnet.training.samples import Samples, Scaling
from budgetnet.training.scoring import predict, tally
from budgetnet.training.timing import timing

FORMATS = ("markdown", "json", "csv")
"""In which reports are written."""

PICTURES: Final = (evaluation_report.CONFUSION, evaluation_report.BEST, evaluation_report.WORST)
"""What an evaluation may write besides. Those that this one does not write are removed: they would be taken for its."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, and what was written."""

    shown: Report
    written: Sequence[Path]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """Images and labels as they are handed to the network: their spec, which split, and how the run knows them."""

    spec: str
    name: str
    split: Split
    classes: ClassList
    kinship: Kinship


def run_evaluation(
    folder: Path,
    *,
    spec: str | None = None,
    split: str = "val",
    batch_size: int | None = None,
    images: int = 3,
    memory_limit: float | None = None,
    output: Path | None = None,
    write: bool = True,
) -> Outcome:
    """Scores a finished run's network on a split of the data set `spec` (by default the run's own) and times it.

    Writes its report into `output` unless `write` is off; see `default_folder`. `images` is how many of the worst and
    the best images are shown, `batch_size` by default that of the training, `memory_limit` how many 10^9 bytes the
    split may take of memory (by default half of what is free): a larger one is mapped from files, which lie where the
    report goes (or with other temporary files, where there is none) until the end. Raises BudgetnetError.
    """
    run = load(folder)
    model = run.model()  # what is wrong with it is told before minutes of reading
    keep_memory()
    with files.scratch((output or folder) if write else None) as room:
        keep = Keep(limit=None if memory_limit is None else int(memory_limit * 1e9), folder=room / "data")
        with bars() as progress:
            data = _read(run, spec, split, keep, progress("reading"))
            found = _evaluate(run, model, data, batch_size or run.batch_size, progress)
        made = evaluation_report.report(found, shown=images)
        drawn = _pictures(found, data, run.scaling, model, images) if write else {}
    target = output or default_folder(run, data.spec, split, data.split.digest)
    written = _write(target, made, drawn) if write else []
    return Outcome(shown=evaluation_report.for_screen(made), written=written)


def default_folder(run: Finished, spec: str, split: str, digest: str) -> Path:
    """`evaluation-<split>` in the run's folder; with the data set's name behind it where it is not the run's own split
    of that name, by what it is called nor by what is in it.
    """
    own = spec == run.source or digest == run.digests.get(split)
    return run.folder / (f"evaluation-{split}" if own else f"evaluation-{split}-{own_name(spec)}")


def _evaluate(
    run: Finished, model: torch.nn.Module, data: _Data, batch_size: int, begin: Callable[[str], Watch]
) -> Evaluation:
    """One pass that counts, then the time of single images."""
    samples = Samples.of(data.split)
    total, watch = len(samples), begin("evaluating")
    with _enough_memory(batch_size):
        counted = tally(model, samples, run.scaling, len(data.classes), batch_size, lambda done: watch(done, total))
        begin("timing")
        time_per_image = timing(model, samples, run.scaling)
    return Evaluation(
        classes=data.classes,
        names=data.split.names,
        confusion=counted.confusion.numpy(),
        per_image=counted.marginals.numpy(),
        timing=time_per_image,
        split=data.name,
        kinship=data.kinship,
        recorded=run.result.scores.mean_iou,
        run=_about_run(run),
        data=_about_data(data, run),
        settings={"batch_size": batch_size},
        made_by=provenance(),
    )


def _read(run: Finished, spec: str | None, split: str, keep: Keep, progress: Callable[[int, int], None]) -> _Data:
    asked, source, chosen = find(run, spec)
    form = Form(height=run.height, width=run.width)
    read = load_kept(asked, source, (split,), chosen, form, keep, progress)[split]
    return _Data(
        spec=asked, name=split, split=read, classes=chosen.classes, kinship=_kinship(run, asked, split, read.digest)
    )


def _kinship(run: Finished, spec: str, split: str, digest: str) -> Kinship:
    if not run.digests:
        return "unknown"
    if digest == run.digests.get("train"):
        return "trained"
    if digest == run.digests.get("val"):
        return "scored"
    return "changed" if spec == run.source and split in run.digests else "other"


@contextmanager
def _enough_memory(batch_size: int) -> Iterator[None]:
    """Says which setting to change where memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise BudgetnetError(f"--batch-size must fit in memory, but {batch_size} images do not") from None


def _pictures(found: Evaluation, data: _Data, scaling: Scaling, model: torch.nn.Module, count: int) -> dict[str, bytes]:
    """The pictures of the report, by file name: predictions are made again, for they are not kept."""
    title = f"{len(found.names):,} images of split {found.split}: share of each class, in percent"
    made = {evaluation_report.CONFUSION: confusion_png(found.confusion, found.classes, title)}
    worst, best = evaluation_report.extremes(found, count)
    samples = Samples.of(data.split)
    for name, places in ((evaluation_report.WORST, worst), (evaluation_report.BEST, best)):
        shown = []
        for place in places:
            with deterministic(0):
                (answer,) = predict(model, samples.images[place : place + 1], scaling).cpu().byte().numpy()
            shown.append(
                Shown(
                    image=data.split.images[place],
                    labels=data.split.labels[place],
                    predictions=answer,
                    caption=evaluation_report.caption(found.images[place]),
                )
            )
        if shown:
            made[name] = examples_png(shown, found.classes)
    return made


def _write(folder: Path, made: Report, pictures: Mapping[str, bytes]) -> list[Path]:
    written = files.write_all(folder, {**pictures, **formats.files(made, *FORMATS)})
    for name in PICTURES:
        if name not in pictures:
            files.remove(folder / name)
    return written


def _about_run(run: Finished) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "network": run.candidate.network,
        "candidate": run.candidate.label,
        "ops": run.result.ops,
        "params": run.result.params,
        "weights_sha256": run.weights_digest,
        "trained_on": run.source,
        "trained_on_fingerprint": run.dataset,
        "trained_epochs": run.result.epochs,
        "trained_by_commit": str(run.result.made_by.get("commit", "")),
    }


def _about_data(data: _Data, run: Finished) -> dict[str, Any]:
    return {
        "dataset": data.spec,
        "split": data.name,
        "images": len(data.split),
        "height": run.height,
        "width": run.width,
        "digest": data.split.digest,
        "digest_of_the_run": run.digests.get(data.name, ""),
        "classes": data.classes.name,
        "void": None if data.classes.void is None else data.classes.names[data.classes.void],
    }
