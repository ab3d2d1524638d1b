"""A texture for a body's mesh, baked from an avatar's Gaussians.

Each texel shows what a camera close above the surface would see, looking straight down at it: the nearest Gaussians,
projected along the texel's normal and composited from the outermost inwards as the renderer does. What they leave open
takes the colours of the nearest ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nopo.body.template import rasterize_atlas
from nopo.export.mesh import SkinnedMesh
from nopo.export.outline import limb_weights
from nopo.gaussians import Gaussians
from nopo.harmonics import colors, dc_to_rgb
from nopo.progress import Progress, silent

NEIGHBOURS = 16
CELL_M = 0.004
"""Texels in one cube of this size share their neighbours."""

TOP_M, BOTTOM_M = 0.06, -0.03
"""Gaussians outside of this range over the surface belong to something else."""

BLUR_M = 0.0015
"""About half a texel's size: thinner Gaussians are widened, as a renderer does for pixels."""

DRAWN_DEGREE = 3  # what `nopo.render` draws of a higher one
CHUNK = 32_768


@dataclass(frozen=True)
class _Texels:
    """P points of a surface: `positions` [P, 3] metres, `normals` [P, 3], `limbs` [P, 8]."""

    positions: Tensor
    normals: Tensor
    limbs: Tensor


def bake_texture(
    mesh: SkinnedMesh, cloud: Gaussians, cloud_weights: Tensor, size: int = 1024, progress: Progress = silent
) -> np.ndarray:
    """The mesh's texture.

    Args:
        mesh: the body, in the same T-pose as the cloud.
        cloud: N Gaussians, at least one, all of them finite.
        cloud_weights: [N, 55] their joint weights.
        size: texels of a side.
        progress: told what is done, as stage "texture".

    Returns:
        (size, size, 3) uint8 sRGB, row 0 at v = 1, without holes: texels that no triangle shows repeat the nearest.
    """
    from scipy.ndimage import distance_transform_edt

    atlas = rasterize_atlas(mesh.uvs, mesh.uv_faces, size)
    covered = atlas.mask
    corners = mesh.faces[atlas.face[covered]]  # [P, 3]
    shares = atlas.barycentric[covered]

    def sample(values: Tensor) -> Tensor:
        return torch.einsum("pk,pkc->pc", shares, values[corners])

    normals = torch.nn.functional.normalize(sample(mesh.normals), dim=-1)
    texels = _Texels(sample(mesh.vertices), normals, sample(limb_weights(mesh.joint_weights)))
    colours = _colours(texels, cloud, limb_weights(cloud_weights), progress)
    texture = np.full((size, size, 3), 128, np.uint8)
    texture[covered.numpy()] = (colours.clamp(0, 1) * 255).round().byte().numpy()
    nearest = distance_transform_edt(~covered.numpy(), return_distances=False, return_indices=True)
    return texture[tuple(nearest)][::-1].copy()


def _colours(texels: _Texels, cloud: Gaussians, cloud_limbs: Tensor, progress: Progress) -> Tensor:
    """SRGB colours [P, 3] of texels."""
    from scipy.spatial import cKDTree

    from nopo.export.texture_loops import look_down

    count = len(texels.positions)
    neighbours = min(NEIGHBOURS, len(cloud))
    cells, cell_of = _cells(texels.positions)
    tree = cKDTree(cloud.means.numpy())
    _, nearest = tree.query(cells.numpy(), k=np.arange(1, neighbours + 1), workers=-1)  # [C, 16]
    means, covars, opacities, rgb, limbs = (
        tensor.float().contiguous().numpy()
        for tensor in (cloud.means, cloud.covars, cloud.opacities, _face_on(cloud, texels), cloud_limbs)
    )
    colours = np.empty((count, 3), np.float32)
    starts = range(0, count, CHUNK)
    for done, start in enumerate(starts):
        progress("texture", done, len(starts))
        part = slice(start, start + CHUNK)
        look_down(
            texels.positions[part].numpy(), texels.normals[part].numpy(), texels.limbs[part].numpy(),
            nearest[cell_of[part].numpy()], means, covars, opacities, rgb, limbs,
            TOP_M, BOTTOM_M, BLUR_M, colours[part],
        )  # fmt: skip
    progress("texture", len(starts), len(starts))
    return torch.from_numpy(colours)


def _cells(points: Tensor) -> tuple[Tensor, Tensor]:
    """Centres [C, 3] of the cubes that points [P, 3] lie in, and the cube of each point [P]."""
    cells = (points / CELL_M).round().long() + (1 << 20)  # positive
    keys, cell_of = ((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]).unique(return_inverse=True)
    mask = (1 << 21) - 1
    centers = torch.stack([keys >> 42, (keys >> 21) & mask, keys & mask], 1) - (1 << 20)
    return centers * CELL_M, cell_of


def _face_on(cloud: Gaussians, texels: _Texels) -> Tensor:
    """Colours [N, 3] of Gaussians as seen by somebody who looks straight at the surface there."""
    from scipy.spatial import cKDTree

    if cloud.sh_degree == 0:
        return dc_to_rgb(cloud.sh[:, 0]).clamp_min(0)
    some = slice(None, None, 16)
    _, below = cKDTree(texels.positions[some].numpy()).query(cloud.means.numpy(), workers=-1)
    return colors(cloud.sh, -texels.normals[some][torch.from_numpy(below)], min(cloud.sh_degree, DRAWN_DEGREE))
