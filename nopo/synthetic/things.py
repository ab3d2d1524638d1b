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
    pick = dice.integer(len(rows))
    down, right = (torch.arange(side, device=person.device) + 0.5 for side in (height, width))
    v, u = torch.meshgrid(
        (down - int(rows[pick])) / height, (right - int(columns[pick])) / height, indexing="ij"
    )  # from a place on the person, in heights of the frame
    top, bottom = ((int(row) - int(rows[pick])) / height for row in (rows.min(), rows.max() + 1))
    turned = torch.zeros_like(u)  # how far a place is turned away from the camera, 0 to 1
    if kind == "desk":
        inside = _desk(dice, u, v, top, bottom)
    elif kind == "microphone":
        inside = _microphone(dice, u, v, top, bottom)
    else:
        angle = dice.uniform(0, math.pi)
        across = math.cos(angle) * u + math.sin(angle) * v
        along = math.cos(angle) * v - math.sin(angle) * u
        a = dice.log_uniform(0.02, 0.16)
        b = a * dice.uniform(0.4, 1.0)
        if kind == "ball":
            inside = _ellipse(across, along, a, b)
            turned = ((across / a).square() + (along / b).square()).clamp_max(1)
        else:
            inside = torch.minimum(a - across.abs(), b - along.abs())
    light = _light(dice, u, v) - 0.5 * turned
    return Thing((inside * height + 0.5).clamp(0, 1), (_cloth(dice, u, v) * light).clamp(0, 1))


def _desk(dice: Dice, u: Tensor, v: Tensor, top: float, bottom: float) -> Tensor:
    """Distance into a desk or lectern that hides the person from somewhere between `top` and `bottom` down."""
    edge = top + (bottom - top) * dice.uniform(0.45, 0.9)
    half = dice.uniform(0.1, 0.4)
    return torch.minimum(v - edge - dice.normal(0.03) * u, half - u.abs())


def _microphone(dice: Dice, u: Tensor, v: Tensor, top: float, bottom: float) -> Tensor:
    """Distance into a microphone on a pole, at the height of the chest or the face."""
    a, b = dice.uniform(0.008, 0.025), dice.uniform(0.015, 0.04)
    below = v - top - (bottom - top) * dice.uniform(0.12, 0.4)
    slant, thin = dice.normal(0.4), dice.uniform(0.003, 0.008)
    pole = torch.minimum(thin - (u - slant * below).abs(), torch.minimum(below, dice.uniform(0.1, 0.8) - below))
    return torch.maximum(_ellipse(u, below, a, b), pole)


def _cloth(dice: Dice, u: Tensor, v: Tensor) -> Tensor:
    """What it is made of: [3, H, W] sRGB."""
    place = torch.stack([_FRAME_M * u, -_FRAME_M * v, torch.zeros_like(u)], -1).flatten(0, 1)
    fabric, footprint = sample_fabric(dice, plain=0.6), u.new_tensor(_FRAME_M / len(v))
    return fabric_colour(fabric, place, footprint).T.unflatten(1, u.shape)


def _light(dice: Dice, u: Tensor, v: Tensor) -> Tensor:
    """Lighter towards one side: [H, W]."""
    angle, strength = dice.uniform(-math.pi, math.pi), dice.uniform(0, 2.5)
    return dice.uniform(0.6, 1.15) * (1 + strength * (math.cos(angle) * u + math.sin(angle) * v))


def _ellipse(u: Tensor, v: Tensor, a: float, b: float) -> Tensor:
    """Distance into an ellipse of half axes a and b, about."""
    return (1 - ((u / a).square() + (v / b).square()).sqrt()) * min(a, b)
