"""A motion as a .zip with one .ply of Gaussians a frame: what tools without a skeleton can play."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from nopo.articulate import Articulator
from nopo.avatar import Avatar
from nopo.errors import ExportError
from nopo.export.gaussian_ply import file_size, write_ply_to
from nopo.export.splats import checked_degree, visible_index
from nopo.export.y_down import turned_over
from nopo.files import partial_file, writing
from nopo.motion import Motion
from nopo.progress import Progress, silent

MAX_FRAMES = 1000
MAX_BYTES = 4 * 1000**3


def write_ply_sequence(
    avatar: Avatar,
    path: str | Path,
    motion: Motion,
    *,
    sh_degree: int | None = None,
    y_down: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write frame_000000.ply and so on, and sequence.json with the frame rate.

    Every frame holds the same Gaussians in the same order.

    Args:
        avatar: who.
        path: the .zip.
        motion: what they do; each of its frames becomes a file.
        sh_degree: highest degree of the harmonics, 0 to 3; all there are, up to 3, if None.
        y_down: turn every frame over (see `nopo.export.y_down`).
        progress: told of each frame.

    Raises:
        ExportError: too many frames, too large a file, nothing visible, a wrong degree, or a place that cannot be
            written.
    """
    path = Path(path)
    degree = checked_degree(avatar.gaussians, sh_degree)
    index = visible_index(avatar.gaussians)
    _check_size(len(motion), file_size(len(index), degree))
    about = {
        "fps": motion.fps,
        "frames": len(motion),
        "loop": motion.loop,
        "unit": "metre",
        "up": "-y" if y_down else "+y",
    }
    progress("export", 0, len(motion))
    with (
        partial_file(path) as partial,
        writing(path),
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr("sequence.json", json.dumps(about, indent=1))
        for number, posed in enumerate(Articulator(avatar).frames(motion)):
            with archive.open(f"frame_{number:06d}.ply", "w") as file:
                write_ply_to(file, turned_over(posed) if y_down else posed, index, degree)
            progress("export", number + 1, len(motion))
    return path


def _check_size(frames: int, frame_bytes: int) -> None:
    """Refuse what would fill the disk, before it does.

    Raises:
        ExportError: too much.
    """
    shorter = "make the motion shorter or choose fewer frames a second"
    if frames > MAX_FRAMES:
        raise ExportError(f"{frames} frames are more than the {MAX_FRAMES} of a sequence: {shorter}.")
    if frames * frame_bytes > MAX_BYTES:
        raise ExportError(
            f"{frames} frames of {frame_bytes / 1e6:.0f} MB are more than the {MAX_BYTES / 1e9:.0f} GB of a sequence: "
            f"{shorter}, or a lower degree of harmonics."
        )
