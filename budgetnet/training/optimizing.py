"""Steps of the weights: the optimisers by name, what they are told of stem and head, and a moving average."""

import copy
from collections.abc import Iterable

import torch
from torch import nn

from budgetnet.build import GraphModule
from budgetnet.training_settings import Training

_MOMENTUM = 0.9
_BETAS = (0.9, 0.999)

_RATE = "rate"
"""Key of a parameter group's factor on the learning rate."""


def optimizer(model: GraphModule, settings: Training) -> torch.optim.Optimizer:
    """The optimiser that `settings` names, over all weights that are to move.

    Weight decay is L2 on all weights with adam (that is the published recipe), and else decoupled (Loshchilov and
    Hutter, arXiv:1711.05101) and for kernels only: shrinking a batch norm or a bias buys nothing.
    """
    stem = {id(parameter) for parameter in model.part_parameters("stem")}
    groups = []
    for of_stem, rate in ((True, settings.stem_rate), (False, 1.0)):
        moving = [each for each in model.parameters() if (id(each) in stem) == of_stem and each.requires_grad]
        kernels = [each for each in moving if each.ndim > 1]
        others = [each for each in moving if each.ndim <= 1]
        if settings.steps_decay:
            groups += [(kernels, rate, settings.weight_decay), (others, rate, 0.0)]
        else:
            groups.append((moving, rate, settings.weight_decay))
    made = [{"params": each, _RATE: rate, "weight_decay": decay} for each, rate, decay in groups if each]
    if settings.optimizer == "adam":
        return torch.optim.Adam(made, lr=settings.learning_rate, betas=_BETAS, fused=True)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(made, lr=settings.learning_rate, betas=_BETAS, fused=True)
    return _DecoupledSGD(made, settings.learning_rate)


def set_rate(made: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next steps; the stem's is its factor times it."""
    for group in made.param_groups:
        group["lr"] = rate * group[_RATE]


def finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all numbers are, and none so large that its square is not (1.8e19)."""
    given = list(tensors)
    return not given or bool(torch.stack(torch._foreach_norm(given)).isfinite().all())


class _DecoupledSGD(torch.optim.SGD):
    """SGD with Nesterov momentum whose weight decay is taken off the weights and is not in the gradient (SGDW)."""

    def __init__(self, groups: list[dict[str, object]], rate: float) -> None:
        plain = [{**group, "weight_decay": 0.0, "decay": group["weight_decay"]} for group in groups]
        super().__init__(plain, lr=rate, momentum=_MOMENTUM, nesterov=True)

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """One step; a closure is not supported."""
        for group in self.param_groups:
            if group["decay"]:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * group["decay"])
        super().step()


class Average:
    """An exponential moving average of a network's weights and running statistics, over steps.

    The decay rises to its value over the first steps, min(decay, (1 + n) / (10 + n)) after n of them, so that the
    random start is soon forgotten (Tarvainen and Valpola, arXiv:1703.01780, and TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._decay = decay
        self.tensors = floats(self.model)

    @torch.no_grad()
    def update(self, model: nn.Module, steps: int) -> None:
        """Moves towards `model`, which has made `steps` steps."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self.tensors, floats(model), 1 - decay)


def floats(model: nn.Module) -> list[torch.Tensor]:
    """Weights and running statistics, without the counters of batches."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
