"""Truth on the body's UV map: where each texel lies, its colour, and which photos show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nopo.body.template import rasterize_atlas
from nopo.synthetic.figure import load_figure, load_mesh
from nopo.synthetic.person import Person
from nopo.synthetic.rasterize import interpolate, inverse_depth_of
from nopo.synthetic.shoot import Exposure, Posed, Swatches

_SPREAD_M = 1.6  # the map is about that wide on the body
DEPTH_SLACK_M = 0.012  # a texel this far behind what a pixel shows is still the same surface


@dataclass(frozen=True, eq=False)
class UvAtlas:
    """Texels of the body: which face and where on it.

    Attributes:
        pixel: [P] flat index of each texel into (S, S), laid out as in `nopo.body.template`.
        corners: [P, 3] vertices of its face; `bary` [P, 3] where on the face.
        swatches: where colours are looked up, as soft as texels are wide.
        mask: [S, S] bool.
        bone_weights: [S, S, 69].
    """

    pixel: Tensor
    corners: Tensor
    bary: Tensor
    swatches: Swatches
    mask: Tensor
    bone_weights: Tensor

    def map(self, values: Tensor) -> Tensor:
        """Values [P, C] of the texels -> [S, S, C], zero elsewhere."""
        out = values.new_zeros(self.mask.numel(), values.shape[1])
        out[self.pixel] = values
        return out.view(*self.mask.shape, -1)


def uv_atlas(size: int, device: torch.device | str = "cpu") -> UvAtlas:
    """The body's UV charts at `size` texels a side."""
    return _atlas(size, str(torch.device(device)))


@cache
def _atlas(size: int, device: str) -> UvAtlas:
    figure = load_figure()
    body = figure.body
    atlas = rasterize_atlas(body.uvs, body.uv_faces, size)
    pixel = atlas.mask.flatten().nonzero()[:, 0]
    face, bary = atlas.face.flatten()[pixel], atlas.barycentric.view(-1, 3)[pixel]
    corners = body.faces[face]
    weights = torch.zeros(size * size, body.bone_weights.shape[1])
    weights[pixel] = interpolate(body.bone_weights, corners, bary)
    return UvAtlas(
        pixel=pixel.to(device),
        corners=corners.to(device),
        bary=bary.to(device),
        swatches=Swatches(
            place=interpolate(figure.reference, corners, bary).to(device),
            piece=load_mesh().piece[face].to(device),
            footprint=torch.full((len(face),), _SPREAD_M / size, device=device),
        ),
        mask=atlas.mask.to(device),
        bone_weights=weights.view(size, size, -1).to(device),
    )


def uv_positions(person: Person, size: int) -> Tensor:
    """Canonical positions on the UV map, [S, S, 3] metres."""
    atlas = uv_atlas(size, person.surface.device)
    return atlas.map(interpolate(person.canonical.contiguous(), atlas.corners, atlas.bary))


def uv_colors(exposure: Exposure, size: int) -> Tensor:
    """Colours on the UV map in the mean light of the photos, [S, S, 3] sRGB, of the swatches of `uv_atlas`."""
    lit = (exposure.swatches**2 * exposure.gain).clamp(0, 1).sqrt()
    return uv_atlas(size, lit.device).map(lit)


def uv_visible(posed: Posed, K: Tensor, viewmat: Tensor, keys: Tensor, mask: Tensor, size: int) -> Tensor:
    """Which texels pictures show: facing the camera, nothing before them, kept by the matte.

    Args:
        posed: the poses.
        K: [V, 3, 3] of the photos.
        viewmat: [V, 4, 4] world -> camera.
        keys: [V, h, w] the z-buffer, as fine as the photos or finer.
        mask: [V, H, W] the matte.
        size: S.

    Returns:
        [V, S, S] bool.
    """
    atlas = uv_atlas(size, K.device)
    views, fine, _ = keys.shape
    supersample = fine // mask.shape[-1]
    rotation = viewmat[:, :3, :3]
    cam = rotation @ posed.points.transpose(1, 2) + viewmat[:, :3, 3:]  # [V, 3, N]
    towards = -(cam * (rotation @ posed.normals.transpose(1, 2))).sum(1, keepdim=True)
    vertices = torch.cat([cam, towards], 1).transpose(1, 2).contiguous()  # [V, N, 4]
    seen = []
    for v, (f, c) in enumerate(zip(K[:, [0, 1], [0, 1]].tolist(), K[:, :2, 2].tolist(), strict=True)):
        x, y, away, facing = interpolate(vertices[v], atlas.corners, atlas.bary).T.contiguous()
        over = supersample / away.clamp_min(1e-3)
        x, y = x * (f[0] * over) + supersample * c[0], y * (f[1] * over) + supersample * c[1]
        column, row = x.long().clamp(0, fine - 1), y.long().clamp(0, fine - 1)
        inside = (x >= 0) & (x < fine) & (y >= 0) & (y < fine) & (facing > 0)
        kept = mask[v].flatten()[row // supersample * mask.shape[-1] + column // supersample] > 0.25
        before = inverse_depth_of(keys[v].flatten()[row * fine + column])
        seen.append(inside & kept & ((away - DEPTH_SLACK_M) * before < 1))
    return atlas.map(torch.stack(seen, 1)).permute(2, 0, 1)
