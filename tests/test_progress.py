"""Progress bars: on standard error, and only where somebody watches."""

import pytest

from budgetnet.progress import bars


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    with bars() as begin:
        reading, unknown = begin("reading"), begin("frames")
        for done in range(1, 4):
            reading(done, 3)
            unknown(done, None)
    return capsys.readouterr()


def test_a_bar_tells_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    out, err = told(capsys)
    assert out == ""
    for part in ("reading", "3/3", "frames", "3/?", "left"):
        assert part in err


def test_nothing_is_printed_where_nobody_watches(capsys, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert told(capsys) == ("", "")
