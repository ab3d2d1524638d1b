"""Motions: loops written by us, and files that people bring (AMASS, SMPL-X, LHM, BVH).

Listing the names imports nothing heavy; each loop is written out when it is asked for, in a few milliseconds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nopo.errors import MotionError

if TYPE_CHECKING:
    from torch import Tensor

    from nopo.motion import Motion

MAX_SECONDS = 120.0
"""Longer files are cut here, with a warning, unless the caller says otherwise."""


@dataclass(frozen=True)
class Clip:
    """A built-in loop: a function of its name in a module of `nopo.motions.clips`.

    Attributes:
        module: where the function is.
        description: one line for people.
        floor_speed: metres a second that the floor passes under the open body's feet, for gaits in place.
    """

    module: str
    description: str
    floor_speed: float = 0.0


CLIPS: dict[str, Clip] = {
    "idle": Clip("everyday", "stands at ease, breathes, shifts weight"),
    "walk": Clip("gaits", "walks in place, as on a treadmill", floor_speed=1.18),
    "run": Clip("gaits", "runs in place, as on a treadmill", floor_speed=2.4),
    "turn": Clip("gaits", "turns around once in small steps"),
    "wave": Clip("everyday", "raises the right hand and waves"),
    "dance": Clip("dance", "steps and touches to a beat, hands low, then high"),
    "twist": Clip("dance", "dances the twist, low and high"),
    "tai-chi": Clip("dance", "cloud hands, slow and low"),
    "squat": Clip("sport", "squats with the arms to the front"),
    "jumping-jack": Clip("sport", "jumps with feet apart and hands overhead"),
    "lunge": Clip("sport", "a long step forward, down and back"),
    "stretch": Clip("sport", "arms up, bends to the left and to the right"),
    "boxing": Clip("sport", "jab, jab, cross"),
    "kick": Clip("sport", "a front kick with the right leg"),
    "march": Clip("gaits", "marches in place, knees high"),
    "side-step": Clip("gaits", "quick steps to the left and back"),
    "clap": Clip("everyday", "applauds"),
    "cheer": Clip("everyday", "both fists in the air"),
    "bow": Clip("everyday", "a polite bow"),
    "salute": Clip("everyday", "right hand to the brow"),
    "look-around": Clip("everyday", "looks left, right and up"),
}


def names() -> tuple[str, ...]:
    """Names of the built-in motions, in the order to show them."""
    return tuple(CLIPS)


def descriptions() -> dict[str, str]:
    """What each built-in motion is, in one line."""
    return {name: clip.description for name, clip in CLIPS.items()}


def load_motion(
    name_or_path: str | Path,
    *,
    rest_joints: Tensor | None = None,
    fps: float | None = None,
    up: Literal["auto", "y", "z", "-y"] = "auto",
    max_seconds: float = MAX_SECONDS,
    on_smplx: bool = False,
) -> Motion:
    """A built-in motion by name, or a motion file by path.

    Files may be AMASS or SMPL-X .npz, what `Motion.save` wrote, a folder, .zip or .json of SMPL-X frames, or .bvh.
    They come back upright, starting above the origin and facing +z, their feet on the floor of the open body.

    Args:
        name_or_path: one of `names()`, or a file or folder.
        rest_joints: [55, 3] T-pose joints of the person who will move, metres: the motion is fitted to them, feet on
            the floor and in place; the open body's if None.
        fps: resample to this rate; as written if None.
        up: the axis that points up in the file; "auto" finds out from how the person stands.
        max_seconds: longer files are cut, with a warning.
        on_smplx: the person stands on SMPL-X, so that the joint rotations of SMPL-X files are right as they are
            written; only the pelvis is moved.

    Raises:
        MotionError: no such motion, or a file that is not a motion.
    """
    name = str(name_or_path)
    if name in CLIPS:
        motion = _write_out(name, rest_joints)
    elif os.path.exists(name_or_path):
        from nopo.motions.files import read_motion

        motion = read_motion(Path(name_or_path), up, max_seconds, rest_joints, on_smplx)
    else:
        raise MotionError(
            f'There is no motion "{Path(name).name[:60]}": choose one of {", ".join(CLIPS)}, '
            "or give an .npz, .bvh, .json or .zip file."
        )
    return motion if fps is None else motion.resample(fps)


def _write_out(name: str, rest_joints: Tensor | None) -> Motion:
    from importlib import import_module

    if rest_joints is None:
        from nopo.body.open import load_open_body

        rest_joints = load_open_body().rest_joints()
    module = import_module(f"nopo.motions.clips.{CLIPS[name].module}")
    motion: Motion = getattr(module, name.replace("-", "_"))(rest_joints.cpu())
    return motion
