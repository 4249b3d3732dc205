"""Trains one candidate in its own folder: build, check its operations against fvcore's, train, score, keep what was
made.

A finished run's folder holds `run.json` (candidate, settings, classes, scaling, scores), `weights.safetensors`,
`history.csv` and `preview.png`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import save as to_safetensors

from budgetnet import files, records, stems
from budgetnet.build import GraphModule, build
from budgetnet.classes import IGNORE
from budgetnet.count import count
from budgetnet.data.reading import Dataset
from budgetnet.errors import BudgetnetError, printable
from budgetnet.networks import Candidate
from budgetnet.pictures import comparison
from budgetnet.results import Evaluate, Result, Run, Scores, TrainingError, history_csv
from budgetnet.scenario import Scenario
from budgetnet.training import checkpoint, metrics, ranks
from budgetnet.training.finished import RECORD, WEIGHTS, Finished, load
from budgetnet.training.loop import CHECKPOINT, fit, remove_checkpoint
from budgetnet.training.machine import device, keep_memory, ran_out_of_memory
from budgetnet.training.material import Material
from budgetnet.training.objective import Teacher
from budgetnet.training.samples import Scaling, tensors
from budgetnet.training.scoring import predict
from budgetnet.training_settings import Training, completed
from budgetnet.verify import CountMismatchError, require_agreement, verify

PREVIEW = "preview.png"
PREVIEW_IMAGES = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """How to train, and at which size of images."""

    training: Training
    height: int
    width: int


def evaluator(
    scenario: Scenario, dataset: Dataset, provenance: Mapping[str, Any], *, size: tuple[int, int] | None = None
) -> Evaluate:
    """A function that trains candidates of a scenario on a data set, each in the folder of its run.

    `provenance` goes into each `run.json`. The data have the scenario's image size, or the other `size` (height, width)
    that is given. Sets the process's allocator to keep its memory. Raises BudgetnetError for a teacher that cannot be
    one.
    """
    keep_memory()
    material = Material.of(dataset)
    teacher = None if scenario.training.teacher is None else _teacher(scenario.training.teacher, material)

    asked = _Asked(
        training=scenario.training,
        height=size[0] if size else scenario.image.height,
        width=size[1] if size else scenario.image.width,
    )

    def train_and_score(candidate: Candidate, run: Run) -> Result:
        try:
            return _run(candidate, asked, material, teacher, run, provenance)
        except (CountMismatchError, BudgetnetError) as error:
            raise TrainingError(str(error)) from error
        except (MemoryError, RuntimeError, ValueError) as error:
            raise TrainingError(_reason(error, scenario.training.batch_size)) from error

    return train_and_score


def _reason(error: Exception, batch_size: int) -> str:
    """What torch's errors without a type of their own mean: a search must not end because of one candidate."""
    text = str(error)
    if ran_out_of_memory(error):
        return f"memory must hold a batch of {batch_size}, but ran out"
    if "more than 1 value per channel" in text:
        return "a batch must hold two images or more where the deepest map is one cell, but got one"
    return f"{type(error).__name__}: {text.partition(chr(10))[0]}"


def _teacher(run: str, material: Material) -> Finished:
    """The run that teaches. Raises BudgetnetError where it is none, or tells other classes apart."""
    teacher = load(Path(run))
    if teacher.classes.names != material.classes.names:
        rule = f"teacher: must tell the classes {', '.join(material.classes.names)} apart"
        raise BudgetnetError(f"{rule}, but got one of {', '.join(teacher.classes.names)}")
    return teacher


def _run(
    candidate: Candidate,
    asked: _Asked,
    material: Material,
    taught_by: Finished | None,
    run: Run,
    provenance: Mapping[str, Any],
) -> Result:
    settings, height, width = asked.training, asked.height, asked.width
    stem = None if settings.stem is None else stems.of(settings.stem, candidate)
    identity = {
        "candidate": {"network": candidate.network, "parameters": candidate.parameters},
        "training": settings.model_dump(mode="json"),
        "input": {"height": height, "width": width},
        "dataset": material.fingerprint,
        "class_names": list(material.classes.names),
        "stem": None if stem is None else {"origin": stem.origin, "sha256": stem.sha256},
        "teacher": None if taught_by is None else {"weights_sha256": taught_by.weights_digest},
    }
    finished = _finished(run, identity)
    if finished is not None:
        return finished
    if not run.replaces:
        _require_own(run.folder, identity)
    graph = candidate.graph(classes=len(material.classes), height=height, width=width)
    counted = count(graph)
    model = build(graph, seed=settings.seed).to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    verification = verify(graph, counted, model)
    require_agreement(verification)
    files.make_folder(run.folder)
    if stem is not None:
        stems.apply(stem, model)
        material = material.scaled(Scaling(mean=stem.mean, std=stem.std))
    teacher = None if taught_by is None else Teacher.of(taught_by, settings, *settings.cropped(height, width))
    history, quality = fit(model, material, settings, run, identity=json.dumps(identity), teacher=teacher)
    result = Result(
        network=candidate.network,
        parameters=candidate.parameters,
        macs=counted.total.macs,
        ops=counted.total.ops,
        params=counted.total.params,
        fvcore_macs=verification.macs.theirs,
        scores=quality,
        epochs=len(history),
        seconds=sum(row["seconds"] for row in history),
        history=tuple(history),
        made_by=dict(provenance),
    )
    if ranks.leads():
        _keep(model, material, run, result, identity)
    return result


def _finished(run: Run, identity: Mapping[str, Any]) -> Result | None:
    """The result of this very training, where its folder is complete: it was killed before it could be told."""
    try:
        record = json.loads((run.folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or _differing(record, identity):
        return None
    try:
        result = Result.from_record(record["result"])
    except (KeyError, TypeError):  # written by another version
        return None
    remove_checkpoint(run.folder)
    return result


def _differing(record: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    """What differs between the training that a finished run's record tells of and this one."""
    known = completed(record)
    return records.differing({key: known.get(key) for key in identity}, json.loads(json.dumps(identity)))


def _require_own(folder: Path, identity: Mapping[str, Any]) -> None:
    """Raises BudgetnetError where a folder holds the finished run, or the state, of another training than this."""
    where, remedy = printable(str(folder)), "choose another --output, or --restart throws it away"
    if (folder / RECORD).exists():
        record = records.read(folder / RECORD)
        differing = _differing(record, identity) if isinstance(record, dict) else []
        told = printable("; ".join(differing[:5])) or "of another version"
        raise BudgetnetError(f"{where}: must be a folder of its own, but holds another training ({told}); {remedy}")
    problem = checkpoint.problem(folder / CHECKPOINT, json.dumps(identity))
    if problem is not None:
        raise BudgetnetError(f"{where}/{CHECKPOINT}: must be the state of this training, but {problem}; {remedy}")


def _keep(model: GraphModule, material: Material, run: Run, result: Result, about: Mapping[str, Any]) -> None:
    """Leaves the run's folder complete: everything that evaluating, showing or exporting it later needs."""
    weights = to_safetensors({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    record = {
        **about,
        "result": result.record(),
        "classes": asdict(material.classes),
        "scaling": asdict(material.scaling),
        "weights_sha256": sha256(weights).hexdigest(),
        "digests": dict(material.digests),
    }
    files.write_all(
        run.folder,
        {
            WEIGHTS: weights,
            "history.csv": history_csv(result.history).encode(),
            PREVIEW: preview(model, material),
            RECORD: (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode(),
        },
    )
    remove_checkpoint(run.folder)


def guess(dataset: Dataset) -> Scores:
    """What guessing scores on the validation split: every pixel called the most frequent class of the training
    split.
    """
    train, val = tensors(dataset)
    return metrics.guess(train.labels, val.labels, dataset.classes)


def preview(model: GraphModule, material: Material) -> bytes:
    """A PNG of validation images, labels and predictions, evenly drawn from the split."""
    val = material.val
    count = min(PREVIEW_IMAGES, len(val))
    chosen = [len(val) * place // count for place in range(count)]
    predictions = predict(model, val.images[chosen], material.scaling).cpu()
    predictions[val.labels[chosen] == IGNORE] = IGNORE  # pixels that count for nothing are not shown as if they did
    return comparison(
        [val.images[index].permute(1, 2, 0).numpy() for index in chosen],
        [val.labels[index].numpy() for index in chosen],
        [prediction.byte().numpy() for prediction in predictions],
        material.classes,
    )
