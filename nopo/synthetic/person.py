"""A synthetic person: a clothed surface in the T-pose, bound to the skeleton, with the same person's template place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nopo.body.kinematics import bone_shape_warp
from nopo.body.skeleton import NUM_BONES, sum_bones_to_joints
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import GRIDS, Figure, neighbour_mean, strongest_bones, vertex_normals
from nopo.synthetic.pieces import make_pieces
from nopo.synthetic.tailor import dress
from nopo.synthetic.wardrobe import Look, Outfit, sample_look, sample_outfit

HELD_OUT_EVERY = 8


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
        bone_weights: [N, 69]; `joint_weights` [N, 55] the same summed per joint.
        face_bones: [F, 4] strongest bones of each face; `corner_weights` [F, 3, 4] their weights at its corners.
        rest_joints: [55, 3] metres.
        shape: [K] coefficients of the open body.
    """

    look: Look
    outfit: Outfit
    surface: Tensor
    canonical: Tensor
    place: Tensor
    normals: Tensor
    cavity: Tensor
    bone_weights: Tensor
    joint_weights: Tensor
    face_bones: Tensor
    corner_weights: Tensor
    rest_joints: Tensor
    shape: Tensor

    def to(self, device: torch.device | str) -> Person:
        """The same person with every tensor on `device`."""
        moved: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Person(**moved)


def bank_rows(count: int, held_out: bool) -> list[int]:
    """Rows of the bank of bodies that training (or, `held_out`, evaluation) may use; the two never meet."""
    return [row for row in range(count) if (row % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]


def sample_person(figure: Figure, dice: Dice, *, held_out: bool = False) -> Person:
    """Somebody new.

    Args:
        figure: the mesh.
        dice: source of all choices.
        held_out: take the body from the eighth of the bank that training never sees.
    """
    body = figure.body
    rows = bank_rows(len(body.shapes), held_out)
    one, two = dice.choose(rows), dice.choose(rows)
    share = dice.uniform(0, 0.35) if dice.chance(0.6) else 0.0
    shape = body.shapes[one] * (1 - share) + body.shapes[two] * share
    phenotype = dict(zip(body.phenotype_names, body.phenotypes[one].tolist(), strict=True))
    jitter = torch.randn(body.num_shapes, generator=dice.generator()) * 0.12
    return make_person(
        figure,
        shape + jitter,
        sample_look(dice, phenotype["gender"], phenotype["age_years"]),
        sample_outfit(dice, phenotype["gender"]),
    )


def make_person(figure: Figure, shape: Tensor, look: Look, outfit: Outfit) -> Person:
    """Cut the clothes of `outfit` for the body of `shape` [K]."""
    body = figure.body
    joints = body.rest_joints(shape)
    clothed, trunk = dress(figure, outfit, look, body.vertices(shape), joints)
    pieces = make_pieces(figure, outfit, look, clothed, joints, trunk)

    surface, place, bones = [clothed], [figure.reference], [body.bone_weights]
    for name, (around, along) in GRIDS.items():
        piece = pieces.get(name)
        count = around * along
        if piece is None:  # a grid that is not worn hides inside the chest
            surface.append(joints[9].expand(count, 3))
            place.append(torch.zeros(count, 3))
            bones.append(body.bone_weights[:1].expand(count, NUM_BONES))
        else:
            surface.append(piece.points.reshape(-1, 3))
            place.append(piece.cloth.reshape(-1, 3))
            bones.append(piece.bones.reshape(-1, NUM_BONES))
    points, bone_weights = torch.cat(surface), torch.cat(bones)
    normals = vertex_normals(points, figure.faces)
    grid_faces = figure.faces[len(body.faces) :]
    grid_bones, grid_weights = strongest_bones(bone_weights, grid_faces)
    return Person(
        look=look,
        outfit=outfit,
        surface=points,
        canonical=to_template(points, bone_weights, body.rest_joints(), joints),
        place=torch.cat(place),
        normals=normals,
        cavity=_cavity(clothed, normals, figure),
        bone_weights=bone_weights,
        joint_weights=torch.cat([body.joint_weights, sum_bones_to_joints(bone_weights[len(clothed) :])]),
        face_bones=torch.cat([figure.face_bones, grid_bones]),
        corner_weights=torch.cat([figure.corner_weights, grid_weights]),
        rest_joints=joints,
        shape=shape,
    )


def to_template(points: Tensor, bone_weights: Tensor, template_joints: Tensor, joints: Tensor) -> Tensor:
    """Undo the bone shape warp: T-pose of the subject to T-pose in the template's proportions.

    Args:
        points: [N, 3] metres.
        bone_weights: [N, 69].
        template_joints: [55, 3].
        joints: [55, 3] the subject's.

    Returns:
        [N, 3] such that the warp, blended with the same weights, gives `points`.
    """
    warp = bone_shape_warp(template_joints, joints, leaf_bones="inherit")  # [69, 3, 4]
    blended = (bone_weights @ warp.reshape(NUM_BONES, 12)).view(-1, 3, 4)
    return (torch.linalg.inv(blended[..., :3]) @ (points - blended[..., 3])[..., None])[..., 0]


def _cavity(clothed: Tensor, normals: Tensor, figure: Figure) -> Tensor:
    """[N] 0 to 1: how far the neighbourhood rises above a body vertex; 0 on the grids."""
    count = len(clothed)
    rise = ((neighbour_mean(clothed, figure.body.faces, rounds=3) - clothed) * normals[:count]).sum(-1)
    out = torch.zeros(len(normals))
    out[:count] = (rise / 0.006).clamp(0, 1)
    return out
