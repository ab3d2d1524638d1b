"""AMASS and SMPL-X .npz files, and those of `Motion.save`.

Nothing is unpickled, and no array is read beyond the frames that are used, whatever its header or the archive says:
rows are taken from the front of the compressed stream. Arrays that lie column by column are read whole, if they are not
too large.
"""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from nopo.errors import MotionError
from nopo.motions.files.parts import (
    ARRAY_NAMES,
    FRAME_RATE,
    LOGGER,
    MAX_FRAMES,
    MAX_ROW,
    Recording,
    assemble,
    frame_limit,
)

MAX_COLUMN_MAJOR = 1 << 25
"""Numbers in an array whose first frames are not what comes first: a quarter of a gigabyte."""

DEFAULT_FPS = 30.0

# What zipfile and numpy's header reader let out when bytes are wrong.
_DAMAGE = (
    ValueError, TypeError, IndexError, SyntaxError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError,
    tokenize.TokenError,
)  # fmt: skip


def read_npz(path: Path, max_seconds: float) -> Recording:
    """Read poses, translations and frame rate; shapes, markers and all else are ignored.

    Raises:
        MotionError: see `nopo.motions.files.parts`; also object arrays and damaged members.
    """
    name = path.name
    with zipfile.ZipFile(path) as archive:
        members = {Path(member).stem: member for member in archive.namelist() if member.endswith(".npy")}
        try:
            fps = _frame_rate(archive, members, name)
            wanted = sorted(ARRAY_NAMES & members.keys())
            frames = max((_announced_frames(archive, members[key]) for key in wanted), default=1)
            limit = frame_limit(frames, fps, max_seconds, name)
            arrays = {key: _first_rows(archive, members[key], limit) for key in wanted}
            ours = "nopo_loop" in members
            loop = ours and limit == frames and bool(_first_rows(archive, members["nopo_loop"], 1))
        except _DAMAGE as error:
            raise MotionError(f"{name} is damaged or holds more than plain numbers: export it again.") from error
    rotations, transl = assemble(arrays, name)
    return Recording(rotations, transl, fps, settled=ours, loop=loop)


def _frame_rate(archive: zipfile.ZipFile, members: dict[str, str], name: str) -> float:
    for key in FRAME_RATE:
        if key in members:
            return float(_first_rows(archive, members[key], 1).reshape(-1)[0])
    LOGGER.warning("%s does not tell its frame rate; %g frames a second are assumed", name, DEFAULT_FPS)
    return DEFAULT_FPS


def _announced_frames(archive: zipfile.ZipFile, member: str) -> int:
    with archive.open(member) as stream:
        shape, _, _ = _header(stream)
    return shape[0] if len(shape) > 1 else 1


def _first_rows(archive: zipfile.ZipFile, member: str, rows: int) -> np.ndarray:
    """The first `rows` rows of an array; vectors and numbers whole."""
    with archive.open(member) as stream:
        shape, column_major, dtype = _header(stream)
        row = math.prod(shape[1:])
        if len(shape) < 2 or column_major:
            rows = shape[0] if shape else 1  # what comes first in the stream is not the first frames
        rows = min(rows, shape[0]) if shape else 1
        too_large = column_major and rows * row > MAX_COLUMN_MAJOR
        if row > MAX_ROW or rows > MAX_FRAMES or too_large or min(shape, default=0) < 0:
            raise ValueError(f"array of shape {shape}")
        data = stream.read(rows * row * dtype.itemsize)
    array = np.frombuffer(data, dtype, count=rows * row)
    return array.reshape((rows, *shape[1:]) if shape else (), order="F" if column_major else "C")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, column_major, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, column_major, dtype = np.lib.format.read_array_header_2_0(stream)
    if dtype.kind not in "fiub":
        raise TypeError(f"array of {dtype}")
    return shape, column_major, dtype
