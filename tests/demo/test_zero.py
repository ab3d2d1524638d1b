"""ZeroGPU, with a stand-in for the package `spaces` that books nothing but really runs things in a forked process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nopo.demo import zero
from nopo.errors import NopoError

SPACES = """
import multiprocessing, sys
TORCH_WAS_FIRST = "torch" in sys.modules
BOOKED, WORKERS = [], 0

def GPU(duration):
    def decorate(task):
        def here(*args):
            BOOKED.append((duration(*args), [type(argument).__name__ for argument in args]))
            ours, theirs = multiprocessing.Pipe()
            fork = multiprocessing.get_context("fork")
            worker = fork.Process(target=lambda: theirs.send(task(*args)))
            worker.start()
            assert ours.poll(100), "the worker hangs"
            answer = ours.recv()
            worker.join(10)
            return answer
        return here
    return decorate
"""

VISIT = """
import sys
from pathlib import Path
from nopo.demo import ready, serve, zero
assert not {"torch", "gradio", "numba"} & set(sys.modules), "serve imports what must come after spaces"
zero.prepare()
import spaces
assert not spaces.TORCH_WAS_FIRST

import os
from nopo.demo import work
from nopo.demo.film import Film
from nopo.demo.shelf import Shelf
from nopo.errors import NopoError
from nopo.pipeline import Pipeline

model, photo, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
avatar, film = str(folder / "a.safetensors"), Film(size=256, fps=15, turn_seconds=1.0, most_seconds=1.0)
pipeline = Pipeline.load(model, "cpu")
ready.get_ready()
work.open_shop(pipeline)
assert spaces.BOOKED == []
page, take = os.getpid(), Shelf.take

def take_in_worker(shelf, name):
    assert os.getpid() != page, "where CUDA is only pretended, no network can be loaded once the page is open"
    return take(shelf, name)

Shelf.take = take_in_worker
assert work.finished(work.reconstruct([photo], [None], "open", avatar, str(folder / "t.mp4"), film)) == ""
assert spaces.BOOKED == [(6, ["int", "bytes"])], spaces.BOOKED
views = pipeline.preprocess([photo] * 3).views
person = work.encode(views, "open", ["auto", "back", "left"])
assert {t.device.type for t in (*vars(person.gaussians).values(), person.bone_weights, person.rest_joints)} == {"cpu"}
assert len(spaces.BOOKED) == 2
assert work.encode_seconds(views, "another") >= 20  # its weights are fetched first
work.finished(work.turntable(avatar, str(folder / "u.mp4"), film))
work.finished(work.animate(avatar, "wave", str(folder / "w.mp4"), film))
assert len(spaces.BOOKED) == 2, "drawing books no GPU"
assert all((folder / name).stat().st_size > 1000 for name in ("t.mp4", "u.mp4", "w.mp4"))
try:
    work.encode(views, "none of ours")
except NopoError as error:
    assert "Choose one of the models open" in str(error)
else:
    raise AssertionError("the sentence stayed in the worker")
"""


@pytest.mark.slow
def test_only_the_network_books_a_gpu_and_everything_comes_back_from_its_process(
    model: str, cutout_photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "spaces.py").write_text(SPACES)
    environment = {**os.environ, "SPACES_ZERO_GPU": "true", "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"}
    command = [sys.executable, "-c", VISIT, model, str(cutout_photo), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_elsewhere_nothing_of_this_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)

    def double(x: int) -> int:
        return 2 * x

    zero.prepare()
    assert zero.gpu(lambda x: 5.0)(double) is double
    assert "spaces" not in sys.modules


def test_a_start_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    with pytest.raises(NopoError, match="start the page by app.py"):
        zero.prepare()
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setitem(sys.modules, "spaces", None)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "")
    with pytest.raises(NopoError, match="needs the package spaces"):
        zero.prepare()
