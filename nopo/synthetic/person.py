"""A synthetic person: a clothed surface in the T-pose, bound to the skeleton, with the same person's template place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nopo.body.kinematics import bone_shape_warp
from nopo.body.skeleton import NUM_BONES, sum_bones_to_joints
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import GRIDS, Figure, grid_faces, load_figure, load_mesh, strongest_bones
from nopo.synthetic.pieces import make_pieces
from nopo.synthetic.tailor import dress
from nopo.synthetic.wardrobe import Look, Outfit, sample_look, sample_outfit, with_something_hung

HELD_OUT_EVERY = 8

TRAITS = ("gender", "age", "muscle", "weight", "height", "proportions")
"""What shapes a body most, each in [0, 1]; columns of the open body's phenotypes."""


@dataclass(frozen=True, eq=False)
class Person:
    """One clothed person in the T-pose; N vertices of the body and of all spare grids (see `Figure`).

    Attributes:
        look: head and skin, for the painter.
        outfit: clothes, for the painter.
        surface: [N, 3] the clothed surface in the subject's own T-pose, metres.
        canonical: [N, 3] the same points in the template's proportions: the bone shape warp from the template's rest
            joints to `rest_joints`, blended with `bone_weights`, takes them back to `surface`.
        place: [N, 3] where colours are looked up: reference body, or texture place of a grid.
        normals: [N, 3] unit, T-pose.
        cavity: [N] how deep a vertex lies in a hollow, 0 to 1.
        grid_weights: [G, 69] bone weights of the spare grids' vertices, which follow those of the body.
        grid_bones: [E, 4] strongest bones of the grids' faces; `grid_corners` [E, 3, 4] their weights at the corners.
        rest_joints: [55, 3] metres.
        shape: [K] coefficients of the open body.
        traits: [6] of TRAITS.
    """

    look: Look
    outfit: Outfit
    surface: Tensor
    canonical: Tensor
    place: Tensor
    normals: Tensor
    cavity: Tensor
    grid_weights: Tensor
    grid_bones: Tensor
    grid_corners: Tensor
    rest_joints: Tensor
    shape: Tensor
    traits: Tensor

    @property
    def bone_weights(self) -> Tensor:
        """[N, 69] of all vertices."""
        body = load_figure().body.bone_weights.to(self.grid_weights.device)
        return torch.cat([body, self.grid_weights])

    @property
    def joint_weights(self) -> Tensor:
        """[N, 55] the same summed per joint."""
        return sum_bones_to_joints(self.bone_weights)

    def to(self, device: torch.device | str) -> Person:
        """The same person with every tensor on `device`."""
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Person(**moved)


def bank_rows(count: int, held_out: bool) -> list[int]:
    """Rows of the bank of bodies that training (or, `held_out`, evaluation) may use; the two never meet."""
    return [row for row in range(count) if (row % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]


def sample_person(figure: Figure, dice: Dice, *, held_out: bool = False, hung: float = 0.0) -> Person:
    """Somebody new.

    Args:
        figure: the mesh.
        dice: source of all choices.
        held_out: take the body from the eighth of the bank that training never sees.
        hung: share of people on whom something hangs: a tie, a lanyard, a necklace, braces.
    """
    body = figure.body
    rows = bank_rows(len(body.shapes), held_out)
    one, two = dice.choose(rows), dice.choose(rows)
    share = dice.uniform(0, 0.35) if dice.chance(0.6) else 0.0
    shape = body.shapes[one] * (1 - share) + body.shapes[two] * share
    phenotype = dict(zip(body.phenotype_names, body.phenotypes[one].tolist(), strict=True))
    blended = body.phenotypes[one] * (1 - share) + body.phenotypes[two] * share
    jitter = torch.randn(body.num_shapes, generator=dice.generator()) * 0.12
    look = sample_look(dice, phenotype["gender"], phenotype["age_years"])
    outfit = sample_outfit(dice, phenotype["gender"])
    if hung and dice.chance(hung):
        outfit = with_something_hung(outfit, dice)
    return make_person(
        figure,
        shape + jitter,
        look,
        outfit,
        blended[[body.phenotype_names.index(name) for name in TRAITS]],
    )


def make_person(figure: Figure, shape: Tensor, look: Look, outfit: Outfit, traits: Tensor) -> Person:
    """Cut the clothes of `outfit` for the body of `shape` [K], whose `traits` are known."""
    body = figure.body
    joints = body.rest_joints(shape)
    clothed, trunk = dress(figure, outfit, look, body.vertices(shape), joints)
    pieces = make_pieces(figure, outfit, look, clothed, joints, trunk)

    points, place = [clothed], [figure.reference]
    grid_weights = body.bone_weights[:1].repeat(figure.num_vertices - len(clothed), 1)
    grid_bones = torch.zeros(len(figure.faces) - len(body.faces), 4, dtype=torch.int64)
    grid_corners = torch.zeros(len(grid_bones), 3, 4)
    vertex, face = 0, 0
    for name, (around, along) in GRIDS.items():
        piece, count, faces = pieces.get(name), around * along, 2 * (around - 1) * (along - 1)
        if piece is None:  # a grid that is not worn hides inside the chest
            points.append(joints[9].expand(count, 3))
            place.append(torch.zeros(count, 3))
        else:
            points.append(piece.points.reshape(-1, 3))
            place.append(piece.cloth.reshape(-1, 3))
            weights = piece.bones.reshape(-1, NUM_BONES)
            grid_weights[vertex : vertex + count] = weights
            here = slice(face, face + faces)
            grid_bones[here], grid_corners[here] = strongest_bones(weights, grid_faces(name))
        vertex, face = vertex + count, face + faces
    surface = torch.cat(points)
    normals = figure.whole.normals(surface)
    return Person(
        look=look,
        outfit=outfit,
        surface=surface,
        canonical=to_template(surface, grid_weights, body.rest_joints(), joints),
        place=torch.cat(place),
        normals=normals,
        cavity=_cavity(clothed, normals, figure),
        grid_weights=grid_weights,
        grid_bones=grid_bones,
        grid_corners=grid_corners,
        rest_joints=joints,
        shape=shape,
        traits=traits,
    )


def to_template(points: Tensor, grid_weights: Tensor, template_joints: Tensor, joints: Tensor) -> Tensor:
    """Undo the bone shape warp: T-pose of the subject to T-pose in the template's proportions.

    Args:
        points: [N, 3] metres, of the body and of the spare grids.
        grid_weights: [G, 69].
        template_joints: [55, 3].
        joints: [55, 3] the subject's.

    Returns:
        [N, 3] such that the warp, blended with the same weights, gives `points`.
    """
    warp = bone_shape_warp(template_joints, joints, leaf_bones="inherit")  # [69, 3, 4]
    blended = load_mesh().blend(warp.reshape(NUM_BONES, 12), grid_weights).view(3, 4, -1)
    a, b, c, shift = blended.unbind(1)  # [3, N] the columns
    there = points.T - shift
    bc = _cross(b, c)
    # Cramer's rule: the rows of the inverse are cross products of the columns.
    solved = torch.stack([(row * there).sum(0) for row in (bc, _cross(c, a), _cross(a, b))])
    return (solved / (a * bc).sum(0)).T


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross products of [3, N]."""
    return torch.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _cavity(clothed: Tensor, normals: Tensor, figure: Figure) -> Tensor:
    """[N] 0 to 1: how far the neighbourhood rises above a body vertex; 0 on the grids."""
    count = len(clothed)
    rise = ((figure.skin.smooth(clothed, rounds=3) - clothed) * normals[:count]).sum(-1)
    out = torch.zeros(len(normals))
    out[:count] = (rise / 0.006).clamp(0, 1)
    return out
