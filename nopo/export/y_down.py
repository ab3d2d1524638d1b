"""Gaussians for viewers that take +y to point down and the camera to look along +z, as captured scenes have it."""

from __future__ import annotations

import torch

from nopo.gaussians import Gaussians
from nopo.harmonics import polynomials


def turned_over(gaussians: Gaussians) -> Gaussians:
    """The Gaussians after half a turn about the x axis: upright, facing the viewer, where +y is down and +z away.

    Each harmonic either keeps its value or changes its sign when y and z change theirs, so colours turn along exactly.
    """
    signs = gaussians.means.new_tensor([1.0, -1.0, -1.0])
    x, y, z = 0.48, 0.6, 0.64  # no harmonic is zero in this direction
    there = polynomials(x, y, z, gaussians.sh_degree)
    here = polynomials(x, -y, -z, gaussians.sh_degree)
    parity = gaussians.sh.new_tensor([1.0, *(1.0 if a * b > 0 else -1.0 for a, b in zip(there, here, strict=True))])
    return Gaussians(
        gaussians.means * signs,
        gaussians.covars * torch.outer(signs, signs),
        gaussians.opacities,
        gaussians.sh * parity[:, None],
    )
