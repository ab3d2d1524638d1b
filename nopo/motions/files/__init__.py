"""Motion files that people bring; which reader a file needs is told from what it begins with, not from its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from torch import Tensor

from nopo.errors import MotionError
from nopo.motion import Motion
from nopo.motions.files.arrange import Up, arrange
from nopo.motions.files.bvh import read_bvh
from nopo.motions.files.frames import read_frames
from nopo.motions.files.npz import read_npz
from nopo.motions.files.parts import Recording
from nopo.motions.ground import ground, stand

KINDS = "an AMASS or SMPL-X .npz, a folder or .zip of SMPL-X .json frames, or a .bvh"


def read_motion(path: Path, up: Up, max_seconds: float, rest_joints: Tensor | None, on_smplx: bool) -> Motion:
    """Read any supported file or folder; arguments are those of `nopo.motions.load_motion`.

    Raises:
        MotionError: it is not a motion, damaged, too big, or of another skeleton.
    """
    try:
        recording = _read(path, max_seconds)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise MotionError(f"{path.name} cannot be read ({_reason(error)}): copy or export it again.") from error
    motion = arrange(recording, up)
    if rest_joints is None:
        return motion
    return (stand if on_smplx and not recording.retargeted else ground)(motion, rest_joints.cpu())


def _read(path: Path, max_seconds: float) -> Recording:
    if path.is_dir():
        return read_frames(path, max_seconds)
    with path.open("rb") as file:
        start = file.read(2048)
    if not start:
        raise MotionError(f"{path.name} is empty: give {KINDS}.")
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            is_npz = any(name.endswith(".npy") for name in archive.namelist())
        return read_npz(path, max_seconds) if is_npz else read_frames(path, max_seconds)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:9].upper() == b"HIERARCHY":
        return read_bvh(path, max_seconds)
    if text[:1] in (b"[", b"{"):
        return read_frames(path, max_seconds)
    raise MotionError(f"{path.name} is not a motion: give {KINDS}.")


def _reason(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile | EOFError):
        return "it is damaged or incomplete"
    return (error.strerror or "input error").lower() if isinstance(error, OSError) else "input error"
