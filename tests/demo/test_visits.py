import os
import tempfile
import time
from pathlib import Path

import pytest

from nopo.demo import visits as visits_module
from nopo.demo.shots import Shot
from nopo.demo.visits import Visits
from nopo.errors import Cancelled


def test_each_visitor_has_a_folder_of_their_own_that_goes_with_them() -> None:
    visits = Visits()
    amy, bob = visits.of("amy"), visits.of("bob")
    assert visits.of("amy") is amy and amy.folder != bob.folder
    assert amy.new_file(".png") != amy.new_file(".png")
    amy.avatar = amy.new_file(".safetensors")
    assert not amy.has_avatar
    amy.avatar.write_bytes(b"x")
    assert amy.has_avatar
    visits.end("amy")
    assert not amy.folder.exists() and bob.folder.is_dir()
    visits.end_all()
    assert not bob.folder.exists()
    visits.end("nobody")


def test_without_a_session_nothing_is_shared() -> None:
    visits = Visits()
    visit = visits.of(None)
    assert visits.of(None) is not visit and visits.of("local") is not visit
    visits.end_all()
    assert not visit.folder.exists()


def test_leaving_stops_the_work_in_progress() -> None:
    visits = Visits()
    visit = visits.of("amy")
    visit.check()
    visits.end("amy")
    with pytest.raises(Cancelled):
        visit.check()


def test_a_page_whose_connection_breaks_finds_its_files_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits_module, "LEFT_AFTER_S", 0.3)
    visits = Visits()
    amy, bob = visits.of("amy"), visits.of("bob")
    for name in ("amy", "bob", "nobody"):
        visits.leave(name)
    with pytest.raises(Cancelled):
        amy.check()
    time.sleep(0.01)
    assert visits.of("amy") is amy, "she is back"
    limit = time.monotonic() + 5
    while bob.folder.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(0.1)
    assert amy.folder.is_dir() and not bob.folder.exists()
    visits.end_all()


def test_uploads_lie_in_a_folder_of_this_process_unless_the_owner_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits_module.keep_uploads_apart()
    uploads = Path(os.environ["GRADIO_TEMP_DIR"])
    assert uploads.parent == tmp_path and uploads.is_dir()
    left = tmp_path / f"{uploads.name}-of-a-killed-server"
    left.mkdir()
    long_ago = time.time() - 2 * visits_module.FORGOTTEN_AFTER_S
    for path in (uploads, left):
        os.utime(path, (long_ago, long_ago))
    Visits().forget_old()
    assert uploads.is_dir() and not left.exists()
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/owner")
    visits_module.keep_uploads_apart()
    assert os.environ["GRADIO_TEMP_DIR"] == "/owner"


def test_stopping_lasts_until_the_next_start() -> None:
    visits = Visits()
    visit = visits.of("amy")
    visit.stop()
    with pytest.raises(Cancelled):
        visit.check()
    visit.start()
    visit.check()
    visits.end_all()


def test_visits_that_never_said_goodbye_are_forgotten() -> None:
    visits = Visits()
    old = visits.of("amy")
    old.last_seen -= visits_module.FORGOTTEN_AFTER_S + 1
    visits.forget_old()
    assert not old.folder.exists()
    assert visits.of("amy") is not old
    visits.end_all()


def test_uploads_and_folders_of_open_visits_stay_young_and_those_of_killed_servers_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    visits = Visits()
    visit = visits.of("amy")
    photo, motion, left = tmp_path / "photo.png", tmp_path / "own.bvh", tmp_path / "nopo-visit-of-a-killed-server"
    left.mkdir()
    visit.shots.append(Shot(str(photo), photo))
    visit.motion = str(motion)
    for path in (photo, motion):
        path.write_bytes(b"x")
    long_ago = time.time() - 2 * visits_module.FORGOTTEN_AFTER_S
    for path in (photo, motion, left, visit.folder):
        os.utime(path, (long_ago, long_ago))
    visits.forget_old()
    assert not left.exists() and visit.folder.is_dir()
    assert all(path.stat().st_mtime > time.time() - 60 for path in (photo, motion))
    visits.end_all()
