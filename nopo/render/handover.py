"""Frames from where they are drawn to where an encoder reads them, without a GPU that waits.

On a GPU a frame becomes bytes there, a quarter of what would have to travel, and is copied to pinned memory on a stream
of its own while the next frames are drawn; the host waits only for a copy that was asked for two frames ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

DEPTH = 2
"""Frames on their way at once."""


def to_bytes(picture: Tensor) -> Tensor:
    """Colours (..., C) in [0, 1], clamped -> uint8, rounded, on the same device."""
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


def to_host(pictures: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """Pictures of any device as arrays, in order.

    Args:
        pictures: (H, W, C) uint8; one is taken from it up to `DEPTH` frames before it is handed out.

    Yields:
        Arrays of the caller's own.
    """
    free = [_Slot() for _ in range(DEPTH)]
    busy: deque[_Slot] = deque()
    for picture in pictures:
        if not free:
            slot = busy.popleft()
            yield slot.taken()
            free.append(slot)
        slot = free.pop()
        slot.fill(picture)
        busy.append(slot)
    while busy:
        yield busy.popleft().taken()


class _Slot:
    """A buffer in the host's memory and the copy that is on its way to it."""

    def __init__(self) -> None:
        self._buffer = torch.empty(0, dtype=torch.uint8)
        self._stream: torch.cuda.Stream | None = None

    def fill(self, picture: Tensor) -> None:
        """Begin to copy a picture."""
        if self._buffer.shape != picture.shape:
            self._buffer = torch.empty(picture.shape, dtype=torch.uint8, pin_memory=picture.is_cuda)
        if not picture.is_cuda:
            self._buffer.copy_(picture)
            return
        if self._stream is None:
            self._stream = torch.cuda.Stream(picture.device)
        self._stream.wait_stream(torch.cuda.current_stream(picture.device))  # it is still being drawn
        with torch.cuda.stream(self._stream):
            self._buffer.copy_(picture, non_blocking=True)
        picture.record_stream(self._stream)  # its memory is not given to another tensor before that

    def taken(self) -> np.ndarray:
        """The picture, when it has arrived, out of the buffer."""
        if self._stream is not None:
            self._stream.synchronize()
        return self._buffer.numpy().copy()
