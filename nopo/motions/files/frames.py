"""Sequences of SMPL-X .json files, one a frame, in a folder or a .zip, as LHM and NoPo-Avatar use them.

Keys: betas, trans, root_pose, body_pose, lhand_pose, rhand_pose, jaw_pose, leye_pose, reye_pose, and those of a camera
(img_size_wh, focal, princpt, pad_ratio). Shape and camera are ignored: the avatar has its own. One .json that holds a
list of such frames is read too. The format tells no frame rate; unless the first frame has a key for it as other files
do, 20 a second are assumed.
"""

from __future__ import annotations

import json
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nopo.errors import MotionError
from nopo.motions.files.parts import ARRAY_NAMES, FRAME_RATE, MAX_ROW, Recording, assemble, frame_limit

DEFAULT_FPS = 20.0  # as NoPo-Avatar plays them, whose frames do not tell
MAX_FRAME_BYTES = 1 << 20
MAX_LIST_BYTES = 256 << 20


def read_frames(path: Path, max_seconds: float) -> Recording:
    """Read the frames in the order of their names, numbers counted as numbers.

    Raises:
        MotionError: no frames, a frame that is not SMPL-X, or frames that differ in what they hold.
    """
    if path.is_dir():
        files = _in_order(file.relative_to(path).as_posix() for file in path.rglob("*.json"))
        return _record(_from_folder(path, files), len(files), max_seconds, path.name)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = _in_order(archive.namelist())
            return _record(_from_archive(archive, files), len(files), max_seconds, path.name)
    frames = _list_of_frames(path)
    return _record(iter(frames), len(frames), max_seconds, path.name)


def _in_order(names: Iterable[str]) -> list[str]:
    """The .json files of the folder that has most of them, by name, 2 before 10."""
    paths = [PurePosixPath(name) for name in names if name.lower().endswith(".json")]
    paths = [path for path in paths if not path.name.startswith(".") and "__MACOSX" not in path.parts]
    if not paths:
        return []
    folder = Counter(path.parent for path in paths).most_common(1)[0][0]

    def by_number(path: PurePosixPath) -> list[tuple[int, str]]:
        return [(int(digits or -1), word) for digits, word in re.findall(r"(\d{1,18})|(\D+)", path.name)]

    return [str(path) for path in sorted((path for path in paths if path.parent == folder), key=by_number)]


def _from_folder(folder: Path, files: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        with (folder / file).open("rb") as stream:
            yield _parse(stream.read(MAX_FRAME_BYTES + 1), PurePosixPath(file).name)


def _from_archive(archive: zipfile.ZipFile, files: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        name = PurePosixPath(file).name
        try:
            with archive.open(file) as stream:
                text = stream.read(MAX_FRAME_BYTES + 1)
        except (zlib.error, lzma.LZMAError, RuntimeError) as error:  # the last: a password, or a rare compression
            raise MotionError(f"{name} cannot be unpacked: zip the frames again, without a password.") from error
        yield _parse(text, name)


def _parse(text: bytes, name: str) -> dict[str, Any]:
    if len(text) > MAX_FRAME_BYTES:
        raise MotionError(f"{name} is larger than any frame of a motion: give one small .json file a frame.")
    frame = _load(text, name)
    if not isinstance(frame, dict):
        raise MotionError(f"{name} is not a frame of SMPL-X parameters: it should hold root_pose, body_pose and trans.")
    return frame


def _list_of_frames(path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise MotionError(f"{path.name} is larger than {MAX_LIST_BYTES >> 20} MB: cut the motion first.")
    frames = _load(path.read_bytes(), path.name)
    frames = [frames] if isinstance(frames, dict) else frames
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise MotionError(f"{path.name} is not a list of frames of SMPL-X parameters.")
    return frames


def _load(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MotionError(f"{name} is not readable JSON: it is damaged or incomplete; export it again.") from error


def _record(frames: Iterator[dict[str, Any]], announced: int, max_seconds: float, name: str) -> Recording:
    columns: dict[str, list[np.ndarray]] = {}
    first = next(frames, {})
    try:
        fps = next((float(first[key]) for key in FRAME_RATE if key in first), DEFAULT_FPS)
        count = frame_limit(announced, fps, max_seconds, name)
        for frame in islice(chain([first], frames), count):
            for key in ARRAY_NAMES & frame.keys():
                numbers = np.asarray(frame[key], np.float32).reshape(-1)
                if len(numbers) > MAX_ROW:
                    raise ValueError(key)
                columns.setdefault(key, []).append(numbers)
        arrays = {key: np.stack(rows) for key, rows in columns.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise MotionError(f"{name} has frames whose numbers are not SMPL-X parameters: export it again.") from error
    if any(len(array) != count for array in arrays.values()):
        raise MotionError(f"{name} has frames that lack what others have: export it again.")
    rotations, transl = assemble(arrays, name)
    return Recording(rotations, transl, fps)
