"""Whiskers: where a surface ends or turns sharply, splats reach beyond it into the air.

A splat is spanned by the way to its neighbours on the template's map. At a fingertip and along the sole of a shoe there
are neighbours on one side only, and a texel is up to three centimetres long.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nopo.encode.branch import Branch
from nopo.encode.completion import map_normals

PROBE = 1.5
"""Where it is asked whether that is in the air, in standard deviations from the splat's centre."""

OUTSIDE_M = 0.005
"""So far outside the surface a splat may be there: a limb is round."""

SHORTEST = 0.25
"""What is left at least of the half of a splat that reaches into the air."""

NEIGHBOURS = 6
"""Texels that say together how far outside a point is."""

NEAR_M = 0.005
"""Added to the distance of the nearest of them, this is how fast their say falls with their distance."""


def trim(template: Branch) -> Branch:
    """Shorten the template's splats where they reach into the air; what they cover of the surface stays covered.

    Args:
        template: one person's template branch.
    """
    texels = (template.mask > 0).nonzero()[:, 0]  # [K]
    if len(texels) < NEIGHBOURS:
        return template
    places = template.means[texels]
    normals = map_normals(template.means.view(*template.grid, 3)).flatten(0, 2)[texels]
    variances, axes = torch.linalg.eigh(template.covars[texels])
    means, lengths = places.clone(), variances.clamp_min(0).sqrt()
    for axis in (1, 2):  # the smallest is the thickness
        reach = PROBE * lengths[:, axis, None] * axes[:, :, axis]  # [K, 3]
        outside = _outside(torch.cat([places + reach, places - reach]), places, normals)
        ahead, behind = (OUTSIDE_M / outside.clamp_min(OUTSIDE_M)).clamp_min(SHORTEST).chunk(2)
        means += (ahead - behind)[:, None] / 2 * reach
        lengths[:, axis] *= (ahead + behind) / 2
    all_means, covars = template.means.clone(), template.covars.clone()
    all_means[texels] = means
    scaled = axes * lengths[:, None]
    covars[texels] = scaled @ scaled.mT
    return replace(template, means=all_means, covars=covars)


def _outside(points: Tensor, places: Tensor, normals: Tensor) -> Tensor:
    """How far points [P, 3] are outside the surface of places [K, 3] with these normals, metres: [P].

    The mean of the distances from the nearest places' tangent planes; found on the CPU.
    """
    from scipy.spatial import cKDTree

    distance, index = cKDTree(places.cpu().numpy()).query(points.cpu().numpy(), NEIGHBOURS)
    away, nearest = torch.from_numpy(distance).to(points), torch.from_numpy(index).to(points.device)
    weights = (-(away / (away[:, :1] + NEAR_M)).square()).exp()
    above = ((points[:, None] - places[nearest]) * normals[nearest]).sum(-1)
    return (weights * above).sum(1) / weights.sum(1)
