"""From a recording to a motion: upright, starting above the origin, facing +z, feet on the floor."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.motion import Motion
from nopo.motions.contact import floor_height, sole_points
from nopo.motions.files.parts import Recording
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

LOGGER = logging.getLogger(__name__)

Up = Literal["auto", "y", "z", "-y"]

# World rotations (row by row) that bring the axis to +y.
_TO_Y_UP: dict[str, tuple[tuple[float, ...], ...]] = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),  # AMASS and other motion capture
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),  # camera coordinates, as video trackers give
}


def arrange(recording: Recording, up: Up = "auto") -> Motion:
    """A motion in the project's world; one that we wrote ourselves stays as it is.

    The steps keep their length. Height is set once for all frames, so that the feet of the lowest frames stand on the
    floor of the open body; `nopo.motions.ground` fits it to a person.
    """
    rotations, transl = torch.tensor(recording.rotations), torch.tensor(recording.transl)
    motion = Motion(rotations, transl, recording.fps, recording.loop)  # refuses NaN before anything is computed
    if recording.settled:
        return motion
    turn = rotations.new_tensor(_TO_Y_UP[guess_up(rotations[:, 0]) if up == "auto" else up])
    turn = _facing_camera(turn @ axis_angle_to_matrix(rotations[0, 0])) @ turn
    rotations = rotations.clone()
    rotations[:, 0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(rotations[:, 0]))
    transl = (transl - transl[0]) @ turn.T  # [T, 3]
    motion = replace(motion, rotations=rotations, transl=transl)

    rest_joints = load_open_body().rest_joints()
    height = sole_points(motion, rest_joints)[..., 1].amin(1) - floor_height(rest_joints)  # [T]
    standing = height.quantile(0.05)
    return replace(motion, transl=transl - transl.new_tensor([0.0, 1.0, 0.0]) * standing)


def guess_up(global_orient: Tensor) -> Up:
    """Which axis points up, from where the spine points most of the time.

    People stand more than they lie, and the spine of SMPL points along its own +y.

    Args:
        global_orient: [T, 3] axis-angle of the pelvis.
    """
    spine = axis_angle_to_matrix(global_orient)[..., 1].median(0).values  # [3]
    candidates: dict[Up, float] = {"y": float(spine[1]), "z": float(spine[2]), "-y": -float(spine[1])}
    best = max(candidates, key=lambda axis: candidates[axis])
    if candidates[best] < 0.5:
        LOGGER.warning("cannot tell which way is up in this motion; %s is taken, choose another if it lies", best)
    return best


def _facing_camera(pelvis: Tensor) -> Tensor:
    """Rotation [3, 3] about +y that turns the pelvis [3, 3] to face +z; none if it faces up or down."""
    forward = pelvis[:, 2]
    if torch.hypot(forward[0], forward[2]) < 0.3:
        return torch.eye(3)
    yaw = -torch.atan2(forward[0], forward[2])
    return axis_angle_to_matrix(yaw * torch.tensor([0.0, 1.0, 0.0]))
