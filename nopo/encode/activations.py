"""From raw channels to positions, covariances, colours: what the numbers of the heads mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SH_DC = 0.28209479177387814
"""Value of the constant spherical harmonic: colour = 0.5 + SH_DC · coefficient."""

MIN_EXPONENT = -40.0
"""Of weights that fall with a distance: smaller ones are nothing, and the denormal numbers they would be are slow."""

MAX_SCALE = 0.3  # m
SCALE_UNIT = 0.001  # m
EPS = 1e-8

TANGENT_STD = 0.5  # standard deviation of a splat, in spacings of the map: 2 dB better than isotropic splats
TANGENT_RANGE = (0.0015, 0.015)  # m; the upper end holds where both neighbours are across a depth edge
TANGENT_THICKNESS = 0.0015  # m
TANGENT_FACTOR = 2.0  # learned factors stay within e^±2


def positions(raw: Tensor) -> Tensor:
    """Direction kept, length d stretched to e^d - 1: [..., 3] -> [..., 3] metres ("exp" mode of DUSt3R's heads)."""
    # The floor keeps the gradient alive where a head starts at exactly zero.
    length = (raw.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    return raw * (length.expm1() / length)


def sh_degree_mask(degree: int, like: Tensor) -> Tensor:
    """[S] factors that damp the higher degrees: 1 for the constant, 0.1 · 0.25^l for degree l."""
    factors = [1.0] + [0.1 * 0.25**level for level in range(1, degree + 1) for _ in range(2 * level + 1)]
    return torch.tensor(factors, dtype=like.dtype, device=like.device)


def quaternion_xyzw_matrix(quaternion: Tensor) -> Tensor:
    """The original's raw quaternions (x, y, z, w), any length: [..., 4] -> rotations [..., 3, 3]."""
    q = quaternion / (quaternion.norm(dim=-1, keepdim=True) + EPS)
    x, y, z, w = q.unbind(-1)
    two = 2.0 / (q.square().sum(-1) + EPS)
    entries = [
        1 - two * (y * y + z * z), two * (x * y - z * w), two * (x * z + y * w),
        two * (x * y + z * w), 1 - two * (x * x + z * z), two * (y * z - x * w),
        two * (x * z - y * w), two * (y * z + x * w), 1 - two * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def learned_covars(raw_scales: Tensor, raw_quaternion: Tensor) -> Tensor:
    """Predicted extent and orientation: [..., 3], [..., 4] -> R diag(s²) Rᵀ [..., 3, 3] m²."""
    scales = (SCALE_UNIT * F.softplus(raw_scales)).clamp_max(MAX_SCALE)
    return _gram(quaternion_xyzw_matrix(raw_quaternion) * scales[..., None, :])


def tangent_covars(positions_map: Tensor, raw_factors: Tensor) -> Tensor:
    """Splats spanned by the tangents of the predicted surface, so that neighbours just overlap.

    Args:
        positions_map: [N, H, W, 3] canonical positions of a pixel grid, metres. Taken as given: no gradient.
        raw_factors: [N, H, W, 3] log of the factors on the extent along the row, along the column, and on thickness.

    Returns:
        [N, H, W, 3, 3] m².
    """
    with torch.no_grad():
        along_u = _bounded(smaller_difference(positions_map, 2))
        along_v = _bounded(smaller_difference(positions_map, 1))
        normal = F.normalize(torch.cross(along_u, along_v, dim=-1), dim=-1, eps=1e-12)
        axes = torch.stack([along_u, along_v, TANGENT_THICKNESS * normal], -1)  # [N, H, W, 3, 3] columns
    covars = _gram(axes * raw_factors.clamp(-TANGENT_FACTOR, TANGENT_FACTOR).exp()[..., None, :])
    # Parallel tangents have no normal: a tenth of a millimetre keeps the matrix invertible.
    return covars + 1e-8 * torch.eye(3, dtype=covars.dtype, device=covars.device)


def pixel_colours(images: Tensor, masks: Tensor, background: float) -> Tensor:
    """The person's own colour behind a soft matte: undo c·m + background·(1 - m).

    Args:
        images: [N, 3, H, W] sRGB in [0, 1], composited on grey of level `background`.
        masks: [N, H, W] in [0, 1].
        background: grey level in [0, 1].

    Returns:
        [N, H, W, 3] sRGB in [0, 1].
    """
    alpha = masks[:, None]
    # Below 0.3 the division would amplify noise more than it recovers colour.
    colour = (images - (1 - alpha) * background) / alpha.clamp_min(0.3)
    return colour.clamp(0, 1).permute(0, 2, 3, 1)


def _gram(matrix: Tensor) -> Tensor:
    """M Mᵀ of [..., 3, 3], in float32 also where the layers run under autocast."""
    with torch.autocast(matrix.device.type, enabled=False):
        return matrix @ matrix.mT


def smaller_difference(x: Tensor, dim: int) -> Tensor:
    """The shorter of the forward and backward difference along `dim`, so that depth edges do not stretch splats."""
    step = x.diff(dim=dim)
    first, last = step.narrow(dim, 0, 1), step.narrow(dim, step.shape[dim] - 1, 1)
    forward, backward = torch.cat([step, last], dim), torch.cat([first, step], dim)
    shorter = forward.square().sum(-1, keepdim=True) < backward.square().sum(-1, keepdim=True)
    return torch.where(shorter, forward, backward)


def _bounded(step: Tensor) -> Tensor:
    """A grid step [..., 3] as one standard deviation, within TANGENT_RANGE; a vanishing step stays vanishing."""
    length = step.norm(dim=-1, keepdim=True)
    return step * ((TANGENT_STD * length).clamp(*TANGENT_RANGE) / length.clamp_min(1e-9))
