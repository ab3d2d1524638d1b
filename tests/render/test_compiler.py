"""Compiled once, kept on disk, and never in the middle of a visitor's request."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nopo.render import compiler

DRAW_EVERYTHING = """
import gc
import torch
from numba.core.dispatcher import Dispatcher
from nopo import show
from nopo.articulate import Articulator
from nopo.avatar import Avatar
from nopo.body.skeleton import NUM_BONES
from nopo.gaussians import Gaussians
from nopo.motion import Motion
from nopo.render import warm_up

def compiled():
    functions = [o for o in gc.get_objects() if isinstance(o, Dispatcher) and o.py_func.__module__.startswith("nopo.")]
    return {(f.py_func.__module__, f.py_func.__name__): len(f.signatures) for f in functions}

def kept():
    return {name: sum(f.stats.cache_hits.values()) for name, f in (
        (o.py_func.__name__, o) for o in gc.get_objects() if isinstance(o, Dispatcher))}

warm_up()
before = compiled()
assert sum(before.values()) >= 4, before
joints = torch.randn(55, 3) * 0.2
still = Motion(torch.zeros(3, 55, 3), torch.zeros(3, 3), 30)
for bases in (1, 4, 9, 16, 25):
    means, covars = torch.randn(50, 3) * 0.03, torch.eye(3).expand(50, 3, 3) * 1e-4
    cloud = Gaussians(means, covars, torch.ones(50), torch.zeros(50, bases, 3))
    person = Avatar(cloud, (1 + 0.2 * torch.rand(50, NUM_BONES)) / NUM_BONES, joints, "open")
    show.view(person, size=64, pose="t")
    if bases == 1:
        assert "scipy.linalg" not in __import__("sys").modules, "a tenth of a second for nothing"
    assert len(Articulator(person)._stretch.rows), "splats are drawn out"
    show.view(person, size=64)
    assert len(list(show.turntable(person, size=48, frames=3))) == 3
    assert len(list(show.animate(person, still, size=32))) == 3
assert compiled() == before, (before, compiled())
print(sum(kept().values()))

import numba, numpy
double = numba.njit(lambda a: numpy.dot(a, a))
assert (double(numpy.eye(3)) == numpy.eye(3)).all(), "others may still multiply matrices"
"""


def draw_in_a_fresh_process(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DRAW_EVERYTHING], env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_after_the_warm_up_no_picture_compiles_anything_and_the_next_start_reads_it_from_disk(tmp_path: Path) -> None:
    for at_least in (0, 4):
        done = draw_in_a_fresh_process(NUMBA_CACHE_DIR=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) >= at_least


def test_a_home_that_cannot_be_written_to_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    folder = Path(compiler._writable_folder())
    assert folder.is_dir() and blocked not in folder.parents
    assert "compiles at every start" in caplog.text
    folder.rmdir()


def test_nor_is_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(compiler.Path, "home", homeless)
    folder = Path(compiler._writable_folder())
    assert folder.is_dir() and "(no home)" in caplog.text
    folder.rmdir()


def test_a_new_version_removes_what_others_compiled_long_ago(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept, long_ago = tmp_path / "cache" / "nopo", time.time() - (compiler.KEPT_DAYS + 1) * 86400

    def compiled(name: str, seconds: float) -> Path:
        (kept / name / "render_1").mkdir(parents=True)
        (kept / name / "render_1" / "kernel.nbc").write_text("code")
        os.utime(kept / name, (seconds, seconds))
        return kept / name

    disused = compiled("numba-0123456789ab", long_ago)
    recent = compiled("numba-ba9876543210", time.time() - 86400)
    others = [compiled(name, long_ago) for name in ("numba-mine", "numba-0123456789abc", "0123456789ab")]
    (disused / "away").symlink_to(others[0], target_is_directory=True)
    os.utime(disused, (long_ago, long_ago))
    link = kept / "numba-aaaaaaaaaaaa"
    link.symlink_to(others[1], target_is_directory=True)
    os.utime(link, (long_ago, long_ago), follow_symlinks=False)
    file = kept / "numba-bbbbbbbbbbbb"
    file.touch()
    os.utime(file, (long_ago, long_ago))

    mine = Path(compiler._writable_folder())
    assert mine.parent == kept and mine.is_dir() and not disused.exists()
    assert recent.is_dir() and link.is_symlink() and file.is_file()
    assert all((other / "render_1" / "kernel.nbc").is_file() for other in others), "not ours, though linked to"

    os.utime(mine, (long_ago, long_ago))
    os.utime(recent, (long_ago, long_ago))
    assert Path(compiler._writable_folder()) == mine
    assert mine.stat().st_mtime > long_ago + 86400, "every start is a use"
    assert recent.is_dir(), "only a new version looks for others"


def test_a_disused_folder_that_cannot_be_removed_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disused = tmp_path / "nopo" / "numba-0123456789ab"
    disused.mkdir(parents=True)
    os.utime(disused, (0, 0))

    def refuse(path: object, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "rmdir", refuse)
    assert Path(compiler._writable_folder()).is_dir() and disused.is_dir()
