"""Frames to pictures: WebP and GIF that loop for ever, and one PNG a frame."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nopo.errors import ExportError
from nopo.export.encoder import encode
from nopo.export.frames import checked, closing
from nopo.files import partial_file, writing

MAX_GIF_FPS = 50.0
"""A GIF counts hundredths of a second, and browsers slow down what shows a frame for less than two of them."""


def write_webp(path: str | Path, frames: Iterable[np.ndarray], fps: float, *, quality: int = 85) -> Path:
    """Write an animated WebP: all colours, soft transparency, plays in browsers.

    Args:
        path: the file; replaced only when the animation is complete.
        frames: (H, W, 3) or (H, W, 4) uint8 sRGB pictures of one size with straight alpha, taken one by one. If taking
            one raises, nothing is left on the disk, and the error goes on.
        fps: frames a second.
        quality: 0 worst to 100 best.

    Raises:
        ExportError: no frames, frames of several sizes, a place that cannot be written, or a failed encoder.
    """
    options = ["-c:v", "libwebp_anim", "-pix_fmt", "bgra", "-quality", str(quality), "-loop", "0", "-f", "webp"]
    return encode(path, frames, fps, options)


def write_gif(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> Path:
    """Write an animated GIF: plays everywhere, 256 colours a frame, a pixel is transparent or not.

    Args:
        path: as `write_webp`.
        frames: as `write_webp`; what is less than half opaque becomes transparent.
        fps: frames a second. Each frame appears at its time rounded to 1/100 s, so the film keeps its length; above
            `MAX_GIF_FPS`, frames are left out.

    Raises:
        ExportError: as `write_webp`.
    """
    slower = f"fps={MAX_GIF_FPS:g}," if fps > MAX_GIF_FPS else ""
    # A palette for each frame needs no second pass and no memory of the frames, and is truer than one for all.
    palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:alpha_threshold=128"
    return encode(path, _solid(frames), fps, ["-filter_complex", slower + palette, "-loop", "0", "-f", "gif"])


def write_png_zip(path: str | Path, frames: Iterable[np.ndarray]) -> Path:
    """Write an archive of frame_000000.png and so on, without loss; arguments and errors as `write_webp`."""
    path = Path(path)
    with closing(frames), partial_file(path) as partial, writing(path):
        with zipfile.ZipFile(partial, "w") as archive:  # PNG is compressed already
            for number, frame in enumerate(checked(frames)):
                archive.writestr(_name(number), _png(frame))
    return path


def write_png_frames(folder: str | Path, frames: Iterable[np.ndarray]) -> Path:
    """Write frame_000000.png and so on, without loss.

    Args:
        folder: a new or empty folder; it appears when it is complete.
        frames: (H, W, 3) or (H, W, 4) uint8 pictures of one size, straight alpha.

    Raises:
        ExportError: no frames, frames of several sizes, a folder with files in it, or a place that cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        name = folder.resolve().name
        raise ExportError(f"{name} exists and is not an empty folder; choose another one for the frames.")
    with closing(frames), partial_file(folder) as partial:
        for number, frame in enumerate(checked(frames)):
            with writing(folder):
                partial.mkdir(exist_ok=True)
                (partial / _name(number)).write_bytes(_png(frame))
    return folder


def _solid(frames: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    """Frames without half transparency; the colours of what is not seen are no business of the palette's."""
    with closing(frames):
        for frame in checked(frames):
            if frame.shape[2] == 4:
                opaque = frame[..., 3:] >= 128
                frame = np.where(opaque, np.dstack([frame[..., :3], np.full_like(opaque, 255, np.uint8)]), 0)
            yield frame.astype(np.uint8)


def _name(number: int) -> str:
    return f"frame_{number:06d}.png"


def _png(frame: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG", compress_level=3)
    return content.getvalue()
