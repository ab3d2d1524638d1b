"""Photos in a mirror: people on the other side of themselves, with the truth about them, for the price of a flip.

To a network that is being trained a photo and its mirror image are nearly two photos: the noise of their gradients is
related by a tenth only (docs/OPEN_MODEL.md).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from nopo.body.skeleton import ACROSS, BONE_FLIP, JOINT_FLIP
from nopo.camera import Camera
from nopo.motion import Pose
from nopo.motions.hands import mirrored as turned_across
from nopo.synthetic.dataset import PART_OF_BONE, Batch
from nopo.synthetic.figure import load_figure
from nopo.synthetic.rasterize import interpolate
from nopo.synthetic.uv import uv_atlas


def mirrored(batch: Batch) -> Batch:
    """The same photos in a mirror, as if they showed mirrored people in mirrored poses.

    All fields are mirrored but `people`, who are those of the photos; `uv_colors` and `uv_visible` are taken from the
    nearest texel.
    """
    across = torch.tensor(ACROSS, device=batch.images.device)
    names = ("images", "masks", "clean_masks", "valid", "depth")
    flipped = {name: getattr(batch, name).flip(-1) for name in names}
    bones = torch.tensor(BONE_FLIP, dtype=torch.uint8, device=batch.bone_index.device)
    parts = _part_flip().to(batch.parts.device)
    texels = _texel_across(batch.uv_mask.shape[-1]).to(batch.uv_mask.device)

    def over(maps: Tensor | None, axis: int) -> Tensor | None:
        if maps is None:
            return None
        flat = maps.flatten(axis, axis + 1)
        return flat.index_select(axis, texels).view_as(maps)

    return replace(
        batch,
        **flipped,
        canonical=batch.canonical.flip(-1) * across.view(3, 1, 1),
        bone_index=bones[batch.bone_index.flip(-2).long()],
        bone_weight=batch.bone_weight.flip(-2),
        parts=parts[batch.parts.flip(-1).long()],
        rest_joints=batch.rest_joints[:, list(JOINT_FLIP)] * across,
        facing=batch.facing * across[:2],
        uv_positions=_positions_across(batch) * across,
        uv_colors=over(batch.uv_colors, 1),
        uv_visible=over(batch.uv_visible, 2),
        cameras=[[_camera_across(camera) for camera in row] for row in batch.cameras],
        poses=[[_pose_across(pose) for pose in row] for row in batch.poses],
    )


def with_mirrored(batch: Batch) -> Batch:
    """The photos, and the same in a mirror: [2·B, V, ...]."""
    other = mirrored(batch)
    changed = {}
    for name, value in vars(batch).items():
        if isinstance(value, list):
            changed[name] = value + getattr(other, name)
        elif value is not None and name not in ("uv_mask", "uv_bone_weights"):
            changed[name] = torch.cat([value, getattr(other, name)])
    return replace(batch, **changed)


def _positions_across(batch: Batch) -> Tensor:
    """[B, S, S, 3] where the texels on the other side are."""
    device = batch.uv_positions.device
    atlas = uv_atlas(batch.uv_mask.shape[-1], device)
    corners = load_figure().body.mirror.to(device)[atlas.corners]
    found: dict[int, Tensor] = {}  # of each person once
    for person in batch.people:
        if id(person) not in found:
            found[id(person)] = atlas.map(interpolate(person.canonical.to(device).contiguous(), corners, atlas.bary))
    return torch.stack([found[id(person)] for person in batch.people])


def _camera_across(camera: Camera) -> Camera:
    K = camera.K.clone()
    K[0, 2] = camera.width - K[0, 2]
    across = torch.diag(torch.tensor([*ACROSS, 1.0]))
    return replace(camera, K=K, viewmat=across @ camera.viewmat @ across)


def _pose_across(pose: Pose) -> Pose:
    return Pose(turned_across(pose.rotations[list(JOINT_FLIP)]), pose.transl * torch.tensor(ACROSS))


@cache
def _part_flip() -> Tensor:
    """[25] the part on the other side of each; the last, at -1, is no part."""
    flip = [-1] * (max(PART_OF_BONE) + 2)
    for bone, other in enumerate(BONE_FLIP):
        flip[PART_OF_BONE[bone]] = PART_OF_BONE[other]
    return torch.tensor(flip, dtype=torch.int8)


@cache
def _texel_across(size: int) -> Tensor:
    """[S·S] the texel nearest to each one's place on the other side; outside the body each one itself."""
    from scipy.spatial import cKDTree

    atlas = uv_atlas(size)
    places = interpolate(load_figure().reference.contiguous(), atlas.corners, atlas.bary)
    _, nearest = cKDTree(places.numpy()).query((places * torch.tensor(ACROSS)).numpy())
    out = torch.arange(size * size)
    out[atlas.pixel] = atlas.pixel[torch.from_numpy(nearest)]
    return out
