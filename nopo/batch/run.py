"""One subject after the other, each of them whole or not at all.

A subject whose photos, wishes and model are those of its results is not made again, so that an interrupted batch goes
on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nopo.batch.subjects import Subject
from nopo.errors import NO_MEMORY, Cancelled, NopoError, PhotoError, no_memory, refused
from nopo.files import write_text, writing
from nopo.pipeline import Pipeline
from nopo.progress import Progress, silent
from nopo.results import Wishes, write_results

LOGGER = logging.getLogger(__name__)

RECORD = "subject.json"
"""In the folder of each subject: what its results were made of, and how it went."""

_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Outcome:
    """How it went with one subject.

    Attributes:
        subject: its name.
        photos: how many.
        seconds: that its results took, in this batch or in an earlier one.
        result: "done", "kept" from an earlier batch, or "failed".
        error: the sentence that says why it failed.
    """

    subject: str
    photos: int
    seconds: float
    result: Literal["done", "kept", "failed"]
    error: str = ""


def run_batch(
    subjects: Sequence[Subject],
    out: Path,
    wishes: Wishes,
    model: Mapping[str, Any],
    load: Callable[[], Pipeline],
    progress_of: Callable[[Subject], Progress] = lambda subject: silent,
) -> Iterator[Outcome]:
    """Reconstruct everybody.

    Args:
        subjects: see `nopo.batch.subjects.find_subjects`.
        out: gets a folder for each subject.
        wishes: how the results are made.
        model: what tells this model from another; the results of another are made again.
        load: called once, and not at all if everything is there.
        progress_of: what is told about a subject; `Cancelled` raised from it ends the batch.

    Yields:
        How it went, subject by subject. A failure is an outcome, not an exception.

    Raises:
        NopoError: the model cannot be loaded, or `out` cannot be written to.
    """
    pipeline: Pipeline | None = None
    for subject in subjects:
        folder = out / subject.name
        recipe = _recipe(subject, wishes, model)
        record = _read_record(folder)
        if record.get("recipe") == recipe and _complete(folder, record):
            yield Outcome(subject.name, len(subject.photos), record["seconds"], "kept")
            continue
        if pipeline is None and subject.photos:
            pipeline = load()
        start = time.perf_counter()
        with _workplace(folder) as unfinished:
            error, about = "", {}
            try:
                about = _attempt(pipeline, subject, unfinished, wishes, progress_of(subject))
            except Cancelled:
                raise
            except (NopoError, OSError, RuntimeError, MemoryError) as problem:  # RuntimeError: a GPU without memory
                error = _sentence(problem)
                LOGGER.debug("%s failed", subject.name, exc_info=True)
            # What other wishes or another model gave is still of these photos.
            earlier_stay = error and record.get("result") == "done" and record["recipe"]["photos"] == recipe["photos"]
            if not earlier_stay:
                _forget(folder, record)
            for name in about.get("files", {}):
                os.replace(unfinished / name, folder / name)
        seconds = round(time.perf_counter() - start, 3)
        result: Literal["done", "failed"] = "failed" if error else "done"
        if not earlier_stay:
            written = {"result": result, "error": error, "seconds": seconds, **about, "recipe": recipe}
            write_text(folder / RECORD, json.dumps(written, indent=2) + "\n")  # last: it says that the rest is complete
        yield Outcome(subject.name, len(subject.photos), seconds, result, error)


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """An empty folder inside `folder`, removed afterwards; also what a killed batch left there."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as place:
        yield Path(place)


def _attempt(
    pipeline: Pipeline | None, subject: Subject, folder: Path, wishes: Wishes, progress: Progress
) -> dict[str, Any]:
    """Make the results; what the record should say about them."""
    if pipeline is None or not subject.photos:
        raise PhotoError(f"There are no photos in {subject.name}.")
    results = write_results(pipeline, subject.photos, folder, wishes, progress=progress)
    files = {name: (folder / name).stat().st_size for name in results.files}
    return {"gaussians": results.gaussians, "stages": results.stages, "files": files}


def _recipe(subject: Subject, wishes: Wishes, model: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what the results are, as JSON gives it back."""
    photos = {path.name: _digest(path) for path in subject.photos}
    recipe: dict[str, Any] = json.loads(json.dumps({"photos": photos, "model": model, "wishes": asdict(wishes)}))
    return recipe


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _complete(folder: Path, record: dict[str, Any]) -> bool:
    files = record.get("files", {})
    sizes = {name: (folder / name).stat().st_size for name in files if (folder / name).is_file()}
    return record.get("result") == "done" and sizes == files


def _forget(folder: Path, record: dict[str, Any]) -> None:
    """Remove results that no longer belong to the photos, the record first."""
    (folder / RECORD).unlink(missing_ok=True)
    for name in record.get("files", {}):
        (folder / Path(name).name).unlink(missing_ok=True)


def _sentence(problem: Exception) -> str:
    if isinstance(problem, NopoError):
        return str(problem)
    if isinstance(problem, OSError):
        return refused(problem)
    if no_memory(problem):
        return NO_MEMORY
    return f"It failed unexpectedly ({type(problem).__name__}); run it alone to see why."
