"""Bridges: where an arm ends in the picture and the trunk begins, a smooth prediction runs through thin air."""

from __future__ import annotations

from dataclasses import replace

import torch

from nopo.encode.activations import smaller_difference
from nopo.encode.prediction import Branch

STRETCH = (1.5, 2.5)
"""Spacings of neighbours, in medians of the photo: up to the first a Gaussian stays, from the second on it is gone."""


def fade_bridges(image: Branch) -> Branch:
    """Make Gaussians transparent that lie between two surfaces rather than on one.

    On a surface, neighbouring pixels lie about as far apart as everywhere else in the photo; across a sharp depth edge
    one of the two neighbours does. A pixel that is far from both is on the way from one surface to the other.

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
            keep[view] = ((STRETCH[1] - ratio) / (STRETCH[1] - STRETCH[0])).clamp(0, 1)
    return replace(image, opacities=image.opacities * keep.flatten())
