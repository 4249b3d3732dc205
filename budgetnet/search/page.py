"""The search as one HTML file that works offline: nothing in it is loaded from anywhere, and its policy forbids it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

from budgetnet.report import Table
from budgetnet.search.charts import sections
from budgetnet.search.findings import Findings
from budgetnet.search.importance import Importance

_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a browser may do with the page. Vega makes functions of the charts' expressions."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 0.4rem; }
p.what { color: #555; margin-top: 0; } .chart { overflow-x: auto; } .vega-bind { color: #555; margin: 0.3rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; } td, th { padding: 0.2rem 0.6rem; text-align: right; }
th { color: #555; border-bottom: 1px solid #999; font-weight: 600; } tr:nth-child(even) td { background: #f6f7f9; }
td.word, th.word { text-align: left; } .wide { overflow-x: auto; }
""".strip()

_START = """
const charts = JSON.parse(document.getElementById("charts").textContent);
for (const [key, spec] of Object.entries(charts)) {
  const actions = {export: true, source: false, compiled: false, editor: false};
  vegaEmbed("#" + key, spec, {mode: "vega-lite", actions})
    .catch(error => { document.getElementById(key).textContent = String(error); });
}
""".strip()


def page(
    findings: Findings, *, title: str, paragraphs: Sequence[str], important: Importance | None, front: Table
) -> bytes:
    """The page: sentences, the front as a table, and charts. Equal findings give equal bytes."""
    charts = sections(findings, important)
    what = findings.scenario.description
    body = [f"<h1>{escape(title)}</h1>"]
    body += [f'<p class="what">{escape(what)}</p>'] if what else []
    for key, heading, _ in charts:
        body += [f"<h2>{escape(heading)}</h2>", f'<div class="chart" id="{key}"></div>']
        if key == "front":
            body += [f"<p>{escape(text)}</p>" for text in paragraphs if text]
            body += [f"<h2>{escape(front.title)}</h2>", _table(front)] if front.rows else []
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<script>{_library()}</script>",
    ]
    data = {key: chart for key, _, chart in charts}
    scripts = [
        f'<script type="application/json" id="charts">{inside_script(data)}</script>',
        f"<script>{_START}</script>",
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        *head,
        "</head>",
        "<body>",
        *body,
        *scripts,
        "</body>",
        "</html>",
    ]
    return ("\n".join(lines) + "\n").encode()


def inside_script(data: Any) -> str:
    """JSON that stays data inside a script element: no text in it can end the element."""
    return json.dumps(data, sort_keys=True, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


_NEEDED = "window.vegaEmbed = vegaEmbed;"
_BUNDLE = f"import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle({_NEEDED!r}).encode())"


@cache
def begin_library() -> "subprocess.Popen[bytes]":
    """Begins to bundle the page's scripts in a process of its own: it takes seconds, in which the rest of a report can
    be made. Once for all pages.
    """
    words = [sys.executable, "-c", _BUNDLE]
    return subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603 (this very Python)


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, from the package that carries them."""
    found, _ = begin_library().communicate()
    if not found:  # that process may not be had: do it here
        import vl_convert

        return vl_convert.javascript_bundle(_NEEDED)
    return found.decode()


def _table(table: Table) -> str:
    def cells(tag: str, texts: list[str]) -> str:
        kinds = ["" if column.right else ' class="word"' for column in table.columns]
        parts = (f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=True))
        return f"<tr>{''.join(parts)}</tr>"

    rows = [cells("td", [column.text(row) for column in table.columns]) for row in table.rows]
    head = cells("th", [column.heading for column in table.columns])
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
