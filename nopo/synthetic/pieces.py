"""Surfaces that hang off the body: skirts and coat tails, hair, brims, buns, bags, collars and hoods.

Each piece is a grid of points with its own skinning weights. The weights are those of the body nearby, blended over
the height of the piece, so that a skirt follows both legs and hair follows head, neck and back in turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.body.skeleton import NUM_BONES
from nopo.synthetic.figure import GRIDS, Figure, bones_of
from nopo.synthetic.tailor import Girth
from nopo.synthetic.wardrobe import Look, Outfit


@dataclass(frozen=True)
class Piece:
    """One grid of a person: `points` [A, L, 3] in the T-pose, `cloth` [A, L, 3] texture place, `bones` [A, L, 69]."""

    points: Tensor
    cloth: Tensor
    bones: Tensor


def make_pieces(
    figure: Figure, outfit: Outfit, look: Look, surface: Tensor, joints: Tensor, trunk: Girth
) -> dict[str, Piece]:
    """All pieces that this person wears.

    Args:
        figure: the mesh.
        outfit: clothes.
        look: hair.
        surface: [V, 3] the clothed body in the T-pose, metres.
        joints: [55, 3] rest joints.
        trunk: girth of the clothed trunk.
    """
    pieces = {"mouth": _mouth(figure, surface)}
    if outfit.kind in ("skirt", "dress"):
        pieces["skirt"] = _skirt(figure, outfit, joints, trunk, 0.09, outfit.skirt_hem, outfit.flare, 0.0)
    elif outfit.tail < outfit.hem - 0.02:
        pieces["skirt"] = _skirt(
            figure, outfit, joints, trunk, 0.06, outfit.tail, 0.25 * outfit.flare + 0.1, outfit.opening
        )
    veiled = outfit.hat_kind == "hijab"
    if veiled or look.style in ("long", "bob"):
        pieces["hair"] = _hanging_hair(figure, outfit, look, surface, joints, trunk)
    if look.style in ("ponytail", "bun") and not veiled:
        pieces["bun"] = _bun(look, joints, surface)
    if outfit.hat_kind in ("cap", "brim"):
        pieces["hat"] = _brim(outfit, joints)
    if outfit.bag_kind in ("backpack", "shoulder"):
        pieces["bag"] = _bag(outfit, trunk)
    if outfit.collar in ("shirt", "hood", "scarf", "turtle"):
        pieces["collar"] = _collar(figure, outfit, surface, joints)
    return pieces


def _bone(joint: str) -> Tensor:
    """[69] the weights of something that moves with one joint: its bones in equal shares."""
    weights = torch.zeros(NUM_BONES)
    bones = bones_of(joint)
    weights[bones] = 1 / len(bones)
    return weights


def _blend(*shares: tuple[Tensor, Tensor]) -> Tensor:
    """Sum of weights [69] times shares [...], normalised: [..., 69]."""
    total = torch.stack([share[..., None] * weights for share, weights in shares]).sum(0)
    return total / total.sum(-1, keepdim=True)


def _smooth(value: Tensor) -> Tensor:
    value = value.clamp(0, 1)
    return value * value * (3 - 2 * value)


def _skirt(
    figure: Figure, outfit: Outfit, joints: Tensor, trunk: Girth, top: float, hem: float, flare: float, opening: float
) -> Piece:
    around, along = GRIDS["skirt"]
    scale = float(joints[7, 1]) / -0.912  # long-legged people wear longer skirts
    top, hem = top * scale, hem * scale
    t = torch.linspace(0, 1, along)[None].expand(around, -1)
    gap = math.atan2(opening * 0.8, 0.13)
    angle = torch.linspace(gap, 2 * math.pi - gap, around)[:, None].expand(-1, along)
    height = top + (hem - top) * t
    hip = -0.12 * scale
    widest = trunk.lookup(height.clamp_min(hip), angle)  # [A, L]
    round_share = _smooth((hip + 0.02 - height) / 0.25)
    even = widest.mean(0, keepdim=True)
    radius = widest * (1 - 0.6 * round_share) + even * 0.6 * round_share + 0.012
    fall = (hip + 0.1 - height).clamp_min(0)
    waves = 0.5 + 0.5 * torch.sin(angle * round(7 + 6 * outfit.folds) + 5 * outfit.flare)
    radius = radius + fall * (flare * 0.55 + 0.10 * outfit.folds * (waves - 0.5))
    radius = radius - 0.025 * (1 - _smooth((top - height) / 0.09))  # it comes out from below the top, without a step
    x, z = trunk.center[0] + radius * torch.sin(angle), trunk.center[1] + radius * torch.cos(angle)
    points = torch.stack([x, height, z], -1)
    leg = _smooth((0.04 - height) / 0.3) * 0.92
    left = torch.sigmoid(x / 0.045)
    shin = _smooth((joints[4, 1] + 0.1 - height) / 0.3) * 0.55
    waist = (figure.arm < 0.2) & ((figure.reference[:, 1] - 0.06).abs() < 0.05)
    trunk_share = _smooth((height - 0.0) / 0.06)
    bones = _blend(
        ((1 - leg) * trunk_share, figure.body.bone_weights[waist].mean(0)),
        ((1 - leg) * (1 - trunk_share), _bone("pelvis")),
        (leg * left * (1 - shin), _bone("left_hip")),
        (leg * (1 - left) * (1 - shin), _bone("right_hip")),
        (leg * left * shin, _bone("left_knee")),
        (leg * (1 - left) * shin, _bone("right_knee")),
    )
    return Piece(points, torch.stack([(angle - math.pi) * 0.17, height, z], -1), bones)


def _hanging_hair(figure: Figure, outfit: Outfit, look: Look, surface: Tensor, joints: Tensor, trunk: Girth) -> Piece:
    """A curtain from the crown over the skull and down behind the ears; 0 of its angle is the back of the head."""
    around, along = GRIDS["hair"]
    head, eyes = joints[15], float(joints[23, 1])
    scalp = surface[figure.body.part("head") & (figure.reference[:, 1] > 0.6)]
    top, half = float(scalp[:, 1].max()), float(scalp[:, 0].abs().max())
    behind, middle = float(scalp[:, 2].min()), float(head[2]) - 0.005
    scale = (top - float(head[1])) / 0.153
    veiled = outfit.hat_kind == "hijab"
    bob = look.style == "bob" and not veiled
    thick = 0.006 + 0.008 * look.volume
    hanging = 0.16 if veiled else look.length
    low = eyes - (0.085 + 0.06 * look.volume if bob else hanging + 0.05) * scale
    reach = 2.35 if veiled else 2.05 + 0.08 * look.volume
    angle = torch.linspace(-reach, reach, around)[:, None].expand(-1, along)
    t = torch.linspace(0, 1, along)[None].expand(around, -1)
    over = 0.3  # share of the rows that lie on the skull
    start = 1.4 if outfit.hat_kind and not veiled else 0.35
    polar = start + (math.pi / 2 - start) * (t / over).clamp(0, 1)
    equator = eyes + 0.035 * scale
    fall = ((t - over) / (1 - over)).clamp(0, 1)
    height = equator + (top + 0.5 * thick - equator) * torch.cos(polar) - (equator - low) * fall
    # The front edge comes forward on its way down, so that the forehead stays free.
    spread = angle * (0.72 + 0.28 * (t / over).clamp(0, 1))
    wide = (half + thick) * torch.sin(polar) + 0.014 * look.volume * torch.sin(math.pi * fall * 0.8)
    deep = (middle - behind + thick) * torch.sin(polar) + 0.01 * look.volume * fall
    strands = 0.0025 * torch.sin(angle * 15 + 6 * t + 9 * look.volume) * (0.4 + fall)
    x = torch.sin(spread) * (wide + strands)
    z = middle - torch.cos(spread) * (deep + strands)
    # Below the neck hair lies on the back and shoulders.
    lying = _smooth((float(joints[12, 1]) + 0.02 - height) / 0.09)
    back_of = trunk.lookup(height.clamp_max(float(joints[12, 1]) - 0.06), torch.full_like(height, math.pi))
    hood = 0.03 if outfit.collar in ("hood", "scarf") else 0.012
    resting = trunk.center[1] - back_of - hood + 0.1 * (x.abs() / 0.12) ** 2
    before = (angle.abs() > 1.5).float() * 0.9  # locks that fall in front of the shoulders keep their place
    z = z + (torch.minimum(z, resting) - z) * lying * (1 - before)
    points = torch.stack([x * (1 - 0.12 * lying), height, z], -1)
    neck = _smooth((float(head[1]) + 0.02 - height) / 0.1)
    back_share = _smooth((float(joints[12, 1]) + 0.03 - height) / 0.12)
    bones = _blend(
        (1 - neck, _bone("head")),
        (neck * (1 - back_share), _bone("neck")),
        (neck * back_share, _bone("spine3")),
    )
    return Piece(points, torch.stack([angle * 0.1, height, z], -1), bones)


def _ellipsoid(name: str, center: Tensor, radii: tuple[float, float, float], square: float = 1.0) -> Tensor:
    """[A, L, 3] points on an ellipsoid; `square` below 1 makes it a box with round edges."""
    around, along = GRIDS[name]
    u = torch.linspace(0, 2 * math.pi, around)[:, None]
    v = torch.linspace(-math.pi / 2, math.pi / 2, along)[None]

    def power(value: Tensor) -> Tensor:
        return value.sign() * value.abs() ** square

    x = power(torch.sin(u)) * power(torch.cos(v))
    z = power(torch.cos(u)) * power(torch.cos(v))
    y = power(torch.sin(v)).expand_as(x)
    return center + torch.stack([x, y, z], -1) * torch.tensor(radii)


def _rigid(points: Tensor, joint: str) -> Piece:
    return Piece(points, points, _bone(joint).expand(*points.shape[:2], NUM_BONES))


def _bun(look: Look, joints: Tensor, surface: Tensor) -> Piece:
    top = surface[:, 1].max()
    back = torch.stack([torch.zeros(()), joints[23, 1] + 0.04, joints[15, 2] - 0.115])
    if look.style == "bun":
        high = torch.tensor([0.0, 0.05, 0.01]) if look.parting else torch.zeros(3)
        size = 0.026 + 0.014 * look.volume
        return _rigid(_ellipsoid("bun", back + high, (size, size, size)), "head")
    length = 0.08 + 0.1 * look.volume
    points = _ellipsoid("bun", back - torch.tensor([0.0, length * 0.8, 0.012]), (0.028, length, 0.026))
    points[..., 1] = points[..., 1].clamp_max(float(top))
    return _rigid(points, "head")


def _brim(outfit: Outfit, joints: Tensor) -> Piece:
    around, along = GRIDS["hat"]
    angle = torch.linspace(-math.pi, math.pi, around)[:, None].expand(-1, along)
    t = torch.linspace(0, 1, along)[None].expand(around, -1)
    center = joints[15] + torch.tensor([0.0, 0.105, -0.002])
    if outfit.hat_kind == "cap":
        front = _smooth((1.25 - angle.abs()) / 0.5)
        reach, droop = 0.085 * front, -0.02 * t * front
    else:
        reach, droop = torch.full_like(t, 0.075 + 0.05 * outfit.folds), -0.012 * torch.cos(2 * angle) * t
    x = torch.sin(angle) * (0.074 + reach * t)
    z = torch.cos(angle) * (0.096 + reach * t)
    points = center + torch.stack([x, droop + 0.012 * torch.cos(angle), z], -1)
    return _rigid(points, "head")


def _bag(outfit: Outfit, trunk: Girth) -> Piece:
    if outfit.bag_kind == "backpack":
        back = trunk.lookup(torch.tensor(0.25), torch.tensor(math.pi))
        center = torch.stack([torch.zeros(()), torch.tensor(0.2), trunk.center[1] - back - 0.05])
        return _rigid(_ellipsoid("bag", center, (0.13, 0.19, 0.075), 0.45), "spine2")
    side = outfit.bag_side
    hip = trunk.lookup(torch.tensor(-0.05), torch.tensor(side * math.pi / 2 % (2 * math.pi)))
    center = torch.stack([side * (hip + 0.05), torch.tensor(-0.1), torch.tensor(trunk.center[1])])
    return _rigid(_ellipsoid("bag", center, (0.05, 0.11, 0.15), 0.4), "pelvis")


def _collar(figure: Figure, outfit: Outfit, surface: Tensor, joints: Tensor) -> Piece:
    around, along = GRIDS["collar"]
    gap = {"shirt": 0.2, "hood": 0.4, "scarf": 0.0, "turtle": 0.0}[outfit.collar]
    angle = torch.linspace(gap, 2 * math.pi - gap, around)[:, None].expand(-1, along)
    t = torch.linspace(0, 1, along)[None].expand(around, -1)
    back = 0.5 - 0.5 * torch.cos(angle)  # 0 in front, 1 behind
    near = (figure.reference[:, 1] > 0.39) & (figure.reference[:, 1] < 0.53) & (figure.reference[:, 0].abs() < 0.1)
    near &= ~figure.body.part("face", "lips", "ears")
    neck = joints[12]
    center = (float(neck[0]), float(neck[2]) - 0.012)
    girth = Girth.measure(surface[near], center, float(neck[1]) - 0.1)
    foot = float(neck[1]) - 0.042 + 0.04 * back  # where the collar leaves the cloth
    base = girth.lookup(foot + 0.025, angle).clamp_max(0.085)  # the neck, not the shoulders
    if outfit.collar == "scarf":
        radius = base + 0.004 + 0.03 * torch.sin(math.pi * t)
        height = foot - 0.02 + 0.075 * t
    elif outfit.collar == "hood":
        radius = base + 0.004 + (0.022 + 0.045 * back) * torch.sin(math.pi * 0.98 * t) ** 0.8 + 0.01 * t
        height = foot - 0.02 + (0.05 + 0.04 * back) * t
    elif outfit.collar == "turtle":
        radius, height = base + 0.006 + 0.003 * torch.cos(3 * math.pi * t), foot - 0.02 + 0.07 * t
    else:  # a shirt: up the neck and folded down outside
        radius = base + 0.004 + 0.022 * t**2
        height = foot - 0.012 + 0.048 * torch.sin(math.pi * 0.8 * t)
    x, z = torch.sin(angle) * radius, torch.cos(angle) * radius
    points = torch.stack([center[0] + x, height, center[1] + z], -1)
    collar_ring = (figure.reference[:, 1] - 0.445).abs() < 0.012
    weights = figure.body.bone_weights[collar_ring & near].mean(0)
    return Piece(points, torch.stack([(angle - math.pi) * 0.08, height, z], -1), weights.expand(around, along, -1))


def _mouth(figure: Figure, surface: Tensor) -> Piece:
    """A dark plane behind the lips, so that nobody sees through a mouth."""
    around, along = GRIDS["mouth"]
    lips = figure.body.part("lips")
    low, high = surface[lips].amin(0), surface[lips].amax(0)
    t = torch.linspace(0.08, 0.92, around)[:, None].expand(-1, along)
    u = torch.linspace(0.2, 0.8, along)[None].expand(around, -1)
    curve = 0.006 + 0.35 * (high[2] - low[2]) * (2 * t - 1) ** 2
    x, y = low[0] + (high[0] - low[0]) * t, low[1] + (high[1] - low[1]) * u
    points = torch.stack([x, y, high[2] - 0.004 - curve], -1)
    weights = figure.body.bone_weights[lips].mean(0)
    return Piece(points, points, weights.expand(around, along, -1))
