"""Legs of a body whose feet are given: how high the pelvis can be, and how hips and knees turn."""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.body.skeleton import JOINT_NAMES, PARENTS
from nopo.motions.curves import extended, soften
from nopo.motions.limbs import longest_reach, reach

SIDES = ("left", "right")
_BLUR_FRAMES = 3.0
J = {name: index for index, name in enumerate(JOINT_NAMES)}


def offset(rest_joints: Tensor, joint: str) -> Tensor:
    """From its parent to the joint, in the T-pose: [3] metres."""
    return rest_joints[J[joint]] - rest_joints[PARENTS[J[joint]]]


def hip_position(rest_joints: Tensor, side: str, transl: Tensor, pelvis: Tensor) -> Tensor:
    """World position [T, 3] of a hip for translations [T, 3] and orientations [T, 3, 3] of the pelvis."""
    return rest_joints[0] + transl + pelvis @ offset(rest_joints, f"{side}_hip")


def lower_into_reach(
    rest_joints: Tensor, transl: Tensor, pelvis: Tensor, ankles: dict[str, Tensor], share: float, loop: bool
) -> Tensor:
    """Translations that are lower, smoothly, wherever a leg would have to be longer than `share` of its length.

    Args:
        rest_joints: [55, 3] metres.
        transl: [T, 3] of the pelvis.
        pelvis: [T, 3, 3] its orientations.
        ankles: side -> [T, 3] where the ankles shall be.
        share: below 1, so that knees do not snap.
        loop: the first frame follows the last one.
    """
    for _ in range(4):
        excess = torch.zeros_like(transl[:, 1])
        for side, ankle in ankles.items():
            leg = ankle - hip_position(rest_joints, side, transl, pelvis)
            longest = share * longest_reach(offset(rest_joints, f"{side}_knee"), offset(rest_joints, f"{side}_ankle"))
            level = (leg[:, 0] ** 2 + leg[:, 2] ** 2).clamp(max=0.98 * longest**2)
            excess = torch.maximum(excess, -leg[:, 1] - (longest**2 - level).sqrt())
        if float(excess.max()) <= 1e-4:
            break
        wide = torch.nn.functional.max_pool1d(extended(excess, 2, loop)[None], 5, 1)[0]
        drop = torch.maximum(soften(wide, _BLUR_FRAMES, loop), excess)
        transl = transl - drop[:, None] * transl.new_tensor([0.0, 1.0, 0.0])
    return transl


def bend_leg(rest_joints: Tensor, side: str, leg: Tensor, toward: Tensor) -> tuple[Tensor, Tensor]:
    """World orientation of the hip joint and rotation of the knee relative to it, both [T, 3, 3].

    Args:
        rest_joints: [55, 3] metres.
        side: "left" or "right".
        leg: [T, 3] from hip to ankle, in world.
        toward: [T, 3] where the knee points.
    """
    return reach(
        offset(rest_joints, f"{side}_knee"),
        offset(rest_joints, f"{side}_ankle"),
        hinge=rest_joints.new_tensor([1.0, 0.0, 0.0]),
        bulge=rest_joints.new_tensor([0.0, 0.0, 1.0]),
        target=leg,
        toward=toward,
    )
