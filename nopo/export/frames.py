"""Streams of frames, as every writer of moving pictures takes them: one by one, checked, stopped on the way out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np

from nopo.errors import ExportError


def checked(frames: Iterable[np.ndarray], channels: int | None = None) -> Iterator[np.ndarray]:
    """The frames, each of the first one's shape; at least one.

    Args:
        frames: (H, W, 3) or (H, W, 4) uint8 pictures.
        channels: what the format takes, 3 or 4; either if None.

    Raises:
        ExportError: there is none, or one is something else.
    """
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
def closing(frames: Iterable[np.ndarray]) -> Iterator[None]:
    """On the way out, tell a generator of frames to stop drawing ahead."""
    try:
        yield
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
