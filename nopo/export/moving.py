"""Which writer a file of moving pictures needs, by the end of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from nopo.errors import ExportError
from nopo.export.animated import write_gif, write_png_frames, write_png_zip, write_webp
from nopo.export.video import write_mp4, write_webm

Writer: TypeAlias = Callable[[Path, Iterable[np.ndarray], float], Path]


@dataclass(frozen=True)
class Moving:
    """One kind of file.

    Attributes:
        write: takes a path, frames and frames a second.
        transparent: it can hold transparency.
    """

    write: Writer
    transparent: bool = True


MOVING: dict[str, Moving] = {
    ".mp4": Moving(write_mp4, transparent=False),
    ".webm": Moving(write_webm),
    ".webp": Moving(write_webp),
    ".gif": Moving(write_gif),
    ".zip": Moving(lambda path, frames, fps: write_png_zip(path, frames)),
    "": Moving(lambda path, frames, fps: write_png_frames(path, frames)),
}
"""By suffix; a name without one is a folder of PNG pictures."""


def moving_writer(path: Path, transparent: bool = False) -> Writer:
    """What writes frames to `path`.

    Args:
        path: the file or folder to be.
        transparent: the frames have no background.

    Raises:
        ExportError: no kind of file ends like this, or it cannot hold transparency.
    """
    suffix = path.suffix.lower()
    if suffix not in MOVING:
        endings = ", ".join(filter(None, MOVING))
        raise ExportError(f"{path.name} should end in {endings}, or in nothing for a folder of pictures.")
    if transparent and not MOVING[suffix].transparent:
        able = ", ".join(suffix for suffix, kind in MOVING.items() if suffix and kind.transparent)
        raise ExportError(f"{suffix} files have no transparency; {able} and folders of pictures do.")
    return MOVING[suffix].write
