"""A file is there whole, or not at all."""

import contextlib
import os
from pathlib import Path

import pytest

from nopo.errors import ExportError
from nopo.files import partial_file, writing


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_appears_at_the_end_and_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.tar.gz"
    with partial_file(path) as partial:
        assert partial.parent == path.parent, "moving it costs nothing there"
        assert partial.suffixes[-2:] == [".tar", ".gz"], "writers choose by the suffix"
        partial.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it" and names(path.parent) == ["a.tar.gz"]


def test_so_does_a_folder(tmp_path: Path) -> None:
    with partial_file(tmp_path / "frames") as partial:
        partial.mkdir()
        (partial / "0.png").write_text("x")
    assert names(tmp_path) == ["frames"] and names(tmp_path / "frames") == ["0.png"]


def test_an_empty_folder_makes_room_and_a_full_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move = os.replace

    def as_on_windows(source: Path, target: Path) -> None:
        if target.exists() and target.is_dir():
            raise PermissionError(13, "Access is denied")
        move(source, target)

    monkeypatch.setattr(os, "replace", as_on_windows)
    path = tmp_path / "frames"
    path.mkdir()
    for _ in range(2):
        with contextlib.suppress(ExportError), partial_file(path) as partial:
            partial.mkdir()
            (partial / "0.png").write_text("old" if names(path) == [] else "new")
    assert names(tmp_path) == ["frames"] and (path / "0.png").read_text() == "old"


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_whatever_goes_wrong_leaves_the_older_file_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt), partial_file(path) as partial:
        if kind == "folder":
            partial.mkdir()
        if kind != "nothing":
            (partial / "0.txt" if kind == "folder" else partial).write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "older" and names(tmp_path) == ["a.txt"]


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with partial_file(path) as first, partial_file(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and names(tmp_path) == ["a.txt"], "the outer one ended last"


def test_what_the_system_refuses_is_one_sentence_with_the_name_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    inside_a_file = tmp_path / "file" / "a.txt"
    with pytest.raises(ExportError, match="^a.txt cannot be written: ") as caught, partial_file(inside_a_file):
        pytest.fail("there is no such folder")
    assert str(tmp_path) not in str(caught.value)

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    with pytest.raises(ExportError, match="^folder cannot be written: "), partial_file(tmp_path / "folder") as partial:
        partial.touch()
    assert names(tmp_path) == ["file", "folder"]

    with pytest.raises(ExportError, match="^b.txt cannot be written: No space left.$"), writing(Path("b.txt")):
        raise OSError(28, "No space left")


def test_a_read_only_disk_is_the_same_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)  # so does Linux, even if there is no such file
    path = tmp_path / "a.txt"
    with pytest.raises(ExportError, match="^a.txt cannot be written: Read-only file system.$"):
        with partial_file(path) as partial, writing(path):
            refuse(partial)
