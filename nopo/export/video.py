"""Frames to videos: H.264 for everywhere, VP9 with alpha; encoded while the next frames are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nopo.export.encoder import encode

# Tagged, because players guess otherwise, and guess differently for small and large pictures.
_BT709 = ("scale=out_color_matrix=bt709:out_range=tv,"
          "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv,format=")  # fmt: skip
_H264 = ["-c:v", "libx264", "-preset", "veryfast", "-vf", _BT709 + "yuv420p", "-movflags", "+faststart"]
# Of the two layouts, the frames' own transparency decides.
_VP9 = ["-c:v", "libvpx-vp9", "-vf", _BT709 + "yuv420p|yuva420p", "-b:v", "0", "-deadline", "good", "-cpu-used", "5",
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
    return encode(path, frames, fps, [*_H264, "-crf", str(crf), "-f", "mp4"], channels=3, even=True)


def write_webm(path: str | Path, frames: Iterable[np.ndarray], fps: float, *, crf: int = 24) -> Path:
    """Write a VP9 video, with transparency where the frames have it, as `write_mp4`.

    Args:
        path: the file.
        frames: (H, W, 3), or (H, W, 4) with straight alpha (colours not multiplied by it), uint8 sRGB.
        fps: frames a second.
        crf: 0 best to 63 worst.

    Raises:
        ExportError: as `write_mp4`.
    """
    return encode(path, frames, fps, [*_VP9, "-crf", str(crf), "-f", "webm"], even=True)
