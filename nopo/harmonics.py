"""Real spherical harmonics up to degree 4, in the order and with the signs of 3D Gaussian splatting.

The basis is the one of Kerbl et al. 2023: [Y0 | -y, z, -x | xy, -yz, 2z²-x²-y², -xz, x²-y² | ...], each function
times its normalisation constant. A colour is `sh · basis(direction) + 0.5`, so that zero coefficients mean mid grey.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

MAX_DEGREE = 4
DC = 0.28209479177387814  # Y0 = 1 / (2 sqrt(pi))


def degree_of(num_bases: int) -> int:
    """Degree d of a set of S = (d + 1)² coefficients."""
    degree = math.isqrt(num_bases) - 1
    if (degree + 1) ** 2 != num_bases or not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"{num_bases} is not the number of coefficients of a degree from 0 to {MAX_DEGREE}")
    return degree


def rgb_to_dc(rgb: Tensor) -> Tensor:
    """Colours (..., 3) in [0, 1] -> coefficients (..., 3) of the constant basis function."""
    return (rgb - 0.5) / DC


def dc_to_rgb(dc: Tensor) -> Tensor:
    """Coefficients (..., 3) of the constant basis function -> colours (..., 3), not clamped."""
    return dc * DC + 0.5


def basis(directions: Tensor, degree: int) -> Tensor:
    """Basis functions at unit directions.

    Args:
        directions: (..., 3) unit vectors from the camera to the Gaussian, world frame.
        degree: 0 to 4.

    Returns:
        (..., (degree + 1)²).
    """
    if not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"degree must be 0 to {MAX_DEGREE}, not {degree}")
    x, y, z = directions.unbind(-1)
    return torch.stack([torch.full_like(x, DC), *polynomials(x, y, z, degree)], -1)


def polynomials(x: Any, y: Any, z: Any, degree: int) -> list[Any]:
    """The (degree + 1)² - 1 basis functions after the constant one, for anything that adds and multiplies.

    Tensors and the vector lanes of the compiled renderer share this one definition.
    """
    terms: list[Any] = []
    if degree >= 1:
        terms += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree == 0:
        return terms
    xx, yy, zz = x * x, y * y, z * z
    if degree >= 2:
        terms += [
            1.0925484305920792 * (x * y),
            -1.0925484305920792 * (y * z),
            0.31539156525252005 * (2.0 * zz - xx - yy),
            -1.0925484305920792 * (x * z),
            0.5462742152960396 * (xx - yy),
        ]
    if degree >= 3:
        terms += [
            -0.5900435899266435 * (y * (3.0 * xx - yy)),
            2.890611442640554 * (x * y * z),
            -0.4570457994644658 * (y * (4.0 * zz - xx - yy)),
            0.3731763325901154 * (z * (2.0 * zz - 3.0 * xx - 3.0 * yy)),
            -0.4570457994644658 * (x * (4.0 * zz - xx - yy)),
            1.445305721320277 * (z * (xx - yy)),
            -0.5900435899266435 * (x * (xx - 3.0 * yy)),
        ]
    if degree >= 4:
        terms += [
            2.5033429417967046 * (x * y * (xx - yy)),
            -1.7701307697799304 * (y * z * (3.0 * xx - yy)),
            0.9461746957575601 * (x * y * (7.0 * zz - 1.0)),
            -0.6690465435572892 * (y * z * (7.0 * zz - 3.0)),
            0.10578554691520431 * (zz * (35.0 * zz - 30.0) + 3.0),
            -0.6690465435572892 * (x * z * (7.0 * zz - 3.0)),
            0.47308734787878004 * ((xx - yy) * (7.0 * zz - 1.0)),
            -1.7701307697799304 * (x * z * (xx - 3.0 * yy)),
            0.6258357354491761 * (xx * (xx - 3.0 * yy) - yy * (3.0 * xx - yy)),
        ]
    return terms


def colors(sh: Tensor, directions: Tensor, degree: int) -> Tensor:
    """Colours seen along directions, clamped below at 0 and not above.

    Args:
        sh: (N, S, 3) coefficients, S >= (degree + 1)²; the ones above `degree` are not used.
        directions: (N, 3) unit vectors from the camera to the Gaussians.
        degree: degree to evaluate.

    Returns:
        (N, 3) colours.
    """
    weights = basis(directions, degree)  # [N, S]
    return (weights[..., None] * sh[:, : weights.shape[-1]]).sum(-2).add(0.5).clamp_min(0)
