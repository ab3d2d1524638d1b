"""Two-segment inverse kinematics: where an upper and a lower limb must turn for the end to reach a point."""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.rotations import axis_angle_to_matrix

REACH = 0.999  # of the straight limb: the last thousandth costs several degrees in a single frame


def reach(
    upper: Tensor, lower: Tensor, hinge: Tensor, bulge: Tensor, target: Tensor, toward: Tensor
) -> tuple[Tensor, Tensor]:
    """Place the end of a limb that has a ball joint at its root and a hinge in its middle.

    The bend follows from the distance alone: |u + R(a) l|² = |target|² is an equation A + B cos a + C sin a = D in
    the hinge angle a (Rodrigues). The root then turns the bent limb onto the target, the middle pointing `toward`.

    Args:
        upper: [3] root -> middle, in the rest pose, metres.
        lower: [3] middle -> end, in the rest pose.
        hinge: [3] unit axis in the rest frame about which positive angles bend the limb the way it can bend.
        bulge: [3] where the middle joint moves when the limb bends, in the rest frame (a knee: forward).
        target: [T, 3] root -> wanted end, in the frame of the answer.
        toward: [T, 3] where the middle joint shall point, not parallel to target.

    Returns:
        Rotation of the root [T, 3, 3] in the frame of the target, and of the hinge relative to it [T, 3, 3].
        Targets that are too far are reached for in their direction.
    """
    across = torch.linalg.cross(hinge, lower)  # [3]
    straight = (upper @ hinge) * (lower @ hinge)
    cosine = upper @ lower - straight
    sine = upper @ across
    amplitude, best = torch.hypot(cosine, sine), torch.atan2(sine, cosine)
    lengths = (upper @ upper) + (lower @ lower)
    longest = (lengths + 2 * (straight + amplitude)).sqrt() * REACH
    distance = target.norm(dim=-1).clamp(max=float(longest))  # [T]
    wanted = ((distance**2 - lengths) / 2 - straight) / amplitude
    angle = best + wanted.clamp(-1, 1).acos()  # [T]
    bend = axis_angle_to_matrix(angle[:, None] * hinge)  # [T, 3, 3]

    bent = upper + bend @ lower  # [T, 3]
    root = _frame(target, toward) @ _frame(bent, bulge.expand_as(bent)).transpose(-1, -2)
    return root, bend


def longest_reach(upper: Tensor, lower: Tensor) -> float:
    """How far the end may be from the root, metres."""
    return float(upper.norm() + lower.norm()) * REACH


def _frame(along: Tensor, toward: Tensor) -> Tensor:
    """Right-handed orthonormal columns: `along`, the part of `toward` across it, and their product. [T, 3, 3]."""
    first = torch.nn.functional.normalize(along, dim=-1)
    second = torch.nn.functional.normalize(toward - (toward * first).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)
