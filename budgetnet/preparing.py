"""One preparation as the command line runs it: words -> what is to be prepared, with progress, and what came of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console

from budgetnet import datasets, recipes, units
from budgetnet.data import draw
from budgetnet.data.form import Form
from budgetnet.data.prepare import Order, prepare
from budgetnet.data.reading import Classes, class_map, require_size
from budgetnet.datasets import Source
from budgetnet.datasets.prepared import UNLABELLED, Manifest
from budgetnet.errors import BudgetnetError, printable
from budgetnet.progress import bars
from budgetnet.provenance import provenance
from budgetnet.recipes import Recipe
from budgetnet.report import Column, Report, Table, Text

DEFAULT_SIZE = (320, 480)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for; None where the recipe or the defaults decide."""

    spec: str
    recipe: str | None = None
    classes: Classes | None = None
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    seed: int | None = None


def run_prepare(asked: Asked, *, folder: Path | None, force: bool) -> tuple[Path, Report]:
    """Prepares a data set and says what came of it. Raises BudgetnetError."""
    order = _order(asked)
    place = folder or Path("prepared") / _name(asked.spec, order)
    with _resumable(), bars() as begin:
        watch = begin(f"preparing {asked.spec.partition(':')[0]}")
        origin = provenance()
        manifest = prepare(order, place, made_by=origin, force=force, progress=watch)
    return place, report(manifest, place, fresh=manifest.made_by is origin)


@contextmanager
def _resumable() -> Iterator[None]:
    """Around what may be stopped: says that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. The same command goes on from here.")
        raise


def _order(asked: Asked) -> Order:
    recipe = None if asked.recipe is None else recipes.load(asked.recipe)
    key = asked.spec.partition(":")[0]
    if recipe is None and asked.seed is not None:
        raise BudgetnetError(f"--seed must come with --recipe, which draws by it, but got {asked.seed} alone")
    if recipe is not None and recipe.dataset != key:
        raise BudgetnetError(f"recipe {asked.recipe} must be used on {recipe.dataset}, but got {key}")
    source = datasets.find(asked.spec)
    form = _form(asked, recipe)
    chosen = class_map(asked.spec, source, _classes(asked, recipe, source))
    if recipe is None:
        seed = None
        splits = draw.whole(asked.spec, source)
    else:
        seed = recipe.seed if asked.seed is None else asked.seed
        splits = draw.drawn(asked.spec, source, recipe.splits, seed)
    for split in source.splits:
        require_size(asked.spec, source, split, form)
    made_of: dict[str, Any] = {
        "dataset": asked.spec,
        "classes": chosen.classes.name,
        "class_map": chosen.key,
        "height": form.height,
        "width": form.width,
        "crop": None if form.crop is None else list(form.crop),
        "recipe": None if recipe is None else recipe.model_dump(mode="json", by_alias=True),
        "recipe_name": asked.recipe,
        "seed": seed,
    }
    return Order(source=source, splits=splits, chosen=chosen, form=form, made_of=made_of)


def _form(asked: Asked, recipe: Recipe | None) -> Form:
    size, crop = asked.size, asked.crop
    if recipe is not None:
        size = size or (recipe.input.height, recipe.input.width)
        crop = crop or (None if recipe.crop is None else (recipe.crop.height, recipe.crop.width))
    height, width = size or DEFAULT_SIZE
    return Form(height=height, width=width, crop=crop)


def _classes(asked: Asked, recipe: Recipe | None, source: Source) -> Classes:
    """The list asked for, else the recipe's, else the only one there is."""
    if asked.classes is not None:
        return asked.classes
    if recipe is not None:
        return recipe.classes
    offered = [found.classes.name for found in source.class_maps]
    if len(offered) == 1:
        return offered[0]
    raise BudgetnetError(f"--classes must name one of {', '.join(offered)}, but got none")


def _name(spec: str, order: Order) -> str:
    key = spec.partition(":")[0]
    classes = order.chosen.classes.name.removeprefix(f"{key}-")
    return f"{key}-{classes}-{order.form.height}x{order.form.width}"


def report(manifest: Manifest, folder: Path, *, fresh: bool = True) -> Report:
    """What a prepared folder holds, for people and for machines. Where it is not `fresh` it was there, and whole."""
    images = sum(len(part.names) for part in manifest.splits.values())
    size = images * manifest.height * manifest.width * 4
    where = printable(str(folder))
    said = ("" if fresh else "Nothing to do: it is there, and whole. ") + (
        f"{units.counted(images, 'image', 'images')} of {manifest.height} x {manifest.width} in "
        f"{len(manifest.classes)} classes, {size / 1e6:,.1f} MB, in {where}. "
        f"Use it with --dataset prepared:{where} (or `dataset:` in a scenario)."
    )
    rows = [_row(split, manifest) for split in manifest.splits]
    tables = [_split_table(manifest, rows), _share_table(manifest)]
    record = {"folder": str(folder), "images": images, "bytes": size, "splits": rows}
    return Report(
        key="prepared", title=f"Prepared: {where}", blocks=[Text(text=said), *tables], tables=tables, record=record
    )


def _row(split: str, manifest: Manifest) -> dict[str, Any]:
    part = manifest.splits[split]
    groups = {group for group in part.groups if group}
    return {"split": split, "images": len(part.names), "groups": len(groups) or None, "sha256": part.digest}


def _split_table(manifest: Manifest, rows: list[dict[str, Any]]) -> Table:
    columns = [
        Column(key="split", heading="split", right=False),
        Column(key="images", heading="images"),
        Column(key="groups", heading="groups"),
        Column(key="sha256", heading="SHA-256", right=False, show=lambda value: f"{value[:16]}..."),
    ]
    return Table(key="splits", title="Splits", columns=columns, rows=rows)


def _share_table(manifest: Manifest) -> Table:
    """The share of each class in the pixels of each split."""
    splits = manifest.splits
    columns = [Column(key="class", heading="share of pixels", right=False)]
    columns += [Column(key=split, heading=f"{split} (%)", show=_percent) for split in splits]
    shares: Mapping[str, Mapping[str, float]] = {
        split: {name: count / max(sum(part.pixels.values()), 1) for name, count in part.pixels.items()}
        for split, part in splits.items()
    }
    rows = [
        {"class": name, **{split: shares[split][name] for split in splits}}
        for name in [*(manifest.classes.names[index] for index in manifest.classes.scored), UNLABELLED]
    ]
    return Table(key="shares", title="Classes", columns=columns, rows=rows)


def _percent(share: float) -> str:
    return units.percent(share, 2)
