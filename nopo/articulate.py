"""Articulation: an avatar and a pose become posed Gaussians, by linear blend skinning of means and covariances.

`x' = A x + t` and `S' = A S A^T` with `[A | t]` the weighted mean of the joints' transforms, not made a rotation again;
opacities and colours are unchanged (NoPo-Avatar). Differentiable, and the same on any device. Avatars on the open body
are stretched besides, see `nopo.stretch`; those of published models move as in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nopo.avatar import Avatar
from nopo.body.kinematics import LeafBones, bone_shape_warp, forward_kinematics
from nopo.body.skeleton import joint_weights_from_bones
from nopo.gaussians import Gaussians
from nopo.motion import Motion, Pose
from nopo.rotations import axis_angle_to_matrix
from nopo.stretch import Stretch


def skin(means: Tensor, covars: Tensor, weights: Tensor, transforms: Tensor) -> tuple[Tensor, Tensor]:
    """Move Gaussians with the blend of some transforms; leading axes broadcast.

    Args:
        means: [..., N, 3] metres.
        covars: [..., N, 3, 3] symmetric, square metres.
        weights: [..., N, K], rows sum to 1.
        transforms: [..., K, 3, 4] of bones or joints.

    Returns:
        Means [..., N, 3] and covariances [..., N, 3, 3].
    """
    return _skin_columns(means.mT, covars.movedim(-3, -1), weights.mT, transforms)


def _skin_columns(
    means: Tensor, covars: Tensor, weights: Tensor, transforms: Tensor, stretch: Stretch | None = None
) -> tuple[Tensor, Tensor]:
    """As `skin`, with N as the last axis: means [..., 3, N], covars [..., 3, 3, N], weights [..., K, N].

    One matrix product blends all transforms, and the 3x3 products become a few long vector operations: some ten times
    faster on a CPU than as many small matrix products. With `stretch`, covariances go by its linear maps.
    """
    blended = transforms.flatten(-2).mT @ weights  # [..., 12, N]
    blended = blended.unflatten(-2, (3, 4))
    linear, shift = blended[..., :3, :], blended[..., 3, :]  # [..., 3, 3, N], [..., 3, N]
    columns = linear.unbind(-2)  # three of [..., 3, N]
    moved = shift
    for k in range(3):
        moved = torch.addcmul(moved, columns[k], means[..., k : k + 1, :])
    if stretch is not None:
        linear = stretch(moved, linear)
        columns = linear.unbind(-2)
    half = torch.zeros((), dtype=means.dtype, device=means.device)
    for k in range(3):
        half = torch.addcmul(half, columns[k][..., :, None, :], covars[..., k : k + 1, :, :])  # [..., 3, 3, N] = A S
    upper = {(i, j): (half[..., i, :, :] * linear[..., j, :, :]).sum(-2) for i in range(3) for j in range(i, 3)}
    entries = [upper[min(i, j), max(i, j)] for i in range(3) for j in range(3)]
    return moved.mT.contiguous(), torch.stack(entries, -1).unflatten(-1, (3, 3))


def warp_shape(
    gaussians: Gaussians,
    bone_weights: Tensor,
    source_joints: Tensor,
    target_joints: Tensor,
    leaf_bones: LeafBones = "inherit",
) -> Gaussians:
    """T-pose Gaussians of one person's proportions in those of another.

    Args:
        gaussians: N Gaussians around the source joints.
        bone_weights: [N, 69], rows sum to 1.
        source_joints: [55, 3] metres.
        target_joints: [55, 3] metres.
        leaf_bones: see `bone_shape_warp`.

    Returns:
        N Gaussians around the target joints.
    """
    transforms = bone_shape_warp(source_joints, target_joints, leaf_bones)
    means, covars = skin(gaussians.means, gaussians.covars, bone_weights, transforms)
    return replace(gaussians, means=means, covars=covars)


def leaf_bones_of(avatar: Avatar) -> LeafBones:
    """What bones without a far end do when an avatar's proportions change.

    The original leaves fingertips, toes and jaw where the template has them, and its networks learned with that.
    """
    return "identity" if avatar.on_smplx else "inherit"


class Articulator:
    """Poses one avatar many times: what does not depend on the pose is done once."""

    def __init__(
        self,
        avatar: Avatar,
        rest_joints: Tensor | None = None,
        leaf_bones: LeafBones | None = None,
        *,
        stretch: bool | None = None,
    ) -> None:
        """Prepare an avatar.

        Args:
            avatar: the person; its device is where the work is done.
            rest_joints: [55, 3] give the avatar these proportions first; its own if None.
            leaf_bones: see `nopo.body.kinematics.bone_shape_warp`; matters only with `rest_joints`. By default as
                `leaf_bones_of` says.
            stretch: let splats grow with the surface, see `nopo.stretch`; by default on the open body only.
        """
        self.canonical = avatar.gaussians
        self.rest_joints = avatar.rest_joints
        if rest_joints is not None:
            self.rest_joints = rest_joints.to(avatar.rest_joints)
            ends = leaf_bones or leaf_bones_of(avatar)
            self.canonical = warp_shape(
                avatar.gaussians, avatar.bone_weights, avatar.rest_joints, self.rest_joints, ends
            )
        self._means = self.canonical.means.mT.contiguous()  # [3, N]
        self._covars = self.canonical.covars.movedim(0, -1).contiguous()  # [3, 3, N]
        weights = joint_weights_from_bones(avatar.bone_weights)
        self._weights = weights.mT.contiguous()  # [55, N]
        stretched = not avatar.on_smplx if stretch is None else stretch
        self._stretch = Stretch(self.canonical.means, weights) if stretched else None

    def pose(self, pose: Pose) -> Gaussians:
        """The avatar in one pose; posed Gaussians in world."""
        return self.place(self.transforms(pose.rotations, pose.transl))

    def frames(self, motion: Motion) -> Iterator[Gaussians]:
        """The avatar in every frame of a motion, one after the other, so that memory does not grow with its length."""
        for transforms in self.transforms(motion.rotations, motion.transl):
            yield self.place(transforms)

    def transforms(self, rotations: Tensor, transl: Tensor) -> Tensor:
        """Joint transforms [..., 55, 3, 4] for axis-angles [..., 55, 3] and translations [..., 3]."""
        matrices = axis_angle_to_matrix(rotations.to(self.rest_joints))
        return forward_kinematics(matrices, self.rest_joints, transl.to(self.rest_joints))

    def place(self, transforms: Tensor) -> Gaussians:
        """The avatar with its joints moved by [55, 3, 4], from `transforms`: nothing here waits for a GPU."""
        means, covars = _skin_columns(self._means, self._covars, self._weights, transforms, self._stretch)
        return replace(self.canonical, means=means, covars=covars)


def articulate(
    avatar: Avatar,
    pose: Pose,
    rest_joints: Tensor | None = None,
    leaf_bones: LeafBones | None = None,
    *,
    stretch: bool | None = None,
) -> Gaussians:
    """The avatar in one pose; for many poses of one avatar keep an `Articulator`.

    Args:
        avatar: the person.
        pose: rotations and translation, SMPL-X conventions.
        rest_joints: [55, 3] give the avatar these proportions first; its own if None.
        leaf_bones: see `Articulator`.
        stretch: likewise.

    Returns:
        N posed Gaussians in world.
    """
    return Articulator(avatar, rest_joints, leaf_bones, stretch=stretch).pose(pose)
