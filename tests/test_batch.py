import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nopo.avatar import Avatar
from nopo.batch.report import as_text, write_report
from nopo.batch.run import RECORD, Outcome, run_batch
from nopo.batch.subjects import Subject, find_subjects
from nopo.errors import Cancelled, ExportError, NopoError, PhotoError, WeightsError
from nopo.models import OPEN
from nopo.pipeline import Pipeline, choose_device
from nopo.progress import silent
from nopo.results import Wishes

SMALL = Wishes(matting="none", turntable=".gif", frames=3, size=48)
MODEL = {"name": "test"}


class Quick(Pipeline):
    """Makes the same avatar of everybody; everything around the network is real."""

    def __init__(self, avatar: Avatar) -> None:
        self.card, self.device, self.avatar, self.encoded = OPEN, choose_device("cpu"), avatar, 0

    def encode(self, views, *, rest_joints=None, facing=None, progress=silent) -> Avatar:
        self.encoded += 1
        progress("encode", 1, 1)
        return self.avatar


@pytest.fixture
def pipeline(body_avatar: Avatar) -> Quick:
    return Quick(body_avatar)


@pytest.fixture
def people(tmp_path: Path, cutout_photo: Path) -> Path:
    """Two people with a folder, one with a loose photo, one whose photo is broken, and things that are nobody."""
    folder = tmp_path / "people"
    for name in ("amy", "bob/deeper", "cy", ".hidden"):
        (folder / name).mkdir(parents=True)
    for name in ("amy/1.png", "amy/2.PNG", "bob/front.png", "dee.png", ".hidden/1.png", "amy/.thumbnail.png"):
        shutil.copy(cutout_photo, folder / name)
    (folder / "cy" / "letter.jpg").write_text("dear reader")
    (folder / "amy" / "README.md").write_text("Amy")
    (folder / "notes.txt").write_text("")
    return folder


def only(people: Path, *names: str) -> None:
    """Take the others out."""
    for path in people.iterdir():
        if path.stem not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def batch(people: Path, out: Path, pipeline: Quick, **changed) -> list[Outcome]:
    given = {"wishes": SMALL, "model": MODEL, "load": lambda: pipeline, **changed}
    return list(run_batch(find_subjects(people, out), out, **given))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_is_a_person_and_a_loose_photo_too(people: Path, tmp_path: Path, cutout_photo: Path) -> None:
    found = {s.name: [p.name for p in s.photos] for s in find_subjects(people, tmp_path / "out")}
    assert found == {"amy": ["1.png", "2.PNG"], "bob": ["front.png"], "cy": ["letter.jpg"], "dee": ["dee.png"]}
    shutil.copy(cutout_photo, people / "dee.webp")
    shutil.copy(cutout_photo, people / "amy.png")
    again = [s.name for s in find_subjects(people, people / "cy")]  # results inside are no person
    assert again == ["amy", "amy.png", "bob", "dee.png", "dee.webp"]


def test_results_of_batches_are_no_people(people: Path, pipeline: Quick) -> None:
    only(people, "amy", "dee")
    out = people / "earlier"
    write_report(batch(people, out, pipeline), find_subjects(people, out), out)
    (people / "sub" / "out").mkdir(parents=True)
    for results, others in (("../out", ["sub"]), ("sub/out", []), ("sub/deep/out", []), ("amy/out", ["sub"])):
        assert [s.name for s in find_subjects(people, people / results)] == ["amy", "dee", *others], results


def test_folders_without_people_are_refused(tmp_path: Path, people: Path) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(PhotoError, match="no photos in bare"):
        find_subjects(tmp_path / "bare", tmp_path / "out")
    with pytest.raises(PhotoError, match="no folder gone"):
        find_subjects(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(PhotoError, match="folder of their own"):
        find_subjects(people, people)


def test_one_failure_is_told_and_the_others_go_on(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    out = tmp_path / "out"
    (people / "empty").mkdir()
    outcomes = {o.subject: o for o in batch(people, out, pipeline)}
    assert {name: o.result for name, o in outcomes.items()} == {
        "amy": "done",
        "bob": "done",
        "cy": "failed",
        "dee": "done",
        "empty": "failed",
    }
    assert "letter.jpg is not an image" in outcomes["cy"].error and "no photos in empty" in outcomes["empty"].error
    assert outcomes["amy"].photos == 2
    results = {"avatar.safetensors", "preview.png", "views.png", "turntable.gif", "timings.json", RECORD}
    assert names_in(out / "amy") == names_in(out / "dee") == results
    assert names_in(out / "cy") == {RECORD}
    assert len(Avatar.load(out / "amy" / "avatar.safetensors").gaussians) == len(pipeline.avatar.gaussians)


def test_a_second_run_makes_only_what_is_missing_or_changed(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    out = tmp_path / "out"
    batch(people, out, pipeline)
    (people / "cy" / "letter.jpg").unlink()
    shutil.copy(people / "dee.png", people / "cy" / "photo.png")
    kept = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.parent.name != "cy"}
    os.utime(people / "amy" / "1.png")  # touched, but the same
    pipeline.encoded = 0
    outcomes = batch(people, out, pipeline)
    assert [o.result for o in outcomes] == ["kept", "kept", "done", "kept"] and pipeline.encoded == 1
    assert all(o.seconds > 0 for o in outcomes)
    assert kept == {p: p.stat().st_mtime_ns for p in kept}

    Image.new("RGBA", (64, 64), (9, 9, 9, 128)).save(people / "bob" / "second.png")  # another photo
    (out / "amy" / "turntable.gif").write_bytes(b"cut short")
    (out / "cy" / RECORD).write_text("{")
    again = [o.result for o in batch(people, out, pipeline)]
    assert again[0] == "done" and again[1] in ("done", "failed") and again[2:] == ["done", "kept"]
    assert (out / "amy" / "turntable.gif").stat().st_size > 100


def test_other_wishes_or_another_model_are_made_again(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    out = tmp_path / "out"
    only(people, "dee")
    batch(people, out, pipeline)
    webp = Wishes(**{**SMALL.__dict__, "turntable": ".webp"})
    assert [o.result for o in batch(people, out, pipeline, wishes=webp)] == ["done"]
    assert "turntable.webp" in names_in(out / "dee") and "turntable.gif" not in names_in(out / "dee")
    newer = batch(people, out, pipeline, wishes=webp, model={"name": "newer"})
    assert newer[0].result == "done"
    assert batch(people, out, pipeline, wishes=webp, model={"name": "newer"})[0].result == "kept"


def test_when_everything_is_there_the_model_is_not_loaded(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    only(people, "bob", "dee")
    batch(people, tmp_path / "out", pipeline)

    def load() -> Pipeline:
        raise AssertionError("loaded")

    assert {o.result for o in batch(people, tmp_path / "out", pipeline, load=load)} == {"kept"}


def test_a_model_that_is_missing_ends_the_batch(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    def load() -> Pipeline:
        raise WeightsError("There is no checkpoint.")

    with pytest.raises(WeightsError):
        batch(people, tmp_path / "out", pipeline, load=load)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("Stopped.")])
def test_stopping_leaves_nothing_half_written(people: Path, tmp_path: Path, pipeline: Quick, error) -> None:
    out = tmp_path / "out"
    only(people, "amy", "bob")
    batch(people, out, pipeline)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    shutil.copy(people / "amy" / "1.png", people / "bob" / "another.png")

    def progress_of(subject: Subject):
        def progress(stage: str, done: int, total: int) -> None:
            if stage == "render" and done == 2:
                raise error

        return progress

    with pytest.raises(type(error)):
        batch(people, out, pipeline, progress_of=progress_of)
    assert before == {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert [o.result for o in batch(people, out, pipeline)] == ["kept", "done"]


def test_what_a_killed_batch_left_is_removed(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    left = tmp_path / "out" / "amy" / ".unfinished-abc"
    left.mkdir(parents=True)
    (tmp_path / "out" / "amy" / "my notes.txt").write_text("hers")
    only(people, "amy")
    batch(people, tmp_path / "out", pipeline)
    assert not left.exists() and "my notes.txt" in names_in(tmp_path / "out" / "amy")


def test_no_memory_for_one_person_is_no_end(people: Path, tmp_path: Path, pipeline: Quick, monkeypatch) -> None:
    def encode(views, *, facing=None, progress=silent):
        if len(views.images) == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return pipeline.avatar

    monkeypatch.setattr(pipeline, "encode", encode)
    outcomes = batch(people, tmp_path / "out", pipeline)
    assert "not enough memory" in outcomes[0].error and outcomes[1].result == "done"


def test_results_of_changed_photos_that_fail_do_not_stay(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    only(people, "bob")
    batch(people, tmp_path / "out", pipeline)
    (people / "bob" / "front.png").write_text("broken")
    assert batch(people, tmp_path / "out", pipeline)[0].result == "failed"
    assert names_in(tmp_path / "out" / "bob") == {RECORD}


def test_a_wish_that_fails_leaves_the_results_of_earlier_ones(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    only(people, "amy")
    out = tmp_path / "out"
    batch(people, out, pipeline)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def no_space(*args, **kwargs) -> None:
        raise OSError(28, "No space left on device")

    webp = Wishes(**{**SMALL.__dict__, "turntable": ".webp"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "encode", no_space)
        (outcome,) = batch(people, out, pipeline, wishes=webp)
    assert outcome.result == "failed" and "No space left" in outcome.error
    assert before == {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert [o.result for o in batch(people, out, pipeline)] == ["kept"]


def test_the_report_is_a_table_and_a_sheet_of_everybody(people: Path, tmp_path: Path, pipeline: Quick) -> None:
    out = tmp_path / "out"
    outcomes = batch(people, out, pipeline)
    files = write_report(outcomes, find_subjects(people, out), out)
    assert [path.name for path in files] == ["batch.json", "batch.csv", "sheet.png"]
    table = json.loads(files[0].read_text())
    assert [row["subject"] for row in table] == ["amy", "bob", "cy", "dee"] and table[0]["photos"] == 2
    with files[1].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["result"] for row in rows] == ["done", "done", "failed", "done"] and "letter.jpg" in rows[2]["error"]
    sheet = np.asarray(Image.open(files[2]))
    assert (sheet != sheet[0, 0]).any(2).mean() > 0.1
    lines = as_text(outcomes).splitlines()
    assert len(lines) == 5 and "letter.jpg is not an image" in lines[3]


def test_many_people_fill_several_sheets(tmp_path: Path, cutout_photo: Path) -> None:
    subjects = [Subject(f"person {i}", (cutout_photo,)) for i in range(26)]
    outcomes = [Outcome(s.name, 1, 0.0, "failed", "A very long sentence. " * 20) for s in subjects]
    names = [path.name for path in write_report(outcomes, subjects, tmp_path)]
    assert names[2:] == ["sheet.png", "sheet-2.png"]
    assert Image.open(tmp_path / "sheet.png").height > 5 * Image.open(tmp_path / "sheet-2.png").height


def test_wishes_that_cannot_be_are_refused_before_any_work() -> None:
    with pytest.raises(ExportError, match=r"\.mp4 files have no transparency"):
        Wishes(background=None)
    for wrong, words in (
        ({"size": 5}, "side of"),
        ({"frames": 0}, "1 to 3600 frames"),
        ({"fps": 0}, "frames a second"),
    ):
        with pytest.raises(NopoError, match=words):
            Wishes(**wrong)
    Wishes(turntable=None, frames=0)
    Wishes(background=None, turntable=".webm")
    Wishes(background=None, turntable=None)
