"""What tests of workbooks need: reading them, changing what is given, having LibreOffice calculate them."""

import io
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from budgetnet import formats
from budgetnet.report import Report

Cells = dict[str, list[list[Any]]]
"""Sheet -> rows of values."""

needs_libreoffice = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice is not installed (soffice, of libreoffice-calc)"
)


def book(content: bytes) -> Workbook:
    """The workbook with its formulas."""
    return load_workbook(io.BytesIO(content))


def values(content: bytes) -> Cells:
    """The values as they were calculated when the workbook was written."""
    read = load_workbook(io.BytesIO(content), data_only=True)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in read.worksheets}


def as_text(report: Report, name: str) -> str:
    """The report in any format as text: of a workbook all cells, row by row."""
    content = next(iter(formats.files(report, name).values()))
    if name != "xlsx":
        return content.decode()
    rows = (row for rows in values(content).values() for row in rows)
    return "".join("\t".join("" if value is None else str(value) for value in row) + "\n" for row in rows)


def given(content: bytes, changes: Mapping[str, Any]) -> bytes:
    """The workbook with other values for what is given, by name, and without any value that was calculated."""
    changed = book(content)
    for name, value in changes.items():
        sheet, cell = changed.defined_names[name].attr_text.replace("$", "").rsplit("!", 1)
        changed[sheet.strip("'")][cell].value = value
    out = io.BytesIO()
    changed.save(out)
    return out.getvalue()


def calculated(folder: Path, contents: Mapping[str, bytes]) -> dict[str, Cells]:
    """What LibreOffice calculates for each of these workbooks, all in one run of it."""
    paths = [folder / f"{name}.xlsx" for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        assert not any(value for rows in formula_values(content).values() for value in rows), "must hold no values yet"
        path.write_bytes(content)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "xlsx", "--outdir", str(folder / "out")]
    subprocess.run([*command, *map(str, paths)], check=True, capture_output=True, timeout=300)
    return {path.stem: values((folder / "out" / path.name).read_bytes()) for path in paths}


def formula_values(content: bytes) -> dict[str, list[Any]]:
    """Sheet -> the calculated values of its formulas, one after the other."""
    formulas, read = book(content), values(content)
    return {
        sheet.title: [
            read[sheet.title][cell.row - 1][cell.column - 1]
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        ]
        for sheet in formulas.worksheets
    }
