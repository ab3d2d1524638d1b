"""Cutting clothes: from a body and an outfit to the clothed surface in the T-pose.

Tops and trousers push the body's own vertices outwards, to where cloth would hang: a trunk or a leg is measured as a
table of radii by height and direction, cloth spans its hollows and falls straight from where it last touched. What
cannot be a displacement of the skin (skirts, coat tails, hanging hair, brims, bags) is in `pieces`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nopo.synthetic.cover import bottom_cover, edge, gap_cover, hair_cover, hat_cover, shoe_cover, sock_cover, top_cover
from nopo.synthetic.figure import Figure
from nopo.synthetic.surface import unit
from nopo.synthetic.wardrobe import Look, Outfit

_ROWS, _COLUMNS = 40, 32
_STEP_M = 0.02
TRUNK_LOW = -0.32
_HAIR_DEPTH = {"bald": 0.0, "buzz": 0.003, "short": 0.013, "tousled": 0.026, "afro": 0.055, "bob": 0.022,
               "long": 0.017, "ponytail": 0.009, "bun": 0.010}  # fmt: skip


class Girth:
    """Radii of something round a vertical axis, by height and direction.

    Attributes:
        center: [2] x and z of the axis.
        low: y of the first row, metres.
        table: [rows, columns] metres.
    """

    def __init__(self, center: tuple[float, float], low: float, table: Tensor) -> None:
        self.center, self.low, self.table = center, low, table

    @staticmethod
    def measure(points: Tensor, center: tuple[float, float], low: float) -> Girth:
        """The largest radius of points [P, 3] in each cell; cells without a point take their neighbours'."""
        radius, angle = _polar(points, center)
        row = ((points[:, 1] - low) / _STEP_M).long()
        column = (angle / (2 * math.pi) * _COLUMNS).long() % _COLUMNS
        keep = (row >= 0) & (row < _ROWS)
        table = torch.zeros(_ROWS * _COLUMNS)
        table.scatter_reduce_(0, (row * _COLUMNS + column)[keep], radius[keep], "amax")
        table = table.view(_ROWS, _COLUMNS)
        for _ in range(4):
            spread = torch.stack([table.roll(1, 1), table.roll(-1, 1)]).mean(0)
            spread = torch.maximum(spread, torch.stack([_shift(table, 1), _shift(table, -1)]).mean(0))
            table = torch.where(table > 0, table, spread)
        return Girth(center, low, table)

    def draped(self, share: float, below: float) -> Girth:
        """Cloth over it: hollows spanned, and below height `below` falling with `share` of the widest part above."""
        smooth = self.table
        for _ in range(3):
            smooth = torch.maximum(self.table, (smooth.roll(1, 1) + 2 * smooth + smooth.roll(-1, 1)) / 4)
        row = min(max(int((below - self.low) / _STEP_M), 1), _ROWS)
        falling = smooth[:row].flip(0).cummax(0).values.flip(0) * share
        hanging = torch.cat([torch.maximum(smooth[:row], falling), smooth[row:]])
        # Folds of a whole row at once look like rings: even the rows out.
        hanging = torch.maximum(smooth, (_shift(hanging, 1) + 2 * hanging + _shift(hanging, -1)) / 4)
        return Girth(self.center, self.low, hanging)

    def at(self, points: Tensor) -> Tensor:
        """Radius [P] at the height and direction of points [P, 3], bilinear."""
        _, angle = _polar(points, self.center)
        return self.lookup(points[:, 1], angle)

    def lookup(self, height: Tensor, angle: Tensor) -> Tensor:
        """Radius at heights and directions of any one shape."""
        row = ((height - self.low) / _STEP_M - 0.5).clamp(0, _ROWS - 1.001)
        column = angle / (2 * math.pi) * _COLUMNS - 0.5
        r0, c0 = row.floor().long(), column.floor().long()
        fr, fc = row - r0, column - c0
        t, left, right = self.table, c0 % _COLUMNS, (c0 + 1) % _COLUMNS
        upper = t[r0, left] * (1 - fc) + t[r0, right] * fc
        return upper * (1 - fr) + (t[r0 + 1, left] * (1 - fc) + t[r0 + 1, right] * fc) * fr


def _polar(points: Tensor, center: tuple[float, float]) -> tuple[Tensor, Tensor]:
    x, z = points[:, 0] - center[0], points[:, 2] - center[1]
    return (x * x + z * z).sqrt(), torch.atan2(x, z) % (2 * math.pi)


def _shift(table: Tensor, rows: int) -> Tensor:
    """The table moved by one row, its border repeated."""
    return torch.cat([table[:1], table[:-1]]) if rows > 0 else torch.cat([table[1:], table[-1:]])


def dress(figure: Figure, outfit: Outfit, look: Look, skin: Tensor, joints: Tensor) -> tuple[Tensor, Girth]:
    """Push the body's vertices out to the surface of what they wear.

    Args:
        figure: the mesh.
        outfit: clothes.
        look: hair.
        skin: [V, 3] naked body in the T-pose, metres.
        joints: [55, 3] its rest joints.

    Returns:
        The clothed surface [V, 3] and the girth of the clothed trunk, from which skirts and coat tails hang.
    """
    reference, surface = figure.reference, skin.clone()
    waves = torch.tensor(outfit.folds_waves).view(4, 3)
    folds = 0.5 + 0.25 * (torch.sin(reference @ (waves[0] * 18) + 1) + torch.sin(reference @ (waves[1] * 26)))  # [V]

    trunk_points = (figure.arm < 0.4) & (reference[:, 1] > TRUNK_LOW) & (reference[:, 1] < 0.45)
    trunk = Girth.measure(skin[trunk_points], (0.0, float(joints[3, 2])), TRUNK_LOW)
    below = float(joints[9, 1]) - 0.02
    cloth = trunk.draped(outfit.drape, below)

    _pad_legs(figure, outfit, skin, joints, surface, folds)
    _pad_feet(figure, outfit, surface)
    _pad_trunk(figure, outfit, skin, surface, trunk, cloth, folds)
    _pad_arms(figure, outfit, skin, joints, surface, folds)
    _pad_head(figure, outfit, look, skin, joints, surface)
    return surface, Girth(cloth.center, cloth.low, cloth.table + 1.5 * outfit.ease)


def _pad_trunk(
    figure: Figure, outfit: Outfit, skin: Tensor, surface: Tensor, trunk: Girth, cloth: Girth, folds: Tensor
) -> None:
    zone = figure.zones["trunk"]
    reference, skin = zone.reference, skin[zone.index]
    worn = edge(top_cover(outfit, reference) - 0.004, 0.016)
    ease = outfit.ease * (0.5 + folds[zone.index])
    gap = edge(gap_cover(outfit, reference), 0.02)
    ease = ease * (1 - gap) + 0.004 * gap  # under an open front lies a tighter layer
    shoulder = 1 - 0.75 * ((reference[:, 1] - 0.33) / 0.07).clamp(0, 1)
    hang = (cloth.at(skin) - trunk.at(skin)).clamp_min(0) * (1 - 0.7 * gap)
    push = ((hang + ease) * shoulder + 0.004) * worn * (1 - zone.arm).clamp(0, 1)
    direction = unit(torch.stack([skin[:, 0], torch.zeros_like(push), skin[:, 2] - trunk.center[1]], -1))
    up = ((reference[:, 1] - 0.36) / 0.06).clamp(0, 1)[:, None]  # on the shoulders, out means up
    direction = direction * (1 - up) + up * torch.tensor([0.0, 1.0, 0.0])
    surface[zone.index] += direction * push[:, None]


def _pad_arms(figure: Figure, outfit: Outfit, skin: Tensor, joints: Tensor, surface: Tensor, folds: Tensor) -> None:
    zone = figure.zones["arms"]
    reference = zone.reference
    worn = edge(top_cover(outfit, reference) - 0.004, 0.014) * zone.arm
    away = skin[zone.index] - joints[16]  # the arms of a T-pose lie along x
    away[:, 0] = 0
    outward = unit(away)
    along = ((reference[:, 0].abs() - 0.18) / max(outfit.sleeve - 0.18, 0.05)).clamp(0, 1)
    cuff = 0.0 if outfit.sleeve > 0.62 else 0.6
    tapered = 1 + cuff * along - 0.5 * (1 - cuff) * along**3
    width = outfit.sleeve_ease * (0.45 + folds[zone.index] * 0.9) * tapered + 0.004
    width = width * (1 + 0.45 * (-outward[:, 1]).clamp_min(0))  # more cloth below the arm than above
    surface[zone.index] += outward * (width * worn)[:, None]
    if outfit.gloves:
        hand = edge(figure.reference[:, 0].abs() - 0.66, 0.02) * figure.arm
        surface += figure.skin.normals(skin) * (0.004 * hand)[:, None]


def _pad_legs(figure: Figure, outfit: Outfit, skin: Tensor, joints: Tensor, surface: Tensor, folds: Tensor) -> None:
    for name, side, hip, ankle in (("left_leg", 1.0, 1, 7), ("right_leg", -1.0, 2, 8)):
        zone = figure.zones[name]
        worn = edge(bottom_cover(outfit, zone.reference) - 0.004, 0.016)
        sock = edge(sock_cover(outfit, zone.reference), 0.01) * 0.003
        points = skin[zone.index]
        x, y, z = points.T.contiguous()
        top, end = joints[hip], joints[ankle]
        t = ((top[1] - y) / (top[1] - end[1])).clamp(0, 1.05)
        away_x, away_z = x - top[0] - (end[0] - top[0]) * t, z - top[2] - (end[2] - top[2]) * t
        radius = (away_x * away_x + away_z * away_z).sqrt().clamp_min(1e-3)
        row = ((top[1] - y) / 0.03).long().clamp(0, 31)
        mean = torch.zeros(32).scatter_reduce_(0, row, radius, "mean", include_self=False)
        knee = int((float(top[1]) - float(joints[4, 1])) / 0.03)
        fall = mean.clone()
        fall[knee:] = torch.maximum(mean[knee:], mean[knee] * (0.95 + 0.25 * max(outfit.fit - 1, 0.0)
                                    * torch.linspace(0, 1, 32 - knee)))  # fmt: skip
        extra = (fall - mean)[row] * min(outfit.fit, 1.0) + max(outfit.fit - 1, 0.0) * 0.03 * (t - 0.5).clamp_min(0)
        low = (t * 3).clamp(0, 1)  # at the hips trousers fit
        push = (extra + outfit.leg_ease * (0.5 + folds[zone.index]) * (0.35 + 0.65 * low) + 0.003) * worn
        push = torch.maximum(push, sock) / radius
        x = side * (side * (x + away_x * push)).clamp_min(0.0015)  # trouser legs do not cross
        surface[zone.index] = torch.stack([x, y, z + away_z * push], -1)


def _pad_feet(figure: Figure, outfit: Outfit, surface: Tensor) -> None:
    if outfit.shoes == "bare":
        return
    zone = figure.zones["feet"]
    worn = edge(shoe_cover(outfit, zone.reference), 0.012)[:, None]
    if outfit.shoes == "sandal":
        surface[zone.index] += zone.normals * (0.004 * worn)
        return
    foot = ((-0.86 - zone.reference[:, 1]) / 0.03).clamp(0, 1)[:, None]
    thick = 0.012 if outfit.shoes == "boot" else 0.006
    push = (figure.shoe[zone.index] * foot + zone.normals * thick * (1 - 0.5 * foot)) * worn
    push[:, 1] -= (0.012 * worn * edge(-0.955 - zone.reference[:, 1:2], 0.02))[:, 0]  # the sole
    surface[zone.index] += push


def _pad_head(figure: Figure, outfit: Outfit, look: Look, skin: Tensor, joints: Tensor, surface: Tensor) -> None:
    zone = figure.zones["head"]
    reference = zone.reference
    head = joints[15] + torch.tensor([0.0, 0.06, 0.0])
    radial = unit(skin[zone.index] - head)
    depth = _HAIR_DEPTH[look.style] * look.volume
    # Round at the hairline, as if the depth were the radius of the hair's edge.
    ramp = ((hair_cover(look, reference) + 0.004) / (0.008 + 1.3 * depth)).clamp(0, 1)
    hair = torch.sin(ramp * math.pi / 2) * (1 - 0.8 * zone.ears)
    waves = torch.sin(reference @ torch.tensor([80.0, 60.0, 95.0]) + 9 * look.volume)
    rise = ((reference[:, 1] - 0.56) / 0.1).clamp(0.15, 1)  # thin at the nape, thick on top
    if look.style == "afro":
        rise = rise.clamp_min(0.6)
    uneven = 1 + (0.35 if look.style == "tousled" else 0.1) * waves
    crown = edge(hat_cover(outfit, reference), 0.012)
    depth_map = depth * rise * uneven * hair * (1 - crown)
    tall = {"": 0.0, "beanie": 0.014, "cap": 0.014, "brim": 0.02, "hijab": 0.011}[outfit.hat_kind]
    if outfit.hat_kind == "beanie":
        tall_map = tall + 0.03 * ((reference[:, 1] - 0.69) / 0.03).clamp(0, 1)
    elif outfit.hat_kind == "brim":
        tall_map = tall + 0.035 * ((reference[:, 1] - 0.68) / 0.02).clamp(0, 1)
    else:
        tall_map = torch.full_like(crown, tall)
    depth_map = depth_map + tall_map * crown
    push = unit(radial + zone.normals) * depth_map[:, None]
    if look.style in ("bob", "long") or outfit.hat_kind in ("beanie", "hijab"):  # they press the ears
        push[:, 0] -= reference[:, 0].sign() * 0.012 * zone.ears
    surface[zone.index] += push
