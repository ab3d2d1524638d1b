"""Bridges: where an arm ends in the picture and the trunk begins, a smooth prediction runs through thin air."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES, PARENTS
from nopo.encode.activations import smaller_difference
from nopo.encode.branch import Branch
from nopo.encode.settle import nearness

APART = (1.9, 2.8)
"""Mean distance of two bones that a Gaussian moves with, in joints along the skeleton: the middle of a skirt between
the knees has 1.75, a point halfway between a hand and the hip beside it 4."""

STRETCH = (1.5, 2.5)
"""Spacings of neighbours, in medians of the photo: up to the first a Gaussian stays, from the second on it is gone."""

UNSURE_M = (0.08, 0.2)
"""Expected error of a place, if the network says it: up to the first distance a Gaussian stays, from the second on it
is gone. The whole picture gains 0.06 dB from one photo and 0.3 from eight, which blur the outline less; inside the mask
it loses 0.04."""


def fade_bridges(image: Branch) -> Branch:
    """Make Gaussians transparent that lie between two surfaces rather than on one.

    On a surface, neighbouring pixels lie about as far apart as everywhere else in the photo; across a sharp depth edge
    one of the two neighbours does. A pixel that is far from both is on the way from one surface to the other; and so is
    one that moves with two limbs at once, which would be drawn out between them as soon as they part, or one that the
    network cannot place.

    Args:
        image: one person's image branch, grid (V, H, W).
    """
    positions = image.means.view(*image.grid, 3)  # [V, H, W, 3]
    spacing = torch.stack([smaller_difference(positions, axis).norm(dim=-1) for axis in (1, 2)]).amax(0)  # [V, H, W]
    keep = torch.ones_like(spacing)
    for view, (steps, mask) in enumerate(zip(spacing, image.mask.view(image.grid), strict=True)):
        person = mask > 0.5
        if person.any():
            ratio = steps / steps[person].median().clamp_min(1e-6)
            keep[view] = nearness(ratio, STRETCH)
    keep = keep.flatten() * nearness(limbs_apart(image.bone_logits.softmax(-1)), APART)
    if image.uncertainty is not None:
        keep = keep * nearness(image.uncertainty.exp(), UNSURE_M)
    return replace(image, opacities=image.opacities * keep)


def limbs_apart(bone_weights: Tensor) -> Tensor:
    """How far apart the bones are that a point moves with: [N, 69], rows sum to 1 -> [N], in joints along the skeleton.

    The mean over pairs of bones drawn by their weights. A hand counts as one bone, and so does the head.
    """
    hops = torch.tensor(_hops(), dtype=bone_weights.dtype, device=bone_weights.device)
    return ((bone_weights @ hops) * bone_weights).sum(-1)


@cache
def _hops() -> list[list[float]]:
    """Joints between any two of the 69 bones."""
    within = re.compile(r"(left|right)_(thumb|index|middle|ring|pinky|eye)|jaw")

    def way_up(joint: int) -> list[int]:
        while within.match(JOINT_NAMES[joint]):
            joint = PARENTS[joint]
        way = [joint]
        while PARENTS[way[-1]] >= 0:
            way.append(PARENTS[way[-1]])
        return way

    ways = [way_up(near) for near, _ in BONES]
    return [[float(len(set(one) ^ set(other))) for other in ways] for one in ways]
