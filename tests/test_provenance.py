"""Where a figure comes from, without what nobody must read."""

import sys

import pytest

from budgetnet.provenance import provenance, without_password


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("--storage=postgresql://me:p@ss/w:rd@host:5432/db", "--storage=postgresql://me:***@host:5432/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("camvid:/data/a@b", "camvid:/data/a@b"),
        ("https://host/stem.h5#sha256=00", "https://host/stem.h5#sha256=00"),
    ],
)
def test_passwords_of_urls_are_not_shown(word, shown):
    assert without_password(word) == shown


def test_the_command_is_told_without_them(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["budgetnet", "search", "--storage", "postgresql://me:secret@host/db"])
    assert provenance()["command"] == "budgetnet search --storage 'postgresql://me:***@host/db'"
