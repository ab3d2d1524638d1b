"""The body as a triangle mesh in an avatar's own proportions: what a skinned export is built on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from nopo.articulate import skin
from nopo.avatar import Avatar
from nopo.body.kinematics import LeafBones, bone_shape_warp
from nopo.body.open import load_open_body
from nopo.body.skeleton import BONES, NUM_BONES
from nopo.body.smplx import load_smplx, read_uv_map
from nopo.errors import BodyError, DependencyError, ExportError

_FALL_OFF = 4  # bones of one joint share its weight by distance^-4: the nearest has nearly all of it


@dataclass(frozen=True, eq=False)
class SkinnedMesh:
    """A closed body surface in the T-pose, with its texture layout and skinning.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) int64 rows of `vertices`, counter-clockwise from outside.
        uvs: (U, 2) texture coordinates as in an OBJ file, v grows upwards.
        uv_faces: (F, 3) int64 rows of `uvs`.
        joint_weights: (V, 55), rows sum to 1.
    """

    vertices: Tensor
    faces: Tensor
    uvs: Tensor
    uv_faces: Tensor
    joint_weights: Tensor

    @cached_property
    def normals(self) -> Tensor:
        """(V, 3) unit normals, outwards, weighted by the triangles' areas."""
        a, b, c = self.vertices[self.faces].unbind(1)
        across = torch.linalg.cross(b - a, c - a)  # [F, 3]
        total = torch.zeros_like(self.vertices)
        for corner in range(3):
            total.index_add_(0, self.faces[:, corner], across)
        return torch.nn.functional.normalize(total, dim=-1)


def body_mesh(avatar: Avatar, smplx: str | Path | None = None) -> SkinnedMesh:
    """The body that an avatar was predicted on, warped to the avatar's rest joints; on the CPU.

    Args:
        avatar: who.
        smplx: folder of the user's SMPL-X files, see `nopo.body.smplx.find_smplx`.

    Raises:
        ExportError: the avatar stands on SMPL-X, and the user's SMPL-X files are not found.
    """
    if avatar.on_smplx:
        return _smplx_mesh(avatar.rest_joints.cpu(), smplx)
    body = load_open_body()
    vertices = _warped(body.vertices(), body.bone_weights, body.rest_joints(), avatar.rest_joints.cpu(), "inherit")
    return SkinnedMesh(vertices, body.faces, body.uvs, body.uv_faces, body.joint_weights)


def _smplx_mesh(rest_joints: Tensor, smplx: str | Path | None) -> SkinnedMesh:
    try:
        body = load_smplx("male", smplx)  # whose joints and weights the published models saw
        vertices, faces, uvs, uv_faces = read_uv_map(body)
    except (BodyError, DependencyError) as error:
        raise ExportError(f"The mesh of this avatar is SMPL-X, which has to be yours: {error}") from error
    joints = body.rest_joints()
    bone_weights = split_to_bones(vertices, joints, body.joint_weights)
    return SkinnedMesh(
        _warped(vertices, bone_weights, joints, rest_joints, "identity"), faces, uvs, uv_faces, body.joint_weights
    )


def _warped(vertices: Tensor, bone_weights: Tensor, source: Tensor, target: Tensor, leaf_bones: LeafBones) -> Tensor:
    """Vertices [V, 3] moved from one person's joints [55, 3] to another's, as the Gaussians were."""
    no_covars = vertices.new_zeros(len(vertices), 3, 3)
    return skin(vertices, no_covars, bone_weights, bone_shape_warp(source, target, leaf_bones))[0]


def split_to_bones(points: Tensor, joints: Tensor, joint_weights: Tensor) -> Tensor:
    """Share each joint's weight among the bones that move with it, most to the nearest one.

    Args:
        points: [V, 3] of the T-pose, metres.
        joints: [55, 3] of the same T-pose.
        joint_weights: [V, 55], rows sum to 1.

    Returns:
        [V, 69], rows sum to 1, whose sums per joint are `joint_weights`.
    """
    near = torch.tensor([start for start, _ in BONES])
    far = torch.tensor([start if end is None else end for start, end in BONES])
    edge = joints[far] - joints[near]  # [69, 3], zero for leaf bones
    arm = points[:, None] - joints[near]  # [V, 69, 3]
    along = ((arm * edge).sum(-1) / edge.square().sum(-1).clamp_min(1e-12)).clamp(0, 1)  # [V, 69]
    distance = (arm - along[..., None] * edge).norm(dim=-1).clamp_min(1e-3)
    closeness = distance**-_FALL_OFF
    total = closeness.new_zeros(len(points), len(joints)).index_add(1, near, closeness)  # [V, 55]
    shares = closeness / total[:, near]
    assert shares.shape[1] == NUM_BONES
    return shares * joint_weights[:, near]
