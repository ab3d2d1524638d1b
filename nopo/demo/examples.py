"""The people of examples/photos, each with the photos that belong together."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "photos"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def example_people(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Photos by person: one folder each, or files named PERSON_1.jpg, PERSON_2.jpg in one folder."""
    people: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            person = path.parent.name if path.parent != folder else path.stem.rpartition("_")[0] or path.stem
            people.setdefault(person, []).append(str(path))
    return people
