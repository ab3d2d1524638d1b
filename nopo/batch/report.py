"""How a batch went, for people and for programs: batch.json, batch.csv, and sheets of pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from PIL import Image

from nopo.batch.run import Outcome
from nopo.batch.subjects import Subject
from nopo.errors import NopoError
from nopo.export.sheet import contact_sheet
from nopo.files import partial_file, write_text
from nopo.preprocess.load import load_photo
from nopo.results import SIDES

CELL_PX = 224
MAX_PHOTOS = 4
"""Of one subject on a sheet."""

ROWS_A_SHEET = 25


def write_report(outcomes: Sequence[Outcome], subjects: Sequence[Subject], out: Path) -> list[Path]:
    """Write the table and the sheets.

    Args:
        outcomes: of `subjects`, in their order.
        subjects: who.
        out: folder of the batch.

    Returns:
        The files: batch.json, batch.csv, sheet.png; sheet-2.png and so on where there are many people.
    """
    table = [asdict(outcome) for outcome in outcomes]
    write_text(out / "batch.json", json.dumps(table, indent=2) + "\n")
    with partial_file(out / "batch.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Outcome)])
        writer.writeheader()
        writer.writerows(table)
    sheets = []
    for start in range(0, len(subjects), ROWS_A_SHEET):
        page = slice(start, start + ROWS_A_SHEET)
        most = min(MAX_PHOTOS, max(len(subject.photos) for subject in subjects[page]))
        rows = [_row(*pair, out, most) for pair in zip(subjects[page], outcomes[page], strict=True)]
        sheets.append(out / (f"sheet-{start // ROWS_A_SHEET + 1}.png" if start else "sheet.png"))
        with partial_file(sheets[-1]) as partial:
            contact_sheet(rows, CELL_PX).save(partial)
    return [out / "batch.json", out / "batch.csv", *sheets]


def as_text(outcomes: Sequence[Outcome]) -> str:
    """The table for a terminal."""
    width = max(len(name) for name in ["subject", *(outcome.subject for outcome in outcomes)])
    lines = [f"{'subject':{width}}  photos  seconds  result"]
    for o in outcomes:
        lines.append(f"{o.subject:{width}}  {o.photos:6}  {o.seconds:7.1f}  {o.error or o.result}")
    return "\n".join(lines)


def _row(subject: Subject, outcome: Outcome, out: Path, most: int) -> tuple[str, list[np.ndarray | None]]:
    """Title and pictures: at most `most` photos, then the avatar from four sides, below that of the others."""
    pictures: list[np.ndarray | None] = list(_thumbnails(subject.photos[:most]))
    if outcome.result != "failed":
        pictures += [None] * (most - len(pictures))
        with Image.open(out / subject.name / "views.png") as views:
            pictures += np.split(np.asarray(views), len(SIDES), axis=1)
    return f"{subject.name}: {outcome.error or f'{outcome.seconds:.1f} s'}", pictures


def _thumbnails(photos: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in photos:
        try:
            photo = Image.fromarray(load_photo(path).rgb)
        except NopoError:  # the table says so
            continue
        photo.thumbnail((CELL_PX, CELL_PX))
        yield np.asarray(photo)
