"""What a reconstruction leaves in a folder: the avatar, a turntable, pictures to judge it by, and timings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nopo.avatar import Avatar
from nopo.errors import ExportError
from nopo.export.moving import moving_writer
from nopo.export.sheet import contact_sheet
from nopo.files import partial_file, write_text
from nopo.framing import Framing, checked_size
from nopo.motion import MAX_FPS
from nopo.pipeline import Pipeline
from nopo.progress import Progress, silent
from nopo.show import MAX_FRAMES, WHITE, Size
from nopo.stopwatch import Stopwatch

SIDES = {"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}
"""Azimuths in degrees of the pictures in views.png."""


@dataclass(frozen=True)
class Wishes:
    """How the results should be made.

    Attributes:
        matting: see `nopo.preprocess.matte.CHOICES`.
        turntable: suffix of its file, see `nopo.export.moving.MOVING`; None for no turntable.
        frames: of the turntable.
        fps: of the turntable.
        size: of the pictures, pixels: the side of a square, or (H, W).
        background: sRGB in [0, 1], or None for transparency.
        framing: how much of the person is seen.
        elevation_deg: of the camera; positive looks down from above.
        facing: where the person faces in each photo, see `Pipeline.encode`.
    """

    matting: str = "auto"
    turntable: str | None = ".mp4"
    frames: int = 60
    fps: float = 30.0
    size: Size = 512
    background: Sequence[float] | None = WHITE
    framing: Framing = "whole"
    elevation_deg: float = 5.0
    facing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        checked_size(self.size)
        if self.turntable is not None:
            if not 1 <= self.frames <= MAX_FRAMES:
                raise ExportError(f"A turntable has 1 to {MAX_FRAMES} frames, not {self.frames}.")
            if not 0 < self.fps <= MAX_FPS:
                raise ExportError(f"A turntable has up to {MAX_FPS} frames a second, not {self.fps:g}.")
            moving_writer(Path("turntable" + self.turntable), transparent=self.background is None)


@dataclass(frozen=True)
class Results:
    """What was written.

    Attributes:
        files: names, in the folder.
        gaussians: how many the avatar has.
        stages: see `Stopwatch`.
    """

    files: tuple[str, ...]
    gaussians: int
    stages: Mapping[str, Mapping[str, float]]


def write_results(
    pipeline: Pipeline,
    photos: Sequence[Path],
    folder: Path,
    wishes: Wishes,
    *,
    watch: Stopwatch | None = None,
    progress: Progress = silent,
) -> Results:
    """Photos of one person to files: avatar.safetensors, preview.png, views.png, turntable.*, timings.json.

    Args:
        pipeline: a loaded model.
        photos: 1 to 8.
        folder: is made once the avatar is there; files of these names are replaced.
        wishes: how.
        watch: has measured earlier stages.
        progress: told what is done; raise `Cancelled` from it to stop.

    Raises:
        NopoError: as `Pipeline.reconstruct`, and `ExportError`.
    """
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder.name} is a file; name a folder for the results.")
    watch = watch or Stopwatch()
    with watch.stage("preprocess"):
        seen = pipeline.preprocess(photos, matting=wishes.matting, progress=progress)
    with watch.stage("encode"):
        avatar = pipeline.encode(seen.views, facing=wishes.facing, progress=progress)
    look: dict[str, Any] = {"size": wishes.size, "background": wishes.background, "framing": wishes.framing}
    with watch.stage("views"):
        views = [pipeline.view(avatar, side, wishes.elevation_deg, **look) for side in SIDES.values()]
    folder.mkdir(parents=True, exist_ok=True)
    avatar.save(folder / "avatar.safetensors")
    rows = [("photos", [photo.rgb for photo in seen.photos]), ("mattes", seen.cutouts())]
    _save(contact_sheet([*rows, ("avatar: " + ", ".join(SIDES), views)]), folder / "preview.png")
    _save(Image.fromarray(np.concatenate(views, 1)), folder / "views.png")
    files = ["avatar.safetensors", "preview.png", "views.png"]
    if wishes.turntable is not None:
        with watch.stage("turntable"):
            files.append(_turntable(pipeline, avatar, folder, wishes, look, progress))
    timings = {"photos": len(photos), "gaussians": len(avatar.gaussians), "device": str(pipeline.device)}
    write_text(folder / "timings.json", json.dumps({**timings, "stages": watch.stages}, indent=2) + "\n")
    return Results((*files, "timings.json"), len(avatar.gaussians), watch.stages)


def _turntable(
    pipeline: Pipeline, avatar: Avatar, folder: Path, wishes: Wishes, look: dict[str, Any], progress: Progress
) -> str:
    path = folder / f"turntable{wishes.turntable}"
    frames = pipeline.turntable(
        avatar, frames=wishes.frames, elevation_deg=wishes.elevation_deg, progress=progress, **look
    )
    moving_writer(path)(path, frames, wishes.fps)
    return path.name


def _save(image: Image.Image, path: Path) -> None:
    with partial_file(path) as partial:
        image.save(partial)
