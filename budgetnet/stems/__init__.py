"""Pre-trained stems: the weights of a MobileNet v1 for our graph, from a file, a folder or an address.

    stem = stems.load("weights/", depth_multiplier=0.35)
    stems.apply(stem, model)

A depth multiplier without a file of its own begins with the next wider one's most important channels. `stems.of` finds
what goes with a candidate, whatever network it is: FCN on VGG-16 takes torchvision's weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor, nn

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.networks import Candidate
from budgetnet.stems import hdf5, layout, narrow, sources, tensors, vgg
from budgetnet.stems.weights import MOST_BYTES, Triple, Weights

__all__ = ["PretrainedStem", "apply", "load", "of", "save"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PretrainedStem:
    """The weights of a network's stem, by the names of a built module's `state_dict`. `prefixes` are how the names
    begin of all that it has (and a VGG-16 its fc6 and fc7), `kind` what it is called.

    `mean` and `std` are the scaling of images that they go with: (x / 255 - mean) / std per channel. `depth_multiplier`
    is theirs, `narrowed_from` that of the file where it is wider. `origin` is the file's name, `sha256` its digest;
    `passed_over` names files of the same folder that differ by resolution alone.
    """

    state: Mapping[str, Tensor]
    mean: Triple
    std: Triple
    depth_multiplier: float
    origin: str
    sha256: str
    narrowed_from: float | None
    passed_over: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = (layout.PREFIX,)
    kind: str = "a stem of MobileNet v1"

    @property
    def story(self) -> str:
        """Where the weights come from, on one line."""
        told = printable(self.origin)
        if self.narrowed_from is not None:
            told += f", narrowed from depth multiplier {self.narrowed_from:.4g} to {self.depth_multiplier:.4g}"
        if self.passed_over:
            told += f" (largest resolution; also there: {', '.join(map(printable, self.passed_over))})"
        return told


ON_MOBILENET: Final = ("mobilenet-fcn", "skipnet-mobilenet")
ON_VGG: Final = ("vgg-fcn",)
"""Networks for which there are pre-trained weights."""


def of(source: str, candidate: Candidate) -> PretrainedStem:
    """The stem that a candidate begins with. Raises BudgetnetError as `load` does, and where there is none for its
    network.
    """
    given = candidate.parameters
    width = given.get("depth_multiplier")
    if candidate.network in ON_MOBILENET and isinstance(width, float):
        return load(source, width)
    if candidate.network not in ON_VGG:
        rule = f"must be for a network that has pre-trained weights, {', '.join((*ON_MOBILENET, *ON_VGG))}"
        raise BudgetnetError(f"{rule}, but got {candidate.network}")
    if width != 1:
        raise BudgetnetError(f"VGG-16's weights must be for depth multiplier 1, but got {width:g}")
    path = Path(source).expanduser()
    if not path.is_file():
        raise BudgetnetError(f"weights must be a file of VGG-16's, but got {shorten(source)}, which is none")
    return PretrainedStem(
        state=vgg.read(path, classifier=given["form"] == "published"),
        mean=vgg.MEAN,
        std=vgg.STD,
        depth_multiplier=1.0,
        origin=path.name,
        sha256=vgg.digest(path),
        narrowed_from=None,
        prefixes=vgg.PREFIXES,
        kind="VGG-16's layers",
    )


def load(source: str, depth_multiplier: float) -> PretrainedStem:
    """The stem of a depth multiplier. `source` is the path of an HDF5 file in Keras' layout or of a safetensors file;
    a folder of such, named by their depth multipliers; `https://...#sha256=...`, fetched once; or `keras`.

    Raises BudgetnetError that names the file and what is wrong with it, or that all there is is narrower.
    """
    asked = layout.sizes(depth_multiplier)
    found = sources.find(source, depth_multiplier)
    where = printable(str(found.path))
    content = _content(found.path, where)
    digest = sha256(content).hexdigest()
    if found.sha256 not in (None, digest):
        raise BudgetnetError(f"{where}: must have SHA-256 {found.sha256}, but got {digest}")
    weights = _read(content, where, found.path)
    own = layout.sizes(weights.depth_multiplier)
    promised = found.depth_multiplier
    if promised is not None and layout.sizes(promised) != own:
        told = f"must hold depth multiplier {promised:g}, as its name says, but got {weights.depth_multiplier:.4g}"
        raise BudgetnetError(f"{where}: {told}")
    if any(size[0] > own[name][0] for name, size in asked.items()):
        told = f"must be of depth multiplier {depth_multiplier:g} or more, since stems are narrowed, not widened"
        raise BudgetnetError(f"{where}: {told}, but got {weights.depth_multiplier:.4g}")
    same = asked == own
    state = weights.state if same else narrow.narrow(weights.state, weights.depth_multiplier, depth_multiplier)
    return PretrainedStem(
        state=state,
        mean=weights.mean,
        std=weights.std,
        depth_multiplier=depth_multiplier,
        origin=found.path.name,
        sha256=digest,
        narrowed_from=None if same else weights.depth_multiplier,
        passed_over=found.passed_over,
    )


def apply(stem: PretrainedStem, model: nn.Module) -> int:
    """Copies the stem's tensors into a built model in place, on whatever device and in whatever memory format it is;
    how many. The model may end at an earlier row: then the later ones are left out.

    Raises BudgetnetError, before anything is copied, where the model has none of the stem's tensors, one that the stem
    does not have, or one of another size.
    """
    where = printable(stem.origin)
    own = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(stem.prefixes) and not name.endswith(".num_batches_tracked")
    }
    if not own:
        raise BudgetnetError(f"the network must have {stem.kind} for {where}, but has none")
    for name, tensor in own.items():
        if name not in stem.state:
            raise BudgetnetError(f"{where}: must hold {name}, which the network has, but does not")
        held = tuple(stem.state[name].shape)
        if held != tuple(tensor.shape):
            told = f"must be of size {tuple(tensor.shape)}, as in the network, but got {held}"
            raise BudgetnetError(f"{where}: {name}: {told}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stem.state[name])
    return len(own)


def save(stem: PretrainedStem, path: Path) -> Path:
    """Writes the stem as safetensors with its scaling, for `load` to read. Raises BudgetnetError."""
    weights = Weights(state=stem.state, depth_multiplier=stem.depth_multiplier, mean=stem.mean, std=stem.std)
    return files.write(path, tensors.write(weights))


def _content(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise BudgetnetError(f"{where}: must be at most {MOST_BYTES:,} bytes, but is larger")
    return content


def _read(content: bytes, where: str, path: Path) -> Weights:
    """By what the file holds, not by what it is called."""
    if content.startswith(hdf5.SIGNATURE):
        return hdf5.read(content, where)
    if tensors.looks_like_it(content):
        return tensors.read(content, where, path)
    told = "must be an HDF5 file in Keras' layout or a safetensors file, but begins with"
    raise BudgetnetError(f"{where}: {told} {shorten(content[:8])}")
