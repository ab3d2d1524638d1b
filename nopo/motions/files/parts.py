"""What a recording of an SMPL-family body consists of, under the names that the various tools give the parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nopo.body.skeleton import NUM_JOINTS
from nopo.errors import MotionError
from nopo.motion import MAX_FPS
from nopo.motions.hands import left_hand, mirrored

LOGGER = logging.getLogger(__name__)

MAX_FRAMES = 1_000_000
"""Files that announce more are refused unread: at 120 frames a second this is more than two hours."""

MAX_ROW = 256
"""Numbers a frame of one part; a row of whole poses has 165."""

MIN_FPS = 0.1

TRANSLATION = ("trans", "transl", "translation", "smpl_trans")
FRAME_RATE = ("mocap_frame_rate", "mocap_framerate", "mocap_fps", "frame_rate", "framerate", "fps")
WHOLE = ("poses", "full_pose", "fullpose", "pose")

# Names of each part, and where its joints begin and end among the 55.
PARTS: dict[tuple[str, ...], tuple[int, int]] = {
    ("root_orient", "global_orient", "root_pose"): (0, 1),
    ("pose_body", "body_pose"): (1, 22),
    ("pose_jaw", "jaw_pose"): (22, 23),
    ("leye_pose", "left_eye_pose"): (23, 24),
    ("reye_pose", "right_eye_pose"): (24, 25),
    ("pose_eye",): (23, 25),
    ("left_hand_pose", "lhand_pose", "pose_lhand"): (25, 40),
    ("right_hand_pose", "rhand_pose", "pose_rhand"): (40, 55),
    ("pose_hand", "hand_pose"): (25, 55),
}

ARRAY_NAMES = frozenset((*TRANSLATION, *WHOLE, *(name for names in PARTS for name in names)))


@dataclass(frozen=True)
class Recording:
    """Frames as a file has them: which way is up and where the floor is are not known yet.

    Attributes:
        rotations: (T, 55, 3) float32 axis-angle, radians.
        transl: (T, 3) float32 metres.
        fps: frames a second.
        settled: it was written by `Motion.save`, and comes upright and in place.
        loop: the first frame follows the last one.
        retargeted: the rotations were worked out from those of another skeleton.
    """

    rotations: np.ndarray
    transl: np.ndarray
    fps: float
    settled: bool = False
    loop: bool = False
    retargeted: bool = False


def frame_limit(frames: int, fps: float, max_seconds: float, name: str) -> int:
    """How many of `frames` to read; says so when the end is cut off.

    Raises:
        MotionError: no frames, beyond all bounds, or a frame rate that is none.
    """
    if not MIN_FPS <= fps <= MAX_FPS:
        raise MotionError(
            f"{name} gives a frame rate of {fps:g}: export the motion again with one of {MIN_FPS} to {MAX_FPS}."
        )
    if frames == 0:
        raise MotionError(f"{name} has no frames: export the motion again.")
    if frames > MAX_FRAMES:
        raise MotionError(f"{name} has {frames:,} frames, more than the {MAX_FRAMES:,} that are read: cut it first.")
    limit = max(1, int(max_seconds * fps))
    if frames > limit:
        LOGGER.warning("%s lasts %.0f s; only its first %.0f s are used", name, frames / fps, max_seconds)
    return min(frames, limit)


def assemble(arrays: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T, 55, 3) and translations (T, 3) from arrays under any of the known names.

    A whole pose may have 22, 24 (SMPL), 52 (SMPL-H) or 55 (SMPL-X) joints. Fingers that are missing are relaxed.

    Raises:
        MotionError: there is no pose among the arrays, or not one of these skeletons.
    """
    whole = next((arrays[key] for key in WHOLE if key in arrays), None)
    if whole is not None:
        joints = _joints(whole, name)
        rotations, has_hands = _spread(joints, name)
    else:
        rotations, has_hands = _from_parts(arrays, name)
    frames = len(rotations)
    if not has_hands:
        rotations[:, 25:40] = left_hand("relaxed").numpy()
        rotations[:, 40:55] = mirrored(left_hand("relaxed")).numpy()
    transl = next((arrays[key] for key in TRANSLATION if key in arrays), np.zeros((frames, 3)))
    transl = np.asarray(transl, np.float32).reshape(-1, 3) if transl.size % 3 == 0 else np.zeros((0, 3), np.float32)
    if len(transl) != frames:
        raise MotionError(f"{name} has {frames} poses but {len(transl)} translations: export the motion again.")
    return rotations, transl


def _joints(array: np.ndarray, name: str) -> np.ndarray:
    """(T, 3 n), (T, n, 3) or one frame (3 n,) as (T, n, 3)."""
    flat = np.atleast_2d(array)
    flat = flat.reshape(len(flat), -1) if flat.size else flat
    if flat.ndim != 2 or flat.shape[1] % 3:
        raise MotionError(f"{name} holds poses of shape {array.shape}, not three numbers a joint.")
    return flat.reshape(len(flat), -1, 3).astype(np.float32)


def _spread(joints: np.ndarray, name: str) -> tuple[np.ndarray, bool]:
    """A whole pose of any family member onto the 55 joints, and whether fingers were among them."""
    count = joints.shape[1]
    rotations = np.zeros((len(joints), NUM_JOINTS, 3), np.float32)
    if count == NUM_JOINTS:
        return joints, True
    if count not in (22, 24, 52):
        raise MotionError(
            f"{name} has {count} joints: its skeleton is none of SMPL-X (55), SMPL-H (52), SMPL (24) or its body (22)."
        )
    rotations[:, :22] = joints[:, :22]  # SMPL's own joints 22 and 23 are whole hands, which SMPL-X does not have
    if count == 52:
        rotations[:, 25:55] = joints[:, 22:52]
    return rotations, count == 52


def _from_parts(arrays: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, bool]:
    found = {where: arrays[key] for names, where in PARTS.items() for key in names[::-1] if key in arrays}
    body = found.get((1, 22))
    if body is None:
        raise MotionError(f"{name} holds no pose of a body (poses, or root_orient and pose_body): is it a motion?")
    frames = len(_joints(body, name))
    rotations = np.zeros((frames, NUM_JOINTS, 3), np.float32)
    has_hands = False
    for where, array in found.items():
        joints = _joints(array, name)
        start, stop = where
        if where == (1, 22) and joints.shape[1] == 23:  # SMPL's body_pose, with its two hands at the end
            joints = joints[:, :21]
        if len(joints) == 1 and frames > 1:
            joints = np.repeat(joints, frames, 0)
        if len(joints) != frames:
            raise MotionError(f"{name} has {frames} body poses but {len(joints)} of another part: export it again.")
        if joints.shape[1] != stop - start:
            if start >= 25:
                LOGGER.warning("%s: fingers given as %d numbers (PCA) are left relaxed", name, 3 * joints.shape[1])
                continue
            raise MotionError(f"{name} has {joints.shape[1]} joints in a part that has {stop - start} in SMPL-X.")
        rotations[:, start:stop] = joints
        has_hands = has_hands or start >= 25
    return rotations, has_hands
