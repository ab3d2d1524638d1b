"""Gaussians as files of splats hold them: ellipsoids with axes and a rotation, opacities as logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nopo.errors import ExportError
from nopo.gaussians import Gaussians
from nopo.rotations import matrix_to_quaternion

MAX_DEGREE = 3
"""Viewers read no harmonics above this."""

FAINTEST = 1 / 255
"""Renderers draw nothing where a Gaussian covers less than this, so less opaque ones are left out."""

CHUNK = 65536
"""Gaussians that are converted at a time: memory stays small, and cancelling quick."""

_OPAQUE = 1 - 1e-6  # a logit of 13.8; that of 1 is infinite
_THINNEST_M = 1e-6


@dataclass(frozen=True)
class Splats:
    """Gaussians as files hold them, float32.

    Attributes:
        means: (N, 3) metres, +y up.
        log_scales: (N, 3) natural logarithms of metres, largest first.
        quats: (N, 4) unit, wxyz, w >= 0: they turn the axes onto the principal axes.
        logits: (N,) logarithms of the odds of the opacities.
        sh: (N, S, 3), S = (degree + 1)², degree 0 to 3.
    """

    means: np.ndarray
    log_scales: np.ndarray
    quats: np.ndarray
    logits: np.ndarray
    sh: np.ndarray

    def __len__(self) -> int:
        return len(self.means)


def visible_index(gaussians: Gaussians) -> Tensor:
    """Indices of the Gaussians that can be seen: opaque enough, and numbers throughout.

    Raises:
        ExportError: there are none.
    """
    visible = gaussians.opacities >= FAINTEST
    for values in (gaussians.means, gaussians.covars, gaussians.sh):
        visible &= torch.isfinite(values).flatten(1).all(1)
    index = torch.nonzero(visible).squeeze(1)
    if len(index) == 0:
        raise ExportError("The avatar has nothing that can be seen; make it again from other photos.")
    return index


def checked_degree(gaussians: Gaussians, sh_degree: int | None) -> int:
    """The degree to write.

    Raises:
        ExportError: one that files do not hold.
    """
    if sh_degree is not None and not 0 <= sh_degree <= MAX_DEGREE:
        raise ExportError(f"Files hold spherical harmonics of degree 0 to {MAX_DEGREE}, not {sh_degree}.")
    return min(gaussians.sh_degree, MAX_DEGREE if sh_degree is None else sh_degree)


def only_constant(suffix: str, sh_degree: int | None) -> int:
    """Degree 0, for files that hold no more.

    Raises:
        ExportError: more was asked for.
    """
    if sh_degree:
        raise ExportError(f"A {suffix} holds no view-dependent colours: choose degree 0, or write a .ply or .spz.")
    return 0


def in_chunks(gaussians: Gaussians, index: Tensor, degree: int) -> Iterator[Splats]:
    """The Gaussians at `index` [K] as files hold them, some at a time."""
    for part in index.split(CHUNK):
        yield to_splats(gaussians.select(part), degree)


def to_splats(gaussians: Gaussians, degree: int) -> Splats:
    """Gaussians as files hold them."""
    scales, quats = principal_axes(gaussians.covars)
    opacities = gaussians.opacities.double().clamp(FAINTEST, _OPAQUE)
    tensors = (gaussians.means, scales.log(), quats, opacities.logit(), gaussians.sh[:, : (degree + 1) ** 2])
    return Splats(*(tensor.detach().float().cpu().numpy() for tensor in tensors))


def principal_axes(covars: Tensor) -> tuple[Tensor, Tensor]:
    """Covariances as ellipsoids.

    Args:
        covars: [N, 3, 3] symmetric, square metres.

    Returns:
        Standard deviations [N, 3], metres, largest first, none below a micrometre; and unit quaternions [N, 4] wxyz of
        proper rotations R: `covars = R diag(scales²) R^T`.
    """
    variances, axes = torch.linalg.eigh(covars.detach().cpu().double())  # ascending
    variances, axes = variances.flip(-1), axes.flip(-1)
    axes = axes * torch.linalg.det(axes).sign()[:, None, None]  # a mirrored frame spans the same ellipsoid
    return variances.clamp_min(_THINNEST_M**2).sqrt(), matrix_to_quaternion(axes)
