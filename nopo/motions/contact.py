"""Feet and floor: where the soles are, and how far they slide while they stand.

The floor of a person is the height of the lowest ankle or toe joint in the T-pose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.skeleton import JOINT_NAMES
from nopo.motion import Motion
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

LEG_M = 0.8127  # hip to ankle of the open body's mean: the size that motions are kept in
HEEL_BEHIND_ANKLE_M = 0.05  # on that body

_ANKLES = [JOINT_NAMES.index(name) for name in ("left_ankle", "right_ankle")]
_BALLS = [JOINT_NAMES.index(name) for name in ("left_foot", "right_foot")]
_HIP, _KNEE, _ANKLE = (JOINT_NAMES.index(f"left_{name}") for name in ("hip", "knee", "ankle"))


def leg_scale(rest_joints: Tensor) -> float:
    """Length of the legs of a T-pose [55, 3] over that of the open body's."""
    hip, knee, ankle = rest_joints[_HIP], rest_joints[_KNEE], rest_joints[_ANKLE]
    return float((knee - hip).norm() + (ankle - knee).norm()) / LEG_M


def floor_height(rest_joints: Tensor) -> float:
    """Height of the floor under the T-pose [55, 3], metres, in the frame of the joints."""
    return float(rest_joints[_ANKLES + _BALLS, 1].min())


def sole_points(motion: Motion, rest_joints: Tensor) -> Tensor:
    """Left heel, right heel, left ball, right ball of the feet over time: [T, 4, 3] metres.

    The balls are the toe joints; a heel is the point a little behind the ankle at the height of the floor.
    """
    transforms = forward_kinematics(axis_angle_to_matrix(motion.rotations), rest_joints, motion.transl)
    points = rest_joints[_ANKLES + _BALLS].clone()  # [4, 3]
    points[:2, 1] = floor_height(rest_joints)
    points[:2, 2] -= HEEL_BEHIND_ANKLE_M * leg_scale(rest_joints)
    return move_points(transforms[:, _ANKLES + _BALLS], points)


def foot_sliding(motion: Motion, rest_joints: Tensor, floor_speed: float = 0.0, touch: float = 0.01) -> float:
    """The farthest that any part of a sole moves over the floor within one contact, metres.

    A contact is an unbroken run of frames, around the loop, in which a heel or a ball is less than `touch` metres
    above the floor. Distances are taken from where the contact began.

    Args:
        motion: a loop.
        rest_joints: [55, 3] of the person.
        floor_speed: metres a second that the floor itself runs towards -z (a treadmill).
        touch: metres.
    """
    points = sole_points(motion, rest_joints)
    touching = points[..., 1] < floor_height(rest_joints) + touch  # [T, 4]
    frames, worst = len(motion), 0.0
    for k in range(points.shape[1]):
        down = touching[:, k].tolist()
        first = next((t for t in range(frames) if down[t] and not down[t - 1]), 0)
        start = first
        for step in range(frames):
            t = (first + step) % frames
            if not down[t]:
                start = -1
                continue
            if start < 0 or step == 0:
                start, begun = t, step
            moved = points[t, k, [0, 2]] - points[start, k, [0, 2]]
            moved[1] += floor_speed * (step - begun) / motion.fps
            worst = max(worst, float(moved.norm()))
    return worst


def loop_gap(motion: Motion) -> float:
    """How the step from the last frame to the first compares with the biggest of the four steps beside it.

    About 1 or less means that the seam cannot be told from any other frame. A step is the largest angle that any
    joint turns by from one frame to the next.
    """
    matrices = axis_angle_to_matrix(motion.rotations)
    turned = matrix_to_axis_angle(matrices.roll(1, 0).mT @ matrices)  # [T, 55, 3], [0] is the seam
    step = turned.norm(dim=-1).amax(-1)  # [T]
    return float(step[0] / torch.cat([step[-2:], step[1:3]]).max().clamp_min(1e-3))
