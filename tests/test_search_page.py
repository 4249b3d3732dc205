"""The interactive page: one file, offline, whose data no text can leave; and what its charts show."""

import json
import re
from dataclasses import replace
from functools import cache

from search_outcomes import GUESS, many_heads, scenario, searched

from budgetnet.search import charts
from budgetnet.search.findings import Findings
from budgetnet.search.importance import importance
from budgetnet.search.page import inside_script, page
from budgetnet.search.report import _importance
from budgetnet.search.trial_table import brief_front, row

BAD = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@cache
def findings(**options):
    of = many_heads(minimum_mean_iou=0.6, description=f"Small images. {BAD}")
    outcome = searched(of, trials=40, rungs=(1, 3, 9), fails=(3,), repeats=2, audit=5)
    failed = outcome.trials[3]
    trials = tuple(
        replace(t, reason=BAD, origin=BAD, curve={1: 0.2}, epochs=1) if t is failed else t for t in outcome.trials
    )
    return Findings(replace(outcome, trials=trials), GUESS)


@cache
def html() -> str:
    found = findings()
    front = brief_front(found, [row(found, trial) for trial in found.front])
    important, _ = _importance(found)
    made = page(found, title="Search", paragraphs=["a < b", ""], important=important, front=front)
    again = page(
        Findings(found.outcome, GUESS), title="Search", paragraphs=["a < b", ""], important=important, front=front
    )
    assert made == again
    return made.decode()


def data(text: str):
    (found,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_nothing_is_loaded_from_anywhere_and_the_page_forbids_it():
    text = html()
    elements = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?\s*(https?:)?//""", elements, re.IGNORECASE)
    assert "http" not in elements.replace("http-equiv", "")
    assert "<link" not in elements
    assert "@import" not in text.partition("<script>")[0]
    assert not re.search(r"<script[^>]*\bsrc", text)
    assert "default-src 'none'" in text
    assert "connect-src" not in text.partition("</head>")[0].partition("<style>")[0]
    assert text.count("<script") == text.count("</script>") == 3


def test_the_scripts_of_vega_are_inside():
    text = html()
    assert 700_000 < len(text) < 1_500_000
    assert "window.vegaEmbed" in text


def test_texts_stay_texts():
    text = html()
    assert "<script>alert" not in text
    assert "<img" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "Small images. &lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x" in text
    assert "<p>a &lt; b</p>" in text
    rows = data(text)["front"]["datasets"]["trials"]
    assert any(each["why"] == f"failed: {BAD}" and each["origin"] == BAD for each in rows)


def test_data_in_a_script_are_read_back_as_they_were():
    for given in (BAD, "<!-- <script>", "]]>\u2028\u00e9"):
        written = inside_script({"a": given})
        assert "<" not in written
        assert json.loads(written) == {"a": given}


def test_hovering_tells_everything_of_every_candidate_with_a_mean_iou():
    found = findings()
    front = data(html())["front"]
    rows = {each["trial"]: each for each in front["datasets"]["trials"]}
    dots = next(layer for layer in front["layer"] if layer.get("name") == "dots")
    told = {tip["field"] for tip in dots["encoding"]["tooltip"]}
    assert {
        "mean_iou",
        "images_per_second",
        "mop",
        "mparams",
        "epochs",
        "status",
        "why",
        "seeds",
        "least",
        "most",
    } <= told
    for trial in found.trials:
        if not trial.curve:
            continue
        each = rows[f"trial {trial.number}"]
        assert set(trial.candidate.parameters) <= told
        assert each["mean_iou"] == found.so_far(trial)
        assert each["images_per_second"] == trial.images_per_second
        assert each["mop"] == found.measured(trial).cost.ops / 1e6
        assert each["front"] == found.is_on_front(trial)
    assert {"trained to the end", "stopped at a rung", "failed"} == {each["status"] for each in rows.values()}
    assert len(rows) == len(found.trials)


def test_colour_is_the_head_at_first_and_lines_are_the_scenarios():
    front = data(html())["front"]
    (colour_by,) = [each for each in front["params"] if each["name"] == "colour_by"]
    assert colour_by["value"] == "head"
    assert "depth_multiplier" in colour_by["bind"]["options"]
    names = [each["name"] for each in front["datasets"]["lines"]]
    assert names == ["required: 30 images/s", "wanted mean IoU: 0.6"]
    assert {each["head"] for each in front["datasets"]["trials"]} == {
        "fcn",
        "fcn16s",
        "fcn8s",
        "light-decoder",
        "context",
    }


def test_numbers_are_groups_in_their_order_and_missing_ones_come_last():
    rows = charts.front_rows(findings())
    order = {each["decoder_channels"]: each["decoder_channels order"] for each in rows}
    assert sorted(order, key=order.__getitem__) == ["32", "64", "96", "none"]


def test_guessing_is_a_line_where_it_is_in_reach():
    found = findings()
    near = Findings(found.outcome, replace(GUESS, mean_iou=0.25))
    lines = charts.front_chart(near)["datasets"]["lines"]
    assert lines[-1]["name"] == "guessing the most frequent class"
    assert len(charts.front_chart(found)["datasets"]["lines"]) == 2


def test_hypervolume_and_timeline_are_on_the_page():
    found, made = findings(), data(html())
    assert list(made) == sorted(["front", "hypervolume", "timeline", "importance"])
    heights = [each["hypervolume"] for each in made["hypervolume"]["datasets"]["curve"]]
    assert heights == [each.hypervolume for each in found.curve]
    bars = made["timeline"]["datasets"]["bars"]
    assert len(bars) == len(found.bars)
    assert {each["phase"] for each in bars} == {"epoch 1", "epochs 2-3", "epochs 4-9", "repeats", "audits"}


def test_one_trial_without_a_choice_makes_a_page():
    outcome = searched(scenario(search_space={"depth_multiplier": [0.5], "classifier_depth": [256]}), trials=1)
    keys = [key for key, _, _ in charts.sections(Findings(outcome, GUESS), importance([], rung=1))]
    assert keys == ["front", "hypervolume", "timeline"]


def test_a_space_of_one_head_is_coloured_by_what_varies():
    found = Findings(searched(trials=3), GUESS)
    assert charts.first_group(found) == "depth_multiplier"
