"""How joints move: forward kinematics of a pose, and the warp between the bones of two people.

Both give affine transforms [..., 3, 4] = [linear | shift] that take a point of the rest pose to its place,
`x' = linear @ x + shift`; `nopo.articulate` blends them. World: metres, +y up, T-pose facing +z.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nopo.body.skeleton import BONES, LEAVES, NUM_JOINTS, PARENTS
from nopo.rotations import skew

LeafBones = Literal["identity", "inherit"]


def _depth(joint: int) -> int:
    return 0 if joint == 0 else 1 + _depth(PARENTS[joint])


def _tree_levels() -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """For each depth below the root: its joints, and the places of their parents in the level above."""
    levels = []
    above: tuple[int, ...] = (0,)
    for depth in range(1, 1 + max(map(_depth, range(NUM_JOINTS)))):
        joints = tuple(j for j in range(NUM_JOINTS) if _depth(j) == depth)
        levels.append((joints, tuple(above.index(PARENTS[j]) for j in joints)))
        above = joints
    return tuple(levels)


_LEVELS = _tree_levels()
_LEVEL_ORDER = [0, *(joint for joints, _ in _LEVELS for joint in joints)]
_ORDER_TO_JOINT = [_LEVEL_ORDER.index(j) for j in range(NUM_JOINTS)]
_EDGE_STARTS = [near for near, far in BONES if far is not None]
_EDGE_ENDS = [far for _, far in BONES if far is not None]


def forward_kinematics(rotations: Tensor, rest_joints: Tensor, transl: Tensor | None = None) -> Tensor:
    """Rest pose to posed, one transform per joint (SMPL-X without its blend shapes).

    The tree is walked one depth at a time, all joints of a depth and all frames at once.

    Args:
        rotations: [..., 55, 3, 3] relative to the parent joint; joint 0 is the global orientation.
        rest_joints: [..., 55, 3] joints of the T-pose, metres.
        transl: [..., 3] metres; the posed pelvis lies at `rest_joints[0] + transl`.

    Returns:
        [..., 55, 3, 4] transforms of rest points to world.
    """
    batch = torch.broadcast_shapes(rotations.shape[:-3], rest_joints.shape[:-2])
    rotations = rotations.expand(*batch, NUM_JOINTS, 3, 3)
    rest_joints = rest_joints.expand(*batch, NUM_JOINTS, 3)
    root = rest_joints[..., :1, :]
    turn = rotations[..., :1, :, :]  # [..., joints of this depth, 3, 3]
    place = root if transl is None else root + transl[..., None, :]  # [..., joints of this depth, 3]
    turns, places = [turn], [place]
    for joints, parents in _LEVELS:
        joint_index, parent_index = list(joints), list(parents)
        offsets = rest_joints[..., joint_index, :] - rest_joints[..., [PARENTS[j] for j in joints], :]
        above = turn[..., parent_index, :, :]
        place = place[..., parent_index, :] + (above @ offsets[..., None])[..., 0]
        turn = above @ rotations[..., joint_index, :, :]
        turns.append(turn)
        places.append(place)
    linear = torch.cat(turns, -3)[..., _ORDER_TO_JOINT, :, :]  # [..., 55, 3, 3]
    posed = torch.cat(places, -2)[..., _ORDER_TO_JOINT, :]  # [..., 55, 3]
    return _about(linear, rest_joints, posed)


def remove_root(viewmats: Tensor, orientation: Tensor, transl: Tensor, pelvis: Tensor) -> Tensor:
    """Cameras that see a person without global orientation and translation as these see them with both (NoPo-Avatar).

    All poses of the published training and test data are told this way.

    Args:
        viewmats: [..., 4, 4] world -> camera.
        orientation: [..., 3, 3] rotation of joint 0.
        transl: [..., 3] metres, as in `forward_kinematics`.
        pelvis: [..., 3] joint 0 of the T-pose, metres.

    Returns:
        [..., 4, 4].
    """
    shift = pelvis + transl - (orientation @ pelvis[..., None])[..., 0]
    placed = torch.cat([orientation, shift[..., None]], -1)  # [..., 3, 4] person -> world
    batch = torch.broadcast_shapes(viewmats.shape[:-2], placed.shape[:-2])
    bottom = viewmats.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*batch, 1, 4)
    return viewmats @ torch.cat([placed.expand(*batch, 3, 4), bottom], -2)


def move_points(transforms: Tensor, points: Tensor) -> Tensor:
    """Apply transforms [..., J, 3, 4] to one point each [..., J, 3]; with rest joints, these are the posed joints."""
    return (transforms[..., :3] @ points[..., None])[..., 0] + transforms[..., 3]


def bone_shape_warp(source_joints: Tensor, target_joints: Tensor, leaf_bones: LeafBones = "inherit") -> Tensor:
    """One person's T-pose to another's, one similarity transform per bone (NoPo-Avatar).

    An edge bone is scaled by the ratio of the lengths and turned by the smallest rotation between its directions.

    Args:
        source_joints: [..., 55, 3] metres.
        target_joints: [..., 55, 3] metres; leading axes broadcast.
        leaf_bones: what the bones without a far end do. "identity", as in the published models: they stay where they
            were. "inherit", as for the open body: they scale and turn like the bone that ends in their joint, so that
            fingertips and toes stay attached.

    Returns:
        [..., 69, 3, 4].
    """
    source_joints, target_joints = torch.broadcast_tensors(source_joints, target_joints)
    start = source_joints[..., _EDGE_STARTS, :]
    target_start = target_joints[..., _EDGE_STARTS, :]
    edge = source_joints[..., _EDGE_ENDS, :] - start  # [..., 54, 3]
    target_edge = target_joints[..., _EDGE_ENDS, :] - target_start
    length = edge.norm(dim=-1)
    ratio = torch.where(length > 1e-8, target_edge.norm(dim=-1) / length.clamp_min(1e-8), torch.ones_like(length))
    linear = ratio[..., None, None] * rotation_between(normalize(edge, dim=-1), normalize(target_edge, dim=-1))
    edges = _about(linear, start, target_start)  # [..., 54, 3, 4]

    leaves = list(LEAVES)
    if leaf_bones == "identity":
        still = torch.eye(3, 4, dtype=edges.dtype, device=edges.device)
        ends = still.expand(*edges.shape[:-3], len(leaves), 3, 4)
    else:
        incoming = linear[..., [leaf - 1 for leaf in leaves], :, :]  # edge bone k ends in joint k + 1
        ends = _about(incoming, source_joints[..., leaves, :], target_joints[..., leaves, :])
    return torch.cat([edges, ends], -3)


def rotation_between(a: Tensor, b: Tensor) -> Tensor:
    """The smallest rotations [..., 3, 3] that turn unit vectors a [..., 3] into b [..., 3].

    Opposite vectors have no smallest rotation; half a turn about some perpendicular axis is taken then.
    """
    cosine = (a * b).sum(-1)[..., None, None]
    opposite = cosine < -1 + 1e-6
    cross = skew(torch.linalg.cross(a, b))
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    turned = eye + cross + cross @ cross / (1 + torch.where(opposite, torch.zeros_like(cosine), cosine))
    helper = eye[a.detach().abs().argmin(-1)]  # the coordinate axis that a is farthest from
    axis = normalize(torch.linalg.cross(a, helper), dim=-1)
    half_turn = 2 * axis[..., :, None] * axis[..., None, :] - eye
    return torch.where(opposite, half_turn, turned)


def published_axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Axis-angle [..., 3] to matrices [..., 3, 3] as the published training data was made; for parity only.

    The axis is divided by the angle + 1e-5, so the result is a rotation only up to about 1e-5 / angle.
    `nopo.rotations.axis_angle_to_matrix` is the exact one.
    """
    angle = axis_angle.norm(dim=-1, keepdim=True)
    axis = axis_angle / (angle + 1e-5)
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return cosine * eye + sine * skew(axis) + (1 - cosine) * axis[..., :, None] * axis[..., None, :]


def _about(linear: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The transforms [..., 3, 4] with this linear part that take the points source [..., 3] to target [..., 3]."""
    shift = target - (linear @ source[..., None])[..., 0]
    return torch.cat([linear, shift[..., None]], -1)
