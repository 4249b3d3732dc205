"""Columns of a plan's tables. Those that follow from cameras, frame rates and budget say by which formula, so that a
workbook stays alive.
"""

from budgetnet import units
from budgetnet.plan import inputs as plan_inputs
from budgetnet.plan.inputs import GOPS_NUMBER
from budgetnet.report import Column, Formula

COST_COLUMNS = (
    Column(key="macs", heading="MACs", number="#,##0"),
    Column(key="ops", heading="operations", number="#,##0"),
    Column(key="params", heading="parameters", number="#,##0"),
)
SHARE = Column(
    key="utilisation",
    heading="% of budget",
    show=units.percent,
    formula="[required_gops]/{available_gops}",
    number="0.0%",
    tone="share",
)
HEADROOM = Column(
    key="headroom_gops",
    heading="headroom GOPS",
    show=units.gops,
    formula="{available_gops}-[required_gops]",
    number=GOPS_NUMBER,
    tone="margin",
)
MAX_FPS = Column(
    key="max_fps",
    heading="max fps",
    show=units.at_most,
    formula="{fps_1}*{available_gops}/[required_gops]",
    number="#,##0.000",
    promise=3,
)
SPEED = Column(
    key="speed",
    heading="frame rates x",
    show=lambda value: units.at_most(value, 2),
    formula="{available_gops}/[required_gops]",
    number="#,##0.000",
    promise=3,
)
MEMORY = Column(
    key="memory_mb",
    heading="memory MB",
    show=lambda value: f"{value:,.1f}",
    number=plan_inputs.MEMORY_NUMBER,
    alarm=plan_inputs.TOO_MUCH_MEMORY,
)
FITS = Column(
    key="fits",
    heading="fits",
    right=False,
    formula=plan_inputs.FITS,
    tone="verdict",
)


def gops(formula: Formula, key: str = "required_gops", heading: str = "GOPS") -> Column:
    """A column of what is required."""
    return Column(key=key, heading=heading, show=units.gops, formula=formula, number=GOPS_NUMBER)
