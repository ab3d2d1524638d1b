"""Things before people that are not of them: what hands hold, helmets and balls, microphones, desks and lecterns.

A matte keeps them, because they are in front; an avatar must not. A training photo that shows one says so: its pixels
are no part of the person. They are drawn flat, in pixels: there is no more to learn than that they are no body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.synthetic.dice import Dice
from nopo.synthetic.fabrics import fabric_colour, sample_fabric

SHARE = 0.2
"""Share of training photos that show a thing, and of training people on whom something hangs."""

KINDS = ("box", "ball", "microphone", "desk")
_WEIGHTS = (4, 3, 2, 2)

_FRAME_M = 2.0
"""What a frame is high, for the size of patterns, metres."""


@dataclass(frozen=True, eq=False)
class Thing:
    """Something before a person: how much of each pixel it covers, [H, W], and its colours [3, H, W] sRGB."""

    cover: Tensor
    colour: Tensor


def sample_thing(dice: Dice, person: Tensor, kind: str | None = None) -> Thing:
    """Something that lies before a person at least in part.

    Args:
        dice: source of all choices.
        person: [H, W] how much of each pixel the person covers.
        kind: one of KINDS; any by default.
    """
    kind = kind or dice.choose(KINDS, _WEIGHTS)
    height, width = person.shape
    rows, columns = (person > 0.5).nonzero(as_tuple=True)
    if len(rows) == 0:
        return Thing(torch.zeros_like(person), person.new_zeros(3, height, width))
    top, bottom = int(rows.min()) / height, (int(rows.max()) + 1) / height
    pick = dice.integer(len(rows))
    y, x = int(rows[pick]) / height, int(columns[pick]) / height
    v, u = torch.meshgrid(
        (torch.arange(height, device=person.device) + 0.5) / height,
        (torch.arange(width, device=person.device) + 0.5) / height,
        indexing="ij",
    )  # heights of the frame
    turned = torch.zeros_like(u)  # how far a place is turned away from the camera, 0 to 1
    if kind == "desk":
        edge = top + (bottom - top) * dice.uniform(0.45, 0.9)
        half = dice.uniform(0.1, 0.4)
        inside = torch.minimum(v - edge - dice.normal(0.03) * (u - x), half - (u - x).abs())
    elif kind == "microphone":
        a, b = dice.uniform(0.008, 0.025), dice.uniform(0.015, 0.04)
        y = top + (bottom - top) * dice.uniform(0.12, 0.4)
        head = _ellipse(u - x, v - y, a, b)
        slant, thin = dice.normal(0.4), dice.uniform(0.003, 0.008)
        pole = torch.minimum(
            thin - (u - x - slant * (v - y)).abs(), torch.minimum(v - y, y + dice.uniform(0.1, 0.8) - v)
        )
        inside = torch.maximum(head, pole)
    else:
        angle = dice.uniform(0, math.pi)
        across = math.cos(angle) * (u - x) + math.sin(angle) * (v - y)
        along = math.cos(angle) * (v - y) - math.sin(angle) * (u - x)
        a = dice.log_uniform(0.02, 0.16)
        b = a * dice.uniform(0.4, 1.0)
        if kind == "ball":
            inside = _ellipse(across, along, a, b)
            turned = (across / a).square() + (along / b).square()
        else:
            inside = torch.minimum(a - across.abs(), b - along.abs())
    cover = (inside * height + 0.5).clamp(0, 1)
    fabric = sample_fabric(dice, plain=0.6)
    place = torch.stack([_FRAME_M * u, -_FRAME_M * v, torch.zeros_like(u)], -1).flatten(0, 1)
    colour = fabric_colour(fabric, place, u.new_tensor(_FRAME_M / height)).T.unflatten(1, (height, width))
    angle, strength = dice.uniform(-math.pi, math.pi), dice.uniform(0, 2.5)
    light = 1 + strength * (math.cos(angle) * (u - x) + math.sin(angle) * (v - y)) - 0.5 * turned.clamp(0, 1)
    return Thing(cover, (colour * light * dice.uniform(0.6, 1.15)).clamp(0, 1))


def _ellipse(u: Tensor, v: Tensor, a: float, b: float) -> Tensor:
    """Distance into an ellipse of half axes a and b, about."""
    return (1 - ((u / a).square() + (v / b).square()).sqrt()) * min(a, b)
