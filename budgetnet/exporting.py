"""One export as the command line runs it: run, data and models put together; verified, scored, written."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import torch
from numpy.typing import NDArray
from onnx import ModelProto

from budgetnet import export_data, export_facts, export_fit, files, formats
from budgetnet.data.form import Form as Size
from budgetnet.data.keeping import Keep
from budgetnet.datasets import Sample
from budgetnet.deploy import report as export_report
from budgetnet.deploy import trtexec
from budgetnet.deploy.card import CARD, FILES, Export, Model, content
from budgetnet.deploy.emit import emit, named
from budgetnet.deploy.opening import interface, open_content
from budgetnet.deploy.quantising import IMAGES_USED, quantise, quantised_share
from budgetnet.deploy.running import Deployed, Pixels, at_once, spread
from budgetnet.deploy.verifying import require, require_finite, samples, verify
from budgetnet.deploy.writer import Form, fix_batch
from budgetnet.ops import MaxUnpool2d
from budgetnet.progress import Watch, bars
from budgetnet.report import Report
from budgetnet.training.finished import Finished, load
from budgetnet.training.machine import keep_memory
from budgetnet.units import PRECISIONS, Precision

FORMATS: Final = ("markdown", "csv")
"""In which the report is written; for JSON there is the card."""

WRITTEN: Final = (*FILES.values(), "export-classes.csv")
"""What an export may write besides. Those that this one does not write are removed: they would be taken for its."""

VERIFIED: Final = 4
"""Images of the data that models are held against torch on, fewer where they are large; random ones come on top."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. With `scaling` models take uint8 images and scale them, with `argmax` they give classes, with
    `sub_pixel` transposed convolutions are in their sub-pixel form.

    `size` (height, width) is by default that of the training, `batch` free, `folder` RUN/export. `spec` names the data
    set for calibration and scores, by default the run's own; `memory_limit` is in 10^9 bytes.
    """

    run: Path
    precisions: Sequence[Precision] = ("fp32",)
    scaling: bool = False
    argmax: bool = False
    sub_pixel: bool = False
    size: tuple[int, int] | None = None
    batch: int | None = None
    spec: str | None = None
    calibration_images: int = IMAGES_USED
    scenario: str | None = None
    platform: str | None = None
    folder: Path | None = None
    memory_limit: float | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, what to type on the target for each model that TensorRT reads, and what was written."""

    shown: Report
    commands: Sequence[str]
    written: Sequence[Path]


class InterruptedExportError(Exception):
    """The user has stopped an export; the message says what is there."""


def run_export(request: Request) -> Outcome:
    """Makes the models, holds them against torch, scores them, writes them with card and report.

    Raises BudgetnetError, without anything written; InterruptedExportError after Ctrl-C.
    """
    try:
        run = load(request.run)
        folder = request.folder or run.folder / "export"
        size = request.size or (run.height, run.width)
        fit = export_fit.judged(run.candidate, len(run.classes), size, request.scenario, request.platform)
        keep_memory()
        with files.scratch(folder) as room:
            with bars() as begin:
                made = _Export(request, run, room, begin, fit).made()
            report = export_report.report(made)
            contents = {each.file: each.content for each in made.models}
            contents |= {**formats.files(report, *FORMATS), CARD: content(made)}
            written = files.write_all(folder, contents)
            for name in WRITTEN:
                if name not in contents:
                    files.remove(folder / name)
    except KeyboardInterrupt:
        raise InterruptedExportError("Interrupted: nothing is written. The same command begins anew.") from None
    commands = [each.command for each in made.models if each.command]
    return Outcome(shown=export_report.for_screen(made), commands=commands, written=written)


@final
class _Export:
    """An export under way: what all of its models share."""

    def __init__(
        self, request: Request, run: Finished, room: Path, begin: Callable[[str], Watch], fit: dict[str, Any]
    ) -> None:
        height, width = request.size or (run.height, run.width)
        size = Size(height=height, width=width)
        self._request, self._run, self._room, self._begin, self._fit = request, run, room, begin, fit
        self._torch = run.model(height, width).cpu()  # what is wrong with it is told before minutes of reading
        self._graph = run.candidate.graph(classes=len(run.classes), height=height, width=width)
        scaling = (run.scaling.mean, run.scaling.std) if request.scaling else None
        self._form = Form(scaling=scaling, argmax=request.argmax, batch=request.batch, sub_pixel=request.sub_pixel)
        self._data = export_data.found(run, request.spec, size, needed="int8" in request.precisions)
        self._calibration: Sequence[Sample] = ()
        if self._data is not None and "int8" in request.precisions:
            self._calibration = self._data.calibration(request.calibration_images)
        limit = None if request.memory_limit is None else int(request.memory_limit * 1e9)
        keep = Keep(limit=limit, folder=room / "data")
        self._split = None if self._data is None else self._data.scored(keep, begin("reading"))
        images = None if self._split is None else self._split.images
        places = spread(0 if images is None else len(images), min(VERIFIED, at_once(height, width)))
        self._checked = samples(images, places, height, width)

    def made(self) -> Export:
        """All models that are asked for; an fp32 one is always made, as the others are compared with it."""
        run = self._run
        wanted = [each for each in PRECISIONS if each == "fp32" or each in self._request.precisions]
        models = {precision: self._model(precision) for precision in wanted}
        known = models["fp32"].interface
        about = {}
        if self._data is not None and self._split is not None:
            about = export_data.about(self._data, self._split, run)
        return Export(
            models=[models[precision] for precision in wanted if precision in self._request.precisions],
            base=models["fp32"].scores,
            recorded=run.result.scores.mean_iou,
            recorded_at=(run.height, run.width),
            classes=run.classes.names,
            network=export_facts.network(run, self._graph),
            form=export_facts.form(run, known, scaling=self._request.scaling, sub_pixel=self._request.sub_pixel),
            data=about,
            calibration=[sample.name for sample in self._calibration],
            fit=self._fit,
            made_by=export_facts.made_by(),
        )

    def _model(self, precision: Precision) -> Model:
        """One model, held against torch and scored. Raises BudgetnetError where it does not compute what it should."""
        proto, file = self._emitted(precision), FILES[precision]
        obstacles = trtexec.obstacles(proto)
        facts = export_facts.metadata(self._run, precision, scaling=self._request.scaling)
        made = named(proto, facts)
        session = open_content(made, file)
        known = interface(session, file)
        model = Deployed(session=session, interface=known, prepare=self._prepare)
        found = verify(model, self._reference, self._checked)
        require_finite(found, file)
        if precision == "fp32":
            require(found, file, unpools=any(isinstance(node.op, MaxUnpool2d) for node in self._graph.nodes))
        watch = self._begin(f"scoring {precision}")
        runs = not obstacles and self._fit.get("platform", {}).get("tensorrt", True)
        return Model(
            precision=precision,
            content=made,
            interface=known,
            agreement=found,
            scores=None if self._split is None else export_data.score(model, self._split, self._run, watch),
            command=trtexec.command(file, precision, known) if runs else "",
            unknown=obstacles,
            int8=quantised_share(proto),
        )

    def _emitted(self, precision: Precision) -> ModelProto:
        weights = {name: tensor.numpy() for name, tensor in self._run.weights.items()}
        if precision != "int8":
            return emit(self._graph, weights, replace(self._form, precision=precision))
        assert self._data is not None, "int8 needs images"
        data, plain = self._data, emit(self._graph, weights, replace(self._form, batch=None))

        def images() -> Iterator[Pixels]:
            return data.stream(self._calibration, self._begin("calibrating"))

        made = quantise(plain, images, self._prepare, self._room)
        return made if self._form.batch is None else fix_batch(made, self._form.batch)

    def _prepare(self, images: Pixels) -> NDArray[Any]:
        """Uint8 images (n, 3, height, width) as the models take them."""
        return images if self._request.scaling else self._scaled(images).numpy()

    def _reference(self, images: Pixels) -> NDArray[Any]:
        with torch.inference_mode():
            found: NDArray[Any] = self._torch(self._scaled(images)).numpy()
        return found

    def _scaled(self, images: Pixels) -> torch.Tensor:
        return self._run.scaling(torch.from_numpy(images))
