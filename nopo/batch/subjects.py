"""Who is in a folder of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nopo.errors import PhotoError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        name: also of the folder of the results.
        photos: their files, in order of their names.
    """

    name: str
    photos: tuple[Path, ...]


def find_subjects(folder: Path, results: Path) -> list[Subject]:
    """The people of a folder: one for each folder in it, and one for each loose photo.

    Args:
        folder: whose hidden files, and files that are no photos, are passed over.
        results: where the results go. This folder, one that only leads to it, and those of earlier batches are nobody.

    Raises:
        PhotoError: there is no such folder, or nobody in it.
    """
    if not folder.is_dir():
        raise PhotoError(f"There is no folder {folder.name}; give one that holds a folder of photos for each person.")
    if results.resolve() == folder.resolve():
        raise PhotoError("The results need a folder of their own, not that of the photos.")
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    target = results.resolve()
    folders = {}
    for entry in entries:
        if entry.is_dir() and entry.resolve() != target and not (entry / "batch.json").exists():
            photos = _photos(sorted(entry.iterdir()))
            if photos or entry.resolve() not in target.parents:
                folders[entry] = photos
    loose = _photos(entries)
    stems = [entry.name for entry in folders] + [photo.stem for photo in loose]
    subjects = [Subject(entry.name, tuple(photos)) for entry, photos in folders.items()]
    for photo in loose:
        subjects.append(Subject(photo.stem if stems.count(photo.stem) == 1 else photo.name, (photo,)))
    if not any(subject.photos for subject in subjects):
        raise PhotoError(f"There are no photos in {folder.name}; put a folder of them there for each person.")
    return sorted(subjects, key=lambda subject: subject.name)


def _photos(entries: Sequence[Path]) -> list[Path]:
    return [e for e in entries if e.suffix.lower() in PHOTO_SUFFIXES and not e.name.startswith(".") and e.is_file()]
