"""Networks side by side, each as it is: what it costs under a scenario, whether it fits, and what it reached where all
were trained alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from budgetnet import networks
from budgetnet.errors import BudgetnetError, did_you_mean
from budgetnet.networks import Candidate
from budgetnet.plan import measure
from budgetnet.plan import plan as make_plan
from budgetnet.plan.demand import Planned
from budgetnet.results import Result
from budgetnet.scenario import Scenario

LARGEST: Final = "largest of the plan"
"""What the scenario's own largest candidate that fits is called, beside those that people know by a name."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One network: what people call it, what it takes of the budget, and the result of its training or why there is
    none.
    """

    name: str
    planned: Planned
    result: Result | None = None
    reason: str | None = None

    @property
    def candidate(self) -> Candidate:
        """The network."""
        return self.planned.candidate

    def trained(self, result: Result) -> "Peer":
        """With what its training gave."""
        return replace(self, result=result)

    def failed(self, reason: str) -> "Peer":
        """With why its training gave nothing."""
        return replace(self, reason=reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Networks under one scenario, those that take the least of its operations first."""

    scenario: Scenario
    peers: tuple[Peer, ...]

    @property
    def fitting(self) -> list[Peer]:
        """Those that keep the budget."""
        return [peer for peer in self.peers if peer.planned.fits]

    @property
    def scored(self) -> list[Peer]:
        """Those with a result, the best first."""
        found = [peer for peer in self.peers if peer.result is not None]
        return sorted(found, key=lambda peer: -peer.result.scores.mean_iou if peer.result else 0.0)


def known() -> dict[str, Candidate]:
    """All networks of all families that people know by a name."""
    return {name: candidate for key in networks.names() for name, candidate in networks.family(key).members.items()}


def compare(scenario: Scenario, names: Sequence[str] = ()) -> Comparison:
    """Networks under a scenario: those of these names or families, else all, and the scenario's own largest that fits.

    Raises BudgetnetError for a name that nothing has, and where camera groups have networks of their own.
    """
    if len(scenario.networks) > 1:
        rule = "must be a scenario whose camera groups share one network"
        raise BudgetnetError(f"compare: {rule}, but got {', '.join(choice.name for choice in scenario.networks)}")
    chosen = _chosen(names)
    if not names:
        planned = make_plan(scenario)
        if planned.fit and planned.candidates[0].candidate not in chosen.values():
            chosen[LARGEST] = planned.candidates[0].candidate
    peers = [Peer(name=name, planned=measure(scenario, candidate)) for name, candidate in chosen.items()]
    order = sorted(peers, key=lambda peer: (peer.planned.required, peer.name))
    return Comparison(scenario=scenario, peers=tuple(order))


def _chosen(names: Sequence[str]) -> dict[str, Candidate]:
    everything = known()
    if not names:
        return everything
    found: dict[str, Candidate] = {}
    for name in names:
        if name in networks.names():
            found |= networks.family(name).members
        elif name in everything:
            found[name] = everything[name]
        else:
            near = did_you_mean(name, [*everything, *networks.names()])
            raise BudgetnetError(f"--network: must be a network or a family of networks, but got {name!r}{near}")
    return found
