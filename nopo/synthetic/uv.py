"""Truth on the body's UV map: where each texel lies, its colour, and which photos show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nopo.body.template import rasterize_atlas
from nopo.synthetic.figure import load_figure, load_mesh
from nopo.synthetic.paint import paint
from nopo.synthetic.person import Person
from nopo.synthetic.rasterize import Fragments
from nopo.synthetic.shoot import Posed, look_through

DEPTH_SLACK_M = 0.012  # a texel this far behind what a pixel shows is still the same surface


@dataclass(frozen=True, eq=False)
class UvAtlas:
    """Texels of the body: which face and where on it.

    Attributes:
        fragments: one "picture" of S×S texels, laid out as in `nopo.body.template`.
        piece: [P] index into PIECES; `place` [P, 3] on the reference body.
        mask: [S, S] bool.
        bone_weights: [S, S, 69].
    """

    fragments: Fragments
    piece: Tensor
    place: Tensor
    mask: Tensor
    bone_weights: Tensor


@cache
def uv_atlas(size: int, device: str = "cpu") -> UvAtlas:
    """The body's UV charts at `size` texels a side."""
    figure = load_figure()
    body = figure.body
    atlas = rasterize_atlas(body.uvs, body.uv_faces, size)
    pixel = atlas.mask.flatten().nonzero()[:, 0]
    face = atlas.face.flatten()[pixel].to(device)
    bary = atlas.barycentric.view(-1, 3)[pixel].to(device)
    fragments = Fragments(pixel.to(device), face, bary, torch.ones(len(pixel), device=device), (1, size, size))
    faces = body.faces.to(device)
    weights = fragments.interpolate(body.bone_weights.to(device), faces)
    return UvAtlas(
        fragments=fragments,
        piece=load_mesh(device).piece[face],
        place=fragments.interpolate(figure.reference.to(device), faces),
        mask=fragments.mask()[0],
        bone_weights=fragments.scatter(weights)[0],
    )


def uv_surface(person: Person, gain: Tensor, size: int) -> dict[str, Tensor]:
    """Canonical positions and colours, under mean linear light `gain` [3], on the UV map; see Batch."""
    device = str(person.surface.device)
    atlas = uv_atlas(size, device)
    position = atlas.fragments.interpolate(person.canonical, load_mesh(device).faces)
    colour = paint(person.look, person.outfit, atlas.place, atlas.piece, 1.6 / size).colour
    lit = (colour**2 * gain).clamp(0, 1).sqrt()
    return {"uv_positions": atlas.fragments.scatter(position)[0], "uv_colors": atlas.fragments.scatter(lit)[0]}


def uv_visible(
    posed: Posed, K: Tensor, viewmat: Tensor, fragments: Fragments, mask: Tensor, size: int
) -> Tensor:
    """[V, S, S] bool texels that a picture shows: facing the camera, nothing before them, kept by the matte."""
    device = str(K.device)
    atlas, faces = uv_atlas(size, device).fragments, load_mesh(device).faces
    views, fine, _ = fragments.shape
    depth = fragments.scatter(fragments.depth, float("inf"))
    supersample = fine // mask.shape[-1]
    out = torch.zeros(views, size * size, dtype=torch.bool, device=device)
    for v in range(views):
        point = atlas.interpolate(posed.points[v], faces)
        x, y, away = look_through(point[None], K[v : v + 1], viewmat[v : v + 1])[0].unbind(-1)
        column, row = x.long().clamp(0, fine - 1), y.long().clamp(0, fine - 1)
        eye = -viewmat[v, :3, :3].T @ viewmat[v, :3, 3]
        facing = (atlas.interpolate(posed.normals[v], faces) * (eye - point)).sum(-1) > 0
        inside = (x >= 0) & (x < fine) & (y >= 0) & (y < fine)
        inside &= mask[v, row // supersample, column // supersample] > 0.25
        out[v, atlas.pixel] = inside & facing & (away < depth[v, row, column] + DEPTH_SLACK_M)
    return out.view(views, size, size)
