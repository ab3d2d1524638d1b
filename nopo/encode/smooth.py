"""Smoothness: a body's surface is smooth, what a network says of one pixel after the other is not quite.

Neighbouring places that differ by some millimetres at random hardly count for the error, but they turn the splats that
lie between them every way: faces become brushwork, hems become fringes. Our own addition (docs/OPEN_MODEL.md).
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from nopo.encode.activations import tangent_covars
from nopo.encode.branch import Branch

SAME_SURFACE_M = 0.06
"""Neighbours farther apart than this on the canonical body lie on two sides of a depth edge: nothing lies between."""

REACH = 2
STD = 1.5
ROUNDS = 2
"""Pixels on each side that count, the standard deviation of their weights in pixels, and how often."""

OUTSIDE = 1e-3
"""What a pixel without any foreground counts."""


def smooth_surface(image: Branch) -> Branch:
    """Places averaged over neighbours on the same surface, with splats spanned by the tangents of the result.

    Args:
        image: one person's image branch, grid (V, H, W).
    """
    maps = image.means.view(*image.grid, 3).permute(0, 3, 1, 2)  # [V, 3, H, W]
    masks = image.mask.view(image.grid)[:, None]
    for _ in range(ROUNDS):
        maps = _average(maps, masks + OUTSIDE)
    smooth = maps.permute(0, 2, 3, 1)
    covars = tangent_covars(smooth, torch.zeros_like(smooth))
    return replace(image, means=smooth.flatten(0, 2), covars=covars.flatten(0, 2))


def _average(maps: Tensor, counts: Tensor) -> Tensor:
    """A bilateral filter over opposite pairs: maps [V, 3, H, W], by how much each pixel counts [V, 1, H, W].

    Two opposite neighbours count alike, as the one that counts less: so a slope stays, also where the surface ends.
    """
    height, width = maps.shape[2:]
    padded = F.pad(torch.cat([maps, counts], 1), (REACH,) * 4)

    def look(row: int, column: int) -> tuple[Tensor, Tensor]:
        rows, columns = slice(REACH + row, REACH + row + height), slice(REACH + column, REACH + column + width)
        there, count = padded[:, :, rows, columns].split([3, 1], 1)
        apart = (there - maps).square().sum(1, keepdim=True)
        return there, count * (apart / -(SAME_SURFACE_M**2)).exp()

    total, weight = maps * counts, counts.clone()
    for row, column in product(range(-REACH, REACH + 1), repeat=2):
        if (row, column) <= (0, 0):
            continue
        (one, share), (other, opposite) = look(row, column), look(-row, -column)
        share = torch.minimum(share, opposite) * math.exp(-(row**2 + column**2) / (2 * STD**2))
        total, weight = total + share * (one + other), weight + 2 * share
    return total / weight
