"""Writing files: all of a file or nothing of it, and only inside the folder that was asked for."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from budgetnet import files
from budgetnet.errors import BudgetnetError


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_write_makes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    assert files.write(path, b"one") == path
    assert files.write(path, b"two") == path
    assert path.read_bytes() == b"two"
    assert names_in(tmp_path) == ["a.md"]


def test_full_disk_leaves_the_old_file_whole_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write(tmp_path / "a.md", b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(BudgetnetError) as caught:
        files.write(path, b"new")
    assert str(caught.value) == f"{path}: must be a file that can be written, but got No space left on device"
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.md"]


def test_full_disk_leaves_no_file_where_there_was_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(BudgetnetError, match="No space left on device"):
        files.write(tmp_path / "a.md", b"new")
    assert names_in(tmp_path) == []


def test_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a.md", b"new")
    assert names_in(tmp_path) == []


def test_content_is_whole_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append((self.read_bytes(), self.parent == target.parent, target.exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    files.write(tmp_path / "a.md", b"whole")
    assert seen == [(b"whole", True, False)]


def test_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.md").mkdir()
    with pytest.raises(BudgetnetError, match=r"a\.md: must be a file that can be written, but got Is a directory$"):
        files.write(tmp_path / "a.md", b"new")
    assert names_in(tmp_path) == ["a.md"]


def test_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BudgetnetError, match=r"/taken: must be a folder that can be written, but got File exists$"):
        files.make_folder(tmp_path / "taken")
    with pytest.raises(BudgetnetError, match=r"/taken/x: must be a folder that can be written, but got Not a dir"):
        files.make_folder(tmp_path / "taken" / "x")
    with pytest.raises(BudgetnetError, match=r"/taken/x: must be a file that can be written, but got Not a dir"):
        files.write(tmp_path / "taken" / "x", b"")


def test_message_stays_on_one_line_whatever_the_folder_is_called(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(BudgetnetError) as caught:
        files.make_folder(tmp_path / "a\nb")
    assert "a\\nb: must be a folder" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_make_folder_makes_those_above_and_takes_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert files.make_folder(folder) == folder
    assert files.make_folder(folder) == folder
    assert folder.is_dir()


def test_write_all(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "ümlaut 漢"
    written = files.write_all(folder, {"a.md": b"a", "b.csv": b"b"})
    assert written == [folder / "a.md", folder / "b.csv"]
    assert [path.read_bytes() for path in written] == [b"a", b"b"]
    assert names_in(folder) == ["a.md", "b.csv"]


@pytest.mark.parametrize("name", ["../a", "a/b", "/a", "..", ".", "", "a/", "./a", "a\0", "a\nb"])
def test_names_that_leave_the_folder_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "reports"
    with pytest.raises(BudgetnetError, match="a report's file must stay in its folder"):
        files.write_all(folder, {"good.md": b"", name: b""})
    assert names_in(tmp_path) == []


def test_link_in_the_folder_is_replaced_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    folder = files.make_folder(tmp_path / "reports")
    (folder / "a.md").symlink_to(outside)
    files.write_all(folder, {"a.md": b"new"})
    assert outside.read_text() == "precious"
    assert (folder / "a.md").read_bytes() == b"new"


def test_a_file_of_any_length_replaces_the_old_one_once_it_is_whole(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.bin", b"old")
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        for _ in range(10):
            file.write(b"new")
            assert path.read_bytes() == b"old"
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(files.PART)
    assert path.read_bytes() == b"new" * 10
    assert names_in(tmp_path) == ["a.bin"]


def test_what_goes_wrong_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.bin", b"old")

    def stopped(error: BaseException) -> None:
        with files.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        stopped(KeyboardInterrupt())
    with pytest.raises(BudgetnetError, match=r"a\.bin: must be a file that can be written, but got No space left"):
        stopped(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with (
        pytest.raises(BudgetnetError, match=r"a\.bin: must be a file that can be written, but got No such file"),
        files.replacing(path),
    ):
        pass  # nothing was written
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.bin"]


def test_a_scratch_folder_is_gone_with_all_that_was_made_for_it(tmp_path: Path) -> None:
    with files.scratch(tmp_path / "a" / "b") as folder:
        assert folder.parent == tmp_path / "a" / "b"
        (folder / "c").mkdir()
        (folder / "c" / "d").write_bytes(b"1")
    assert names_in(tmp_path) == []
    with suppress(KeyboardInterrupt), files.scratch(tmp_path / "a"):
        (tmp_path / "a" / "mine").write_bytes(b"1")
        raise KeyboardInterrupt
    assert names_in(tmp_path / "a") == ["mine"]
    with files.scratch(tmp_path / "a"):
        pass
    assert names_in(tmp_path / "a") == ["mine"]


def test_a_scratch_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    with (
        pytest.raises(BudgetnetError, match="a/b: must be a folder that can be written, but got Not a directory"),
        files.scratch(tmp_path / "a" / "b"),
    ):
        pass


def test_a_scratch_folder_of_the_system_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TemporaryDirectory", full_disk)
    told = "must be a folder that can be written, but got No space left on device"
    with pytest.raises(BudgetnetError, match=told), files.scratch(None):
        pass


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_of_several_files_none_is_written_where_one_does_not_fit(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def fills_up(path: Path, content: bytes) -> int:
        return full_disk() if content == contents[names[nth]] else real(path, content)

    contents = {"a.md": b"1", "b.csv": b"2", "c.json": b"3"}
    names = list(contents)
    files.write_all(tmp_path / "old", dict.fromkeys(contents, b"old"))
    monkeypatch.setattr(Path, "write_bytes", fills_up)
    for folder in ("old", "new/er"):
        with pytest.raises(BudgetnetError) as caught:
            files.write_all(tmp_path / folder, contents)
        path = tmp_path / folder / names[nth]
        assert str(caught.value) == f"{path}: must be a file that can be written, but got No space left on device"
    assert names_in(tmp_path) == ["old"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == dict.fromkeys(contents, b"old")


def test_several_files_appear_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = [], Path.replace

    def watched(path: Path, target: Path) -> Path:
        seen.append(target.name)
        return real(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    written = files.write_all(tmp_path, {"b": b"1", "a": b"2", "c": b"3"})
    assert seen == [path.name for path in written] == ["b", "a", "c"]
