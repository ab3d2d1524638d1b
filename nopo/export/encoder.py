"""The ffmpeg process that turns frames into a file, fed by a pipe while the next frames are drawn."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from nopo.errors import ExportError
from nopo.export.frames import checked, closing
from nopo.files import partial_file

_FLUSH_SECONDS = 120  # the longest that an encoder may take after its last frame


def encode(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float,
    options: Sequence[str],
    *,
    channels: int | None = None,
    even: bool = False,
) -> Path:
    """Feed frames to an encoder and put its file in place.

    Args:
        path: the file; replaced only when the new one is complete.
        frames: (H, W, 3) or (H, W, 4) uint8 pictures of one size, taken one by one while the encoder works. If taking
            one raises, the encoder stops, nothing is left on the disk, and the error goes on.
        fps: frames a second.
        options: ffmpeg's, for the output.
        channels: what the format takes, 3 or 4; either if None.
        even: an odd side repeats its last row or column.

    Raises:
        ExportError: no frames, frames of several sizes, a place that cannot be written, or a failed encoder.
    """
    path = Path(path)
    if not 0 < fps <= 1000:
        raise ExportError(f"A video needs between 0 and 1000 frames a second, not {fps}.")
    with closing(frames), partial_file(path) as partial:
        stream = checked(frames, channels)
        first = next(stream)
        height, width = (side + side % 2 if even else side for side in first.shape[:2])
        layout = {3: "rgb24", 4: "rgba"}[first.shape[2]]
        source = ["-f", "rawvideo", "-pix_fmt", layout, "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
        with _ffmpeg([*source, *options, str(partial.absolute())]) as pipe:  # a:b.mp4 would be a protocol, -d an option
            for frame in chain([first], stream):
                margins = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
                pipe.write(np.ascontiguousarray(np.pad(frame, margins, mode="edge")).data)
    return path


@contextlib.contextmanager
def _ffmpeg(arguments: Sequence[str]) -> Iterator[IO[bytes]]:
    """An encoder's standard input; on the way out it finishes, or is stopped if anything went wrong."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *arguments]
    with tempfile.TemporaryFile() as log:
        # Its messages go to a file: a pipe that nobody reads would fill up and stop it.
        # In a session of its own: Ctrl-C is for us, who then stop it.
        encoder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        assert encoder.stdin is not None
        try:
            yield encoder.stdin
            encoder.stdin.close()
            if encoder.wait(_FLUSH_SECONDS) != 0:
                raise ExportError(f"The video encoder failed: {_last_line(log)}.")
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows says the latter of a pipe that nobody reads
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                encoder.wait(5)  # so that all it said is in the log
            raise ExportError(f"The video encoder stopped: {_last_line(log)}.") from error
        except subprocess.TimeoutExpired as error:
            raise ExportError("The video encoder did not finish; try a smaller video.") from error
        finally:
            _stop(encoder)


def _stop(encoder: subprocess.Popen[bytes]) -> None:
    """End an encoder, whatever state it is in."""
    if encoder.poll() is None:
        encoder.kill()
        encoder.wait()
    if encoder.stdin is not None:
        with contextlib.suppress(OSError):  # bytes that it no longer wanted
            encoder.stdin.close()


def _last_line(log: IO[bytes]) -> str:
    """The last thing that the encoder said."""
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "it left no message")
