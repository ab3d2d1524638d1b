"""The mesh that every synthetic person is cut from: the open body plus spare grids for hair, skirts, hats and bags.

All people share one list of faces, so that a batch of them is rasterized at once; a grid that somebody does not wear
shrinks to a point and covers no pixel. What the wardrobe needs to know about places on the body (which vertices are
arms, where the scalp is) is worked out once here, on the mean body.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nopo.body.open import OpenBody, load_open_body
from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.synthetic.surface import Surface

PIECES = ("body", "eyes", "skirt", "hair", "hat", "bun", "bag", "collar", "mouth")
GRIDS: dict[str, tuple[int, int]] = {
    "skirt": (49, 15),
    "hair": (33, 13),
    "hat": (29, 9),
    "bun": (15, 9),
    "bag": (17, 9),
    "collar": (33, 6),
    "mouth": (5, 2),
}
"""Spare pieces: (points around, points along) of a grid of quads."""
_INSIDE_OUT = ("skirt", "hat")
"""Grids whose points run the other way round, so that their faces have to be turned to face outwards."""

_ARM = ("shoulder", "elbow", "wrist", "index", "middle", "pinky", "ring", "thumb")
_HAND = ("wrist", "index", "middle", "pinky", "ring", "thumb")


@dataclass(frozen=True, eq=False)
class Zone:
    """Vertices of one region of the body.

    Attributes:
        index: [Z] which.
        reference: [Z, 3] metres and `normals` [Z, 3] of the mean body.
        arm: [Z] as of Figure.
        ears: [Z] 1 on the ears.
    """

    index: Tensor
    reference: Tensor
    normals: Tensor
    arm: Tensor
    ears: Tensor


@dataclass(frozen=True, eq=False)
class Figure:
    """Everything about the mesh that does not depend on the person.

    Attributes:
        body: the open body.
        reference: [V, 3] its mean surface, metres: where colours are looked up.
        faces: [F, 3] of the body and then of all spare grids.
        two_sided: [F] bool, spare grids are seen from both sides.
        piece: [N] index into PIECES of each vertex, body and grids.
        arm: [V] 1 on the arms, 0 on the trunk, between at the armhole.
        shoe: [V, 3] metres that take a foot's surface to a smooth last without toes.
        skin: the body's faces; `whole` those of the grids as well.
        zones: what tops, trousers, shoes, hair and hats may reach: "trunk", "arms", "left_leg", "right_leg", "feet",
            "head".
    """

    body: OpenBody
    reference: Tensor
    faces: Tensor
    two_sided: Tensor
    piece: Tensor
    arm: Tensor
    shoe: Tensor
    skin: Surface
    whole: Surface
    zones: dict[str, Zone]

    @property
    def num_vertices(self) -> int:
        """N, vertices of the body and of all spare grids."""
        return len(self.piece)


@dataclass(frozen=True, eq=False)
class Mesh:
    """What all people share, on the device that draws.

    Attributes:
        faces: [F, 3]; `two_sided` [F] bool; `piece` [F] index into PIECES.
        bones: [V, K] the bones that move each vertex of the body, `shares` [V, K] how much.
        face_bones: [B, 4] strongest bones of each face of the body; `corner_weights` [B, 3, 4] at its corners.
    """

    faces: Tensor
    two_sided: Tensor
    piece: Tensor
    bones: Tensor
    shares: Tensor
    face_bones: Tensor
    corner_weights: Tensor

    def blend(self, moves: Tensor, grid_weights: Tensor) -> Tensor:
        """What each vertex takes over from its bones.

        Args:
            moves: [69, C] of the bones.
            grid_weights: [G, 69] of the vertices of the spare grids.

        Returns:
            [C, N], one value of all vertices after the other.
        """
        body = torch.nn.functional.embedding_bag(self.bones, moves, per_sample_weights=self.shares, mode="sum")
        return torch.cat([body, grid_weights @ moves]).T.contiguous()


def load_mesh(device: torch.device | str = "cpu") -> Mesh:
    """The faces that all people share, on a device."""
    return _mesh(str(torch.device(device)))


@cache
def _mesh(device: str) -> Mesh:
    figure = load_figure()
    weights = figure.body.bone_weights
    shares, bones = weights.topk(int((weights > 0).sum(1).max()), dim=-1)
    face_bones, corner_weights = strongest_bones(weights, figure.body.faces)
    piece = figure.piece[figure.faces[:, 0]]
    parts = (figure.faces, figure.two_sided, piece, bones, shares, face_bones, corner_weights)
    return Mesh(*(part.to(device) for part in parts))


@cache
def load_figure() -> Figure:
    """The figure of the open body, on the CPU: people are cut there, and photographed on any device."""
    body = load_open_body()
    count = len(body.mean)
    faces, two_sided = [body.faces], [torch.zeros(len(body.faces), dtype=torch.bool)]
    piece = [torch.zeros(count, dtype=torch.int64)]
    piece[0][body.part("eyes")] = PIECES.index("eyes")
    for name, (around, along) in GRIDS.items():
        grid = grid_faces(name) + count
        faces.append(grid)
        two_sided.append(torch.ones(len(grid), dtype=torch.bool))
        piece.append(torch.full((around * along,), PIECES.index(name)))
        count += around * along
    all_faces = torch.cat(faces)
    skin = Surface.of(body.faces, len(body.mean))
    foot = joint_share(body, ("foot",)) + joint_share(body, ("ankle",))
    return Figure(
        body=body,
        reference=body.mean,
        faces=all_faces,
        two_sided=torch.cat(two_sided),
        piece=torch.cat(piece),
        arm=joint_share(body, _ARM),
        shoe=_shoe_last(body, skin, foot),
        skin=skin,
        whole=Surface.of(all_faces, count),
        zones=_zones(body, skin),
    )


def joint_share(body: OpenBody, names: tuple[str, ...]) -> Tensor:
    """[V] summed weight of all joints, left and right, whose names begin with one of `names`."""
    columns = [
        index
        for index, joint in enumerate(JOINT_NAMES)
        if joint.removeprefix("left_").removeprefix("right_").startswith(names)
    ]
    return body.joint_weights[:, columns].sum(-1)


def grid_faces(name: str) -> Tensor:
    """[F, 3] triangles of a spare grid, point (i, j) at i * along + j, facing outwards."""
    around, along = GRIDS[name]
    index = torch.arange(around * along).view(around, along)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = torch.cat([torch.stack([a, b, c], -1).reshape(-1, 3), torch.stack([a, c, d], -1).reshape(-1, 3)])
    return faces.flip(1) if name in _INSIDE_OUT else faces


def strongest_bones(bone_weights: Tensor, faces: Tensor, top: int = 4) -> tuple[Tensor, Tensor]:
    """The few bones that move a face, and their weights at its corners.

    Args:
        bone_weights: [V, 69].
        faces: [F, 3].
        top: how many bones to keep.

    Returns:
        Bones [F, top] int64 and weights [F, 3, top] that sum to 1 at each corner.
    """
    corners = bone_weights[faces]  # [F, 3, 69]
    bones = corners.sum(1).topk(top, dim=-1).indices  # [F, top]
    weights = corners.gather(2, bones[:, None].expand(-1, 3, -1))
    return bones, weights / weights.sum(-1, keepdim=True).clamp_min(1e-6)


def _zones(body: OpenBody, skin: Surface) -> dict[str, Zone]:
    x, y, _ = body.mean.unbind(-1)
    arm, hand = joint_share(body, _ARM), joint_share(body, _HAND)
    inside = {
        "trunk": (arm < 1) & (y > -0.4) & (y < 0.55),
        "arms": (arm > 0) & (hand < 0.95),
        "left_leg": (x > 1e-6) & (arm < 0.3) & (y < 0.12),
        "right_leg": (x < -1e-6) & (arm < 0.3) & (y < 0.12),
        "feet": y < -0.5,
        "head": y > 0.45,
    }
    normals, ears = skin.normals(body.mean), body.part("ears").float()
    zones = {}
    for name, mask in inside.items():
        index = mask.nonzero()[:, 0]
        zones[name] = Zone(index, body.mean[index], normals[index], arm[index], ears[index])
    return zones


def bones_of(joint: str) -> list[int]:
    """Indices of the bones that move with a joint."""
    index = JOINT_NAMES.index(joint)
    return [bone for bone, (near, _) in enumerate(BONES) if near == index]


def _shoe_last(body: OpenBody, skin: Surface, foot: Tensor) -> Tensor:
    """[V, 3] displacement from a bare foot to a shoe: a smooth cap instead of toes, the rest evened out."""
    smooth = skin.smooth(body.mean, rounds=20)
    even = smooth + skin.normals(smooth) * 0.008
    side = body.mean[:, :1].sign()
    center = torch.cat([0.157 * side, torch.full_like(side, -0.966), torch.full_like(side, 0.115)], 1)
    arm = body.mean - center
    radii = torch.tensor([0.053, 0.048, 0.105])
    cap = center + arm / (arm / radii).norm(dim=-1, keepdim=True).clamp_min(0.05)
    share = ((body.mean[:, 2:] - 0.085) / 0.04).clamp(0, 1)
    last = even + share * (cap - even)
    last[:, 1] = last[:, 1].clamp_min(float(body.mean[:, 1].min()) - 0.004)
    low = ((-0.86 - body.mean[:, 1]) / 0.05).clamp(0, 1)
    return (last - body.mean) * (foot * low)[:, None]
