"""CSV (RFC 4180): every row, exact numbers, one file a table.

Text that a spreadsheet would take for a formula is preceded by an apostrophe (OWASP, "CSV injection").
"""

import csv
import io
from typing import Any

from budgetnet.report import Report, Table

SUFFIX = ".csv"


def render(report: Report) -> dict[str, str]:
    """One file per table, the main one first."""
    return {table.key: _table(table) for table in report.tables}


def _table(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_cell(column.key) for column in table.columns)  # keys hold names of camera groups
    writer.writerows([_cell(row.get(column.key)) for column in table.columns] for row in table.rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value
