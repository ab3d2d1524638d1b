"""What every rasterizer agrees on: the constants of 3D Gaussian splatting, and the choices of one call."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

NEAR_M = 0.2  # Gaussians nearer than this are not drawn
BLUR_PX2 = 0.3  # added to the projected covariance, so that nothing is thinner than about a pixel
MIN_ALPHA = 1 / 255  # fainter contributions are skipped
MIN_TRANSMITTANCE = 1e-4  # a pixel that lets less through is finished
FOV_CLAMP = 1.3  # the projection's Jacobian is taken no further out than this many half fields of view
CUT_TILE_PX = 16  # tile of the original's 3-sigma visibility rule


@dataclass(frozen=True)
class Settings:
    """The choices of one call of `render`.

    Attributes:
        sh_degree: degree of the spherical harmonics to evaluate.
        max_alpha: largest opacity of one Gaussian in one pixel.
        tile_cut: draw a Gaussian only in the 16×16 tiles that its 3-sigma square touches, as the original does.
        threads: threads of the CPU rasterizer inside one picture.
    """

    sh_degree: int
    max_alpha: float
    tile_cut: bool
    threads: int


@dataclass(frozen=True, eq=False)
class Rendering:
    """Pictures of C cameras.

    Attributes:
        rgb: (C, H, W, 3) colours on the background, not clamped.
        alpha: (C, H, W, 1) coverage, 1 - transmittance.
        depth: (C, H, W, 1) alpha-weighted sum of the camera depths in metres; divide by alpha for a mean depth.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
