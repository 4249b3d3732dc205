"""How a plan's figures follow from cameras, frame rates and limits: formulas, so that a workbook stays alive."""

from collections.abc import Iterable, Mapping
from typing import Final

from budgetnet import units
from budgetnet.cameras import FASTEST, MOST_CAMERAS
from budgetnet.columns import told
from budgetnet.networks import family
from budgetnet.parameters import Parameter, written
from budgetnet.plan import Plan
from budgetnet.report import Input, of_row
from budgetnet.rules import SMALLEST
from budgetnet.scenario import Scenario

ROUNDING: Final = "1E-12"
"""Relative tolerance of a workbook's comparisons: its arithmetic is floating point, the plan's own is exact."""

GOPS_NUMBER: Final = "#,##0.000"
"""To a million operations per second."""

MEMORY_NUMBER: Final = "#,##0.000"
"""MB to a thousand bytes."""

TOO_MUCH_MEMORY: Final = f'AND({{budget_mb}}<>"",[memory_mb]>{{budget_mb}}*(1+{ROUNDING}))'
"""Whether a row's candidate breaks the limit of memory, where there is one."""

FITS_MEMORY: Final = f'IF({TOO_MUCH_MEMORY},"no","yes")'
FITS: Final = f'IF(OR([required_gops]>{{available_gops}}*(1+{ROUNDING}),{TOO_MUCH_MEMORY}),"no","yes")'
"""Whether it keeps every limit."""

_FITS, _GOPS = "{plan-candidates:fits}", "{plan-candidates:required_gops}"
_LARGEST = f'SUMPRODUCT(MAX(({_FITS}="yes")*{_GOPS}))'
_NUMBERS = f"(ROW({_GOPS})-ROW(INDEX({_GOPS},1))+1)"
_FAR: Final = "1E9"
"""Farther down than any list goes."""


def rate(groups: Iterable[int]) -> str:
    """Images per second of these camera groups, by their places in the scenario."""
    return "+".join(f"{{cameras_{group + 1}}}*{{fps_{group + 1}}}" for group in groups)


def required_gops(ops: Mapping[int, str]) -> str:
    """What camera groups need together: `ops` says which key of the row holds the operations per image of which."""
    return f"({'+'.join(f'{of_row(key)}*{rate([group])}' for group, key in ops.items())})*{{contention}}/1E9"


def inputs(plan: Plan) -> list[Input]:
    """What the tables follow from, and what can be said of all candidates together."""
    return [*_cameras(plan.scenario), *_limits(plan.scenario), *_rates(plan.scenario), *_outcome(plan)]


def _cameras(scenario: Scenario) -> list[Input]:
    given = []
    for number, group in enumerate(scenario.groups, start=1):
        of = f" of {group.name}" if len(scenario.groups) > 1 else ""
        given += [
            Input(
                name=f"cameras_{number}",
                heading=f"cameras{of}",
                value=group.count,
                unit="cameras",
                least=1,
                most=MOST_CAMERAS,
                whole=True,
            ),
            Input(
                name=f"fps_{number}",
                heading=f"frame rate{of}",
                value=group.fps,
                unit="frames per second",
                least=SMALLEST,
                most=FASTEST,
            ),
        ]
    return given


def _limits(scenario: Scenario) -> list[Input]:
    return [
        Input(
            name="budget_gops",
            heading="budget",
            value=scenario.budget_gops,
            unit="GOPS (10^9 operations per second)",
            least=SMALLEST,
            most=1e9,
        ),
        Input(
            name="reserve",
            heading="reserve for other work",
            value=scenario.reserve,
            unit="of the budget",
            most=0.99,
            number="0.0#%",
        ),
        Input(
            name="contention",
            heading="contention factor",
            value=scenario.contention,
            unit="on what networks need",
            least=1,
            most=100,
        ),
        Input(
            name="budget_mb",
            heading="memory",
            value=scenario.budget_mb,
            unit=f"MB (10^6 bytes) at {scenario.precision}; empty: no limit",
            least=SMALLEST,
            most=1e9,
            optional=True,
        ),
    ]


def _rates(scenario: Scenario) -> list[Input]:
    return [
        Input(
            name="images_per_second",
            heading="images of all cameras",
            value=float(scenario.images_per_second),
            unit="images per second",
            formula=rate(range(len(scenario.groups))),
        ),
        Input(
            name="available_gops",
            heading="budget less the reserve",
            value=float(scenario.available / units.GIGA),
            unit="GOPS",
            formula="{budget_gops}*(1-{reserve})",
        ),
    ]


def _outcome(plan: Plan) -> list[Input]:
    of = f"of {plan.total:,}" if plan.complete else f"of the {len(plan.candidates):,} listed ({plan.total:,} in all)"
    largest = plan.candidates[0] if plan.fit else None
    return [
        Input(
            name="fitting",
            heading="candidates that fit",
            value=len(plan.fitting),
            unit=of,
            formula=f'COUNTIF({_FITS},"yes")',
        ),
        Input(
            name="largest_gops",
            heading="the largest that fits",
            value=largest.required_gops if largest else None,
            unit="GOPS" if plan.complete else "GOPS; others that fit may be larger, once figures are changed",
            formula=f'IF({{fitting}}=0,"",{_LARGEST})',
            number=GOPS_NUMBER,
        ),
        Input(
            name="largest_utilisation",
            heading="its share",
            value=largest.utilisation if largest else None,
            unit="of the budget less the reserve",
            formula='IF({fitting}=0,"",{largest_gops}/{available_gops})',
            number="0.0%",
        ),
        Input(
            name="largest_place",
            heading="its place in the list of candidates",
            value=1 if largest else None,
            unit="from the top",
            formula=(
                f'IF({{fitting}}=0,"",{_FAR}-SUMPRODUCT(MAX(({_FITS}="yes")*({_GOPS}={{largest_gops}})'
                f"*({_FAR}-{_NUMBERS}))))"
            ),
        ),
        Input(
            name="largest_mb",
            heading="its memory",
            value=largest.memory_mb if largest else None,
            unit=f"MB at {plan.scenario.precision}",
            formula='IF({fitting}=0,"",INDEX({plan-candidates:memory_mb},{largest_place}))',
            number=MEMORY_NUMBER,
        ),
        *_label(plan),
    ]


def _label(plan: Plan) -> list[Input]:
    """The largest candidate by its parameters, where all have the same."""
    sets = {tuple(name for name, _ in planned.candidate.values) for planned in plan.candidates}
    if len(plan.scenario.networks) > 1 or len(sets) > 1:
        return []
    (names,) = sets
    known = family(plan.scenario.networks[0].family)
    shown = told(names, [planned.candidate for planned in plan.candidates])
    parameters = [known.parameter(name) for name in shown]
    plain = '&" / "&'.join(_at_largest(each) for each in parameters if not each.named)
    named = "".join(f"&{_where_not_default(each)}" for each in parameters if each.named)
    return [
        Input(
            name="largest",
            heading="its parameters",
            value=plan.candidates[0].label if plan.fit else "none fits",
            formula=f'IF({{fitting}}=0,"none fits",{plain}{named})',
        )
    ]


def _at_largest(parameter: Parameter) -> str:
    """The value that the largest candidate has."""
    return f"INDEX({{plan-candidates:{parameter.name}}},{{largest_place}})"


def _where_not_default(parameter: Parameter) -> str:
    """A named parameter as labels write it."""
    default = f'"{parameter.default}"' if isinstance(parameter.default, str) else written(parameter.default)
    value = _at_largest(parameter)
    return f'IF({value}={default},""," / {parameter.name}="&{value})'
