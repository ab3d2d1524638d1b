"""Stand a motion on the floor under another person, feet where they were.

Joint rotations alone do not carry over: on longer thighs the same angles put the feet elsewhere, so that a planted foot
slides and a squat sinks. Here the feet keep their places, scaled to the length of the legs, and hips and knees are
solved anew.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.open import load_open_body
from nopo.motion import Motion
from nopo.motions.contact import HEEL_BEHIND_ANKLE_M, floor_height, leg_scale, sole_points
from nopo.motions.legs import SIDES, J, bend_leg, hip_position, lower_into_reach
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

FLOATING_M = 0.03  # lower feet than this are meant to stand
_MAX_REACH = 0.9985


def ground(motion: Motion, rest_joints: torch.Tensor) -> Motion:
    """The motion for a person of other proportions.

    Steps, jumps and the height of the pelvis are scaled to the length of the legs; trunk, arms and the orientation of
    the feet stay. What is left of floating (under 3 cm) or sinking of the lower foot is then taken out frame by frame.

    Args:
        motion: as `load_motion` gives it, in the proportions of the open body.
        rest_joints: [55, 3] T-pose joints of the person, metres.
    """
    rest = rest_joints.to(motion.transl)
    theirs = load_open_body().rest_joints().to(rest)
    scale = leg_scale(rest) / leg_scale(theirs)
    turns = axis_angle_to_matrix(motion.rotations)  # [T, 55, 3, 3]
    transforms = forward_kinematics(turns, theirs, motion.transl)
    world, places = transforms[..., :3], move_points(transforms, theirs)

    ankles = {}
    for side in SIDES:
        ankle = J[f"{side}_ankle"]
        ankles[side] = rest[ankle] + scale * (places[:, ankle] - theirs[ankle])
        ankles[side] = ankles[side] + _other_foot(world[:, ankle], rest, theirs, scale, side)
    transl = lower_into_reach(rest, scale * motion.transl, world[:, 0], ankles, _MAX_REACH, motion.loop)
    rotations = motion.rotations.clone()
    for side in SIDES:
        hip, knee, ankle = (J[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        leg = ankles[side] - hip_position(rest, side, transl, world[:, 0])
        thigh, bend = bend_leg(rest, side, leg, toward=world[:, hip, :, 2])
        rotations[:, hip] = matrix_to_axis_angle(world[:, 0].mT @ thigh)
        rotations[:, knee] = matrix_to_axis_angle(bend)
        rotations[:, ankle] = matrix_to_axis_angle((thigh @ bend).mT @ world[:, ankle])
    return _settle(replace(motion, rotations=rotations, transl=transl), rest)


def stand(motion: Motion, rest_joints: torch.Tensor) -> Motion:
    """The motion for a person of other proportions, every joint rotation as it is: only the pelvis is moved.

    Args:
        motion: as `load_motion` gives it, in the proportions of the open body.
        rest_joints: [55, 3] T-pose joints of the person, metres.
    """
    rest = rest_joints.to(motion.transl)
    scale = leg_scale(rest) / leg_scale(load_open_body().rest_joints().to(rest))
    return _settle(replace(motion, transl=scale * motion.transl), rest)


def _other_foot(turn: torch.Tensor, rest: torch.Tensor, theirs: torch.Tensor, scale: float, side: str) -> torch.Tensor:
    """What keeps the ball (heel up) or the heel (toes up) of a foot of other proportions in its place: [T, 3].

    A foot that turns by R about a contact point p moves its ankle a by (yaw - R)(p - a), which here is the scaled
    lever of the one foot replaced by that of the other.
    """
    levers = []
    for joints in (rest, theirs):
        ankle, ball = joints[J[f"{side}_ankle"]], joints[J[f"{side}_foot"]]
        heel = joints.new_tensor([0.0, floor_height(joints), -HEEL_BEHIND_ANKLE_M * leg_scale(joints)])
        levers.append((ball - ankle, heel - ankle * heel.new_tensor([0.0, 1.0, 0.0])))
    ball, heel = (scale * wanted - own for own, wanted in zip(*levers, strict=True))  # [3] each
    forward = turn[..., 2]  # [T, 3]
    lever = torch.where(forward[:, 1:2] < 0, ball, heel)  # [T, 3]
    yaw = torch.zeros_like(forward)
    yaw[:, 1] = torch.atan2(forward[:, 0], forward[:, 2])
    return ((turn - axis_angle_to_matrix(yaw)) @ lever[..., None])[..., 0]


def _settle(motion: Motion, rest_joints: torch.Tensor) -> Motion:
    """Take out what the lower foot floats or sinks; leave jumps."""
    height = sole_points(motion, rest_joints)[..., 1].amin(1) - floor_height(rest_joints)  # [T]
    standing = 1 - (2 * (height - FLOATING_M) / FLOATING_M).clamp(0, 1)  # 1 up to 3 cm, 0 from 4.5 cm
    rise = torch.zeros_like(motion.transl)
    rise[:, 1] = -height * standing
    return replace(motion, transl=motion.transl + rise)
