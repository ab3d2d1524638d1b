"""The one skeleton of the project: the 55 joints of SMPL-X, and the 69 bones that Gaussians are bound to.

A joint is a point of the tree; a *bone* is a segment. Bone `k < 54` is the edge from `PARENTS[k + 1]` to joint
`k + 1` and moves with the parent end of it. Each of the 15 leaf joints carries one more bone, without a far end,
that moves with the leaf itself. Bone weights are finer than joint weights: a joint with several children has
several bones, and the shape warp between two people treats each of them on its own.

Sources: joint names and tree of SMPL-X (Pavlakos et al., CVPR 2019); bones as in NoPo-Avatar.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")

JOINT_NAMES: tuple[str, ...] = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "jaw",
    "left_eye",
    "right_eye",
    *(f"{side}_{finger}{i}" for side in ("left", "right") for finger in _FINGERS for i in (1, 2, 3)),
)

# fmt: off
PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)
# fmt: on

NUM_JOINTS = len(PARENTS)
LEAVES: tuple[int, ...] = tuple(j for j in range(NUM_JOINTS) if j not in PARENTS)

BONES: tuple[tuple[int, int | None], ...] = (
    *((PARENTS[j], j) for j in range(1, NUM_JOINTS)),
    *((leaf, None) for leaf in LEAVES),
)
"""(joint the bone moves with, joint at its far end or None for a leaf bone)."""

NUM_BONES = len(BONES)


def _mirrored_name(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


JOINT_FLIP: tuple[int, ...] = tuple(JOINT_NAMES.index(_mirrored_name(name)) for name in JOINT_NAMES)
"""`JOINT_FLIP[j]` is the joint on the other side of the body."""

BONE_FLIP: tuple[int, ...] = tuple(
    BONES.index((JOINT_FLIP[near], None if far is None else JOINT_FLIP[far])) for near, far in BONES
)
"""`BONE_FLIP[k]` is the bone on the other side of the body."""


ACROSS = (-1.0, 1.0, 1.0)
"""What a point of the T-pose is multiplied with to lie on the other side of the body."""


def sum_bones_to_joints(bone_weights: Tensor) -> Tensor:
    """Add up, for every joint, the weights of the bones that move with it.

    Args:
        bone_weights: [..., 69].

    Returns:
        [..., 55], with the same sum over the last axis.
    """
    joint_of_bone = torch.tensor([near for near, _ in BONES], device=bone_weights.device)
    joint_weights = bone_weights.new_zeros(*bone_weights.shape[:-1], NUM_JOINTS)
    return joint_weights.index_add(-1, joint_of_bone, bone_weights)  # [..., 55]


def joint_weights_from_bones(bone_weights: Tensor) -> Tensor:
    """Joint weights for linear blend skinning, exactly as NoPo-Avatar derives them from its bone weights.

    The sums per joint are divided by their Euclidean norm, floored at 1e-6 and brought back to sum 1. The floor
    leaves about 5e-5 of mass on joints that have nothing to do with the point; the published weights were trained
    with it, so it stays.

    Args:
        bone_weights: [..., 69], rows sum to 1.

    Returns:
        [..., 55], rows sum to 1.
    """
    summed = sum_bones_to_joints(bone_weights)  # [..., 55]
    norm = summed.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    floored = (summed / norm).clamp_min(1e-6)
    return floored / floored.sum(dim=-1, keepdim=True)
