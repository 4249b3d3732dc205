"""JSON (RFC 8259): the report's record, numbers plain and exact."""

import json

from budgetnet.report import Report

SUFFIX = ".json"


def render(report: Report) -> dict[str, str]:
    """One file with the record."""
    return {report.key: json.dumps(report.record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"}
