"""Which garment covers a place on the body: signed distances in metres, positive inside.

The same functions decide, per vertex, what the tailor pads and, per pixel, what the painter colours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.synthetic.wardrobe import Look, Outfit

_HAIRLINE_Z = (-0.03, 0.03, 0.052, 0.075, 0.1, 0.12, 0.145, 0.2)
_HAIRLINE_Y = (0.528, 0.545, 0.602, 0.592, 0.605, 0.64, 0.672, 0.675)


def edge(distance: Tensor, softness: float | Tensor) -> Tensor:
    """0 outside, 1 inside, with a border `softness` metres wide."""
    return (distance / softness + 0.5).clamp(0, 1)


def arm_of(place: Tensor) -> Tensor:
    """Signed distance to the arms of the reference body, [P, 3] -> [P]."""
    return torch.minimum(place[:, 0].abs() - 0.2, place[:, 1] - 0.28)


def top_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """Shirt, jacket, upper part of a dress: [P]."""
    x, y, z = place.unbind(-1)
    side = x.abs()
    front = ((z + 0.03) / 0.13).clamp(0, 1)
    deep = max(outfit.neck, 0.0)
    dip = (side / (0.07 + 0.6 * deep)).clamp(0, 1) ** 2  # a round neckline rises to the sides
    base = 0.458 - (0.045 + outfit.neck) * front * (1 - dip) - 0.3 * outfit.neck
    round_neck = torch.maximum(base - y, side - (0.07 + 0.6 * deep))
    cover = torch.minimum(round_neck, 0.5 - y)
    if outfit.vee:
        opened = torch.minimum(0.6 * (y - (0.4 - outfit.vee)) - side, z - 0.04)
        cover = torch.minimum(cover, -opened)
    cover = torch.minimum(cover, y - outfit.hem)
    return torch.minimum(cover, outfit.sleeve - side)


def gap_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """The gap of an open front, where the layer below shows: [P]."""
    x, y, z = place.unbind(-1)
    if not outfit.opening:
        return torch.full_like(x, -1.0)
    width = outfit.opening * (0.75 + 0.5 * ((y + 0.1) / 0.5).clamp(0, 1))
    return torch.minimum(torch.minimum(width - x.abs(), z - 0.02), 0.5 - y)


def bottom_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """Trousers, shorts, the hip part of a skirt: [P]."""
    y = place[:, 1]
    waist = 0.1 if outfit.kind in ("skirt", "leggings") else 0.07
    low = outfit.leg_hem if outfit.kind in ("trousers", "shorts", "leggings") else -0.12
    return torch.minimum(torch.minimum(waist - y, y - low), -arm_of(place))


def sock_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """Socks, or tights to the waist: [P]."""
    y = place[:, 1]
    if outfit.tights:
        return torch.minimum(0.06 - y, -arm_of(place))
    return outfit.sock_top - y


def shoe_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """Shoes and boots: [P]."""
    y, z = place[:, 1], place[:, 2]
    if outfit.shoes == "bare":
        return torch.full_like(y, -1.0)
    if outfit.shoes == "sandal":
        straps = 0.012 - ((z - 0.04).abs() % 0.075 - 0.0375).abs()
        return torch.maximum(torch.minimum(straps, -0.9 - y), -0.965 - y)
    instep = 0.6 * (z - 0.08).clamp(0, 0.06)  # low shoes are cut lower over the toes
    return outfit.shoe_top - (0.0 if outfit.shoes == "boot" else 1.0) * instep - y


def hair_cover(look: Look, place: Tensor) -> Tensor:
    """The scalp where hair grows: [P]."""
    x, y, z = place.unbind(-1)
    line = _piecewise(z, _HAIRLINE_Z, _HAIRLINE_Y) + look.hairline * ((z - 0.06) / 0.06).clamp(0, 1)
    line = line + 0.006 * torch.sin(90 * x + 7) * torch.sin(140 * z)
    temple = 0.008 * ((x.abs() - 0.045) / 0.02).clamp(0, 1) * ((z - 0.09) / 0.03).clamp(0, 1)
    return torch.minimum(y - line + temple, 0.15 - x.abs())


def hat_cover(outfit: Outfit, place: Tensor) -> Tensor:
    """A hat's crown: [P]."""
    x, y, z = place.unbind(-1)
    if not outfit.hat_kind:
        return torch.full_like(y, -1.0)
    if outfit.hat_kind == "hijab":  # all of the head and neck but the face
        oval = 0.06 * (((x / 0.06) ** 2 + ((y - 0.575) / 0.078) ** 2).sqrt() - 1)
        return torch.minimum(torch.maximum(oval, 0.09 - z), y - 0.44)
    low = {"beanie": 0.632, "cap": 0.648, "brim": 0.645}[outfit.hat_kind]
    return y - low - 0.15 * (z - 0.05)


def _piecewise(value: Tensor, knots: tuple[float, ...], heights: tuple[float, ...]) -> Tensor:
    out = torch.full_like(value, heights[0])
    for x0, x1, y0, y1 in zip(knots[:-1], knots[1:], heights[:-1], heights[1:], strict=True):
        out = out + (y1 - y0) * ((value - x0) / (x1 - x0)).clamp(0, 1)
    return out
