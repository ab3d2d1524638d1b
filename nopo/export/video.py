"""Frames to files: H.264 for everywhere, VP9 with alpha, PNG pictures; encoded while the next frames are drawn."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from nopo.errors import ExportError
from nopo.export.files import partial_file, writing

_FLUSH_SECONDS = 120  # the longest that an encoder may take after its last frame

# Tagged, because players guess otherwise, and guess differently for small and large pictures.
_COLOUR = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_primaries", "bt709",
           "-color_trc", "bt709", "-color_range", "tv"]  # fmt: skip
_H264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *_COLOUR, "-movflags", "+faststart"]
_VP9 = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-b:v", "0", "-deadline", "good", "-cpu-used", "5",
        "-row-mt", "1", "-auto-alt-ref", "0"]  # fmt: skip


def write_mp4(path: str | Path, frames: Iterable[np.ndarray], fps: float, *, crf: int = 18) -> Path:
    """Write an H.264 video that browsers, phones and slides play (yuv420p, index at the front).

    H.264 with half-resolution colour needs even sides: an odd side repeats its last row or column.

    Args:
        path: the file; replaced only when the video is complete.
        frames: (H, W, 3) uint8 sRGB pictures of one size, taken one by one while the encoder works. If taking one
            raises (`Cancelled`, for one), the encoder stops, nothing is left on the disk, and the error goes on.
        fps: frames a second.
        crf: 0 lossless to 51 worst; 18 is hard to tell from the frames.

    Raises:
        ExportError: no frames, frames of several sizes, a place that cannot be written, or a failed encoder.
    """
    return _encode(Path(path), frames, fps, channels=3, options=[*_H264, "-crf", str(crf), "-f", "mp4"])


def write_webm(path: str | Path, frames: Iterable[np.ndarray], fps: float, *, crf: int = 24) -> Path:
    """Write a VP9 video with transparency, as `write_mp4`.

    Args:
        path: the file.
        frames: (H, W, 4) uint8 sRGB pictures with straight alpha (colours not multiplied by it).
        fps: frames a second.
        crf: 0 best to 63 worst.

    Raises:
        ExportError: as `write_mp4`.
    """
    return _encode(Path(path), frames, fps, channels=4, options=[*_VP9, "-crf", str(crf), "-f", "webm"])


def write_png_frames(folder: str | Path, frames: Iterable[np.ndarray]) -> Path:
    """Write frame_000000.png, frame_000001.png… into a new folder, which appears when the last frame is written.

    Args:
        folder: must not exist, or be empty.
        frames: (H, W, 3) or (H, W, 4) uint8 pictures of one size.

    Raises:
        ExportError: no frames, frames of several sizes, a folder with files in it, or a place that cannot be written.
    """
    from PIL import Image

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder.name} exists and is not an empty folder; choose another one for the frames.")
    with _closing(frames), partial_file(folder) as partial:
        for number, frame in enumerate(_checked(frames)):
            with writing(folder):
                partial.mkdir(exist_ok=True)
                Image.fromarray(frame).save(partial / f"frame_{number:06d}.png", compress_level=3)
    return folder


def _encode(path: Path, frames: Iterable[np.ndarray], fps: float, *, channels: int, options: list[str]) -> Path:
    """Feed frames to an encoder process and put its file in place."""
    if not 0 < fps <= 1000:
        raise ExportError(f"A video needs between 0 and 1000 frames a second, not {fps}.")
    with _closing(frames), partial_file(path) as partial, tempfile.TemporaryFile() as log:
        encoder: subprocess.Popen[bytes] | None = None
        try:
            for frame in _checked(frames, channels):
                even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
                if encoder is None:
                    encoder = _start(even.shape, fps, options, partial, log)
                assert encoder.stdin is not None
                encoder.stdin.write(np.ascontiguousarray(even).data)
            assert encoder is not None and encoder.stdin is not None  # `_checked` has seen a frame
            encoder.stdin.close()
            if encoder.wait(_FLUSH_SECONDS) != 0:
                raise ExportError(f"The video encoder failed: {_last_line(log)}.")
        except BrokenPipeError as error:
            raise ExportError(f"The video encoder stopped: {_last_line(log)}.") from error
        except subprocess.TimeoutExpired as error:
            raise ExportError("The video encoder did not finish; try a smaller video.") from error
        finally:
            if encoder is not None:
                _stop(encoder)
    return path


def _start(
    shape: tuple[int, ...], fps: float, options: list[str], target: Path, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """An encoder that reads raw frames of `shape` (H, W, channels) from its standard input."""
    import imageio_ffmpeg

    height, width, channels = shape
    source = ["-f", "rawvideo", "-pix_fmt", {3: "rgb24", 4: "rgba"}[channels], "-s", f"{width}x{height}"]
    quiet = ["-hide_banner", "-loglevel", "error", "-y"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, *source, "-r", f"{fps:g}", "-i", "-", *options, str(target)]
    # Its messages go to a file: a pipe that nobody reads would fill up and stop it.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)


def _stop(encoder: subprocess.Popen[bytes]) -> None:
    """End an encoder, whatever state it is in."""
    if encoder.poll() is None:
        encoder.kill()
        encoder.wait()
    if encoder.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # bytes that it no longer wanted
            encoder.stdin.close()


def _last_line(log: IO[bytes]) -> str:
    """The last thing that the encoder said."""
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "it left no message")


def _checked(frames: Iterable[np.ndarray], channels: int | None = None) -> Iterator[np.ndarray]:
    """The frames, each of the first one's shape; at least one."""
    shape: tuple[int, ...] | None = None
    for number, frame in enumerate(frames):
        if shape is None:
            allowed = (3, 4) if channels is None else (channels,)
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in allowed or 0 in frame.shape:
                wanted = " or ".join(f"(H, W, {c})" for c in allowed)
                raise ExportError(f"A frame must be a uint8 array {wanted}, not {frame.dtype} {frame.shape}.")
            shape = frame.shape
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ExportError(f"Frame {number} is {frame.dtype} {frame.shape}, the first one was uint8 {shape}.")
        yield frame
    if shape is None:
        raise ExportError("There are no frames to write.")


@contextlib.contextmanager
def _closing(frames: Iterable[np.ndarray]) -> Iterator[None]:
    """On the way out, tell a generator of frames to stop drawing ahead."""
    try:
        yield
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
