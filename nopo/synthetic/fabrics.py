"""What clothes are made of: colours and patterns, looked up at 3D places so that they have no seams."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nopo.synthetic.dice import Dice

RGB = tuple[float, float, float]
PATTERNS = ("solid", "stripes", "bars", "check", "plaid", "dots", "marble", "camo", "gradient", "blocks", "flowers")
_WEIGHTS = (46, 9, 5, 5, 8, 4, 4, 4, 5, 6, 4)


@dataclass(frozen=True)
class Fabric:
    """One material.

    Attributes:
        pattern: one of PATTERNS.
        colours: three sRGB colours; a solid uses the first.
        period: metres between repeats.
        duty: share of the first colour.
        seed: of the phases and directions.
        weave: strength of the fine texture.
        shine: strength of highlights, 0 cotton to 1 leather.
        wrinkle: strength of the folds.
    """

    pattern: str
    colours: tuple[RGB, RGB, RGB]
    period: float
    duty: float
    seed: int
    weave: float
    shine: float
    wrinkle: float

    @cached_property
    def waves(self) -> list[float]:
        """24 random numbers that phases and directions are taken from."""
        return Dice(self.seed).vector(24)


def hsv(hue: float, saturation: float, value: float) -> RGB:
    """Colour from hue (any number, period 1), saturation and value (cut to [0, 1])."""
    return colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))


def sample_colour(dice: Dice) -> RGB:
    """A colour that clothes have: a third neutral, a sixth blue, the rest earth, pastel and bright."""
    kind = dice.choose(("white", "grey", "black", "navy", "denim", "earth", "pastel", "bright", "deep"),
                       (13, 10, 12, 7, 9, 12, 12, 18, 7))  # fmt: skip
    if kind == "white":
        return hsv(dice.uniform(0.05, 0.17), dice.uniform(0, 0.12), dice.uniform(0.84, 0.98))
    if kind == "grey":
        return hsv(dice.uniform(), dice.uniform(0, 0.1), dice.uniform(0.25, 0.8))
    if kind == "black":
        return hsv(dice.uniform(), dice.uniform(0, 0.3), dice.uniform(0.05, 0.2))
    if kind == "navy":
        return hsv(dice.normal(0.02, 0.63), dice.uniform(0.45, 0.8), dice.uniform(0.14, 0.4))
    if kind == "denim":
        return hsv(dice.normal(0.015, 0.6), dice.uniform(0.25, 0.6), dice.uniform(0.3, 0.75))
    if kind == "earth":
        return hsv(dice.uniform(0.04, 0.2), dice.uniform(0.2, 0.6), dice.uniform(0.3, 0.85))
    if kind == "pastel":
        return hsv(dice.uniform(), dice.uniform(0.12, 0.4), dice.uniform(0.75, 0.97))
    if kind == "bright":
        return hsv(dice.uniform(), dice.uniform(0.6, 1.0), dice.uniform(0.55, 1.0))
    return hsv(dice.uniform(), dice.uniform(0.5, 0.95), dice.uniform(0.2, 0.5))


def sample_fabric(dice: Dice, plain: float = 0.0, shine: float = 0.1) -> Fabric:
    """A random material.

    Args:
        dice: source of all choices.
        plain: probability of a solid colour on top of the usual one.
        shine: highest strength of highlights.
    """
    pattern = "solid" if dice.chance(plain) else dice.choose(PATTERNS, _WEIGHTS)
    first = sample_colour(dice)
    second, third = _contrasting(dice, first), sample_colour(dice)
    return Fabric(
        pattern=pattern,
        colours=(first, second, third),
        period=dice.log_uniform(0.022, 0.16),
        duty=dice.uniform(0.3, 0.75),
        seed=dice.seed(),
        weave=dice.uniform(0, 0.07),
        shine=dice.uniform(0, shine),
        wrinkle=dice.uniform(0.15, 1.0),
    )


def plain_fabric(colour: RGB, dice: Dice, shine: float = 0.0, wrinkle: float = 0.1) -> Fabric:
    """A solid material of a given colour."""
    return Fabric("solid", (colour, colour, colour), 0.1, 0.5, dice.seed(), 0.02, shine, wrinkle)


def _contrasting(dice: Dice, colour: RGB) -> RGB:
    other = sample_colour(dice)
    for _ in range(4):
        if sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 0.35:
            break
        other = sample_colour(dice)
    return other


def fabric_colour(fabric: Fabric, place: Tensor, footprint: Tensor) -> Tensor:
    """Colour of a material at places on the cloth.

    Args:
        fabric: the material.
        place: [P, 3] metres: across the cloth, along it (up), and depth.
        footprint: [P] or one for all, metres that one pixel covers; edges of patterns are as soft as that.

    Returns:
        [P, 3] sRGB.
    """
    first, second, third = (torch.tensor(c, device=place.device) for c in fabric.colours)
    if fabric.pattern == "solid":
        colour = first.expand(len(place), 3)
    elif fabric.pattern == "plaid":
        across, up = _pattern_lines(fabric, place, footprint)
        colour = first + (second - first) * (0.5 * across + 0.5 * up)[:, None]
        u = place[:, 0] / fabric.period + fabric.waves[2]
        thin = _duty(u, 0.06, footprint / fabric.period)
        colour = colour + (third - colour) * (0.7 * thin)[:, None]
    else:
        share = _share(fabric, place, footprint)[:, None]
        colour = first + (second - first) * share
    grain = torch.sin(place @ _directions(fabric, 3, 240.0, place)).prod(-1)
    return colour * (1 + fabric.weave * grain[:, None])


def _pattern_lines(fabric: Fabric, place: Tensor, footprint: Tensor) -> tuple[Tensor, Tensor]:
    soft = footprint / fabric.period
    across = _duty(place[:, 0] / fabric.period + fabric.waves[0], fabric.duty, soft)
    up = _duty(place[:, 1] / fabric.period + fabric.waves[1], fabric.duty, soft)
    return across, up


def _share(fabric: Fabric, place: Tensor, footprint: Tensor) -> Tensor:
    """[P] share of the second colour."""
    u, v, w = place.unbind(-1)
    period, waves, soft = fabric.period, fabric.waves, footprint / fabric.period
    across, up = _pattern_lines(fabric, place, footprint)
    if fabric.pattern == "stripes":
        return up
    if fabric.pattern == "bars":
        return across
    if fabric.pattern == "check":
        return across * up + (1 - across) * (1 - up)
    if fabric.pattern == "dots":
        row = torch.floor(v / period + waves[1])
        du = (u / period + waves[0] + 0.5 * row) % 1 - 0.5
        dv = (v / period + waves[1]) % 1 - 0.5
        return _step(0.12 + 0.25 * fabric.duty - (du * du + dv * dv).sqrt(), soft)
    if fabric.pattern == "gradient":
        return (0.5 + 2.0 * v * math.cos(waves[0]) + 2.0 * u * math.sin(waves[0])).clamp(0, 1)
    if fabric.pattern == "blocks":
        level = 0.15 + 0.1 * waves[0]
        return _step(v - level, footprint)
    field = _noise(fabric, place, 1.6 / period if fabric.pattern != "flowers" else 2.6 / period)
    if fabric.pattern == "camo":
        return _step(field - 0.1, 0.2 + soft)
    if fabric.pattern == "flowers":
        return _step(field.abs() - 0.75, 0.2 + soft)
    return 0.5 + 0.5 * field


def _noise(fabric: Fabric, place: Tensor, frequency: float) -> Tensor:
    """[P] smooth values about -1 to 1."""
    bend = torch.sin(place @ _directions(fabric, 6, 0.7 * frequency, place))
    phase = place @ _directions(fabric, 3, frequency, place) + 1.4 * bend
    return torch.sin(phase).sum(-1) / 1.8


def _directions(fabric: Fabric, first: int, frequency: float, like: Tensor) -> Tensor:
    """[3, 3] three random wave vectors, radians per metre."""
    return torch.tensor(fabric.waves[first : first + 9], device=like.device).view(3, 3) * frequency


def _duty(phase: Tensor, duty: float, soft: Tensor) -> Tensor:
    """Periodic stripes: 1 over the last part of each period, with edges `soft` periods wide."""
    place = phase % 1
    edge = soft.clamp_min(1e-3)
    end = place / edge
    share = ((place - duty) / edge + 0.5).clamp(0, 1) * (1 / edge - end + 0.5).clamp(0, 1) + (0.5 - end).clamp(0, 1)
    return torch.where(soft > 0.6, 1 - duty, share)  # what is finer than the picture shows its mean


def _step(value: Tensor, soft: Tensor) -> Tensor:
    """0 below zero, 1 above, with an edge `soft` wide."""
    return (value / soft.clamp_min(1e-4) + 0.5).clamp(0, 1)
