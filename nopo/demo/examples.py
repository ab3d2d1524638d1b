"""The people of examples/photos, each with the photos that belong together."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "photos"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def example_people(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Photos by person, one folder each."""
    people: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in SUFFIXES:
            people.setdefault(path.parent.name, []).append(str(path))
    return people
