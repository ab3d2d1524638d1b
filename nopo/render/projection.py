"""From 3D Gaussians to 2D splats, in torch: differentiable, any float type, what the compiled code is tested against.

Formulas: EWA splatting (Zwicker et al. 2002, eq. 31) as used by 3D Gaussian splatting (Kerbl et al. 2023, eq. 5).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from nopo import harmonics
from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.settings import BLUR_PX2, CUT_TILE_PX, FOV_CLAMP, MIN_ALPHA, NEAR_M, Settings

_SLACK_PX = 1e-3  # the pixel box is this much too large, so that rounding never cuts a valid alpha


@dataclass(frozen=True, eq=False)
class Splats:
    """The M visible Gaussians of one camera, nearest first.

    Attributes:
        means: (M, 2) centres, pixels; the centre of the first pixel is at 0.5.
        conics: (M, 3) inverse covariances a, b, c: the falloff is exp(-(a dx² + c dy²) / 2 - b dx dy).
        opacities: (M,).
        features: (M, 4) red, green, blue, camera depth in metres.
        boxes: (M, 4) int32 pixel box x0, y0, x1, y1, ends excluded, inside the picture.
    """

    means: Tensor
    conics: Tensor
    opacities: Tensor
    features: Tensor
    boxes: Tensor

    def select(self, index: Tensor) -> Splats:
        """The splats at integer indices (K,)."""
        return Splats(*(getattr(self, f.name)[index] for f in fields(self)))


def project(gaussians: Gaussians, camera: Camera, settings: Settings, cov_focal: Tensor | None = None) -> Splats:
    """Project, cull and sort.

    A Gaussian is left out when one of its values is not finite, when it is nearer than 0.2 m, when its projected
    covariance is not positive, when it is too faint for any pixel, or when it lies outside the picture.

    Args:
        gaussians: N of them.
        camera: tensors of any float type; the result has the Gaussians' type.
        settings: see `Settings`.
        cov_focal: (2,) focal lengths in pixels for the covariance alone; the camera's own when None.
    """
    dtype = gaussians.means.dtype
    K, viewmat = camera.K.to(dtype), camera.viewmat.to(dtype)
    f_px, principal = K.diagonal()[:2], K[:2, 2]
    focal = f_px if cov_focal is None else cov_focal.to(dtype)

    order = _visible_by_depth(gaussians, camera)
    near = gaussians.select(order)
    points = near.means @ viewmat[:3, :3].T + viewmat[:3, 3]  # [M, 3] camera frame
    cov2d = _project_covars(near.covars, points, viewmat[:3, :3], focal, (camera.width, camera.height))  # [M, 3]

    cov_xx, cov_xy, cov_yy = cov2d.detach().unbind(1)
    drawable = (cov_xx > 0) & (cov_xx * cov_yy - cov_xy * cov_xy > 0) & (near.opacities >= MIN_ALPHA)
    near, points, cov2d = near.select(drawable), points[drawable], cov2d[drawable]
    means2d = points[:, :2] / points[:, 2:] * f_px + principal
    boxes = _boxes(means2d.detach(), cov2d.detach(), near.opacities.detach(), camera, settings.tile_cut)
    inside = ((boxes[:, 2:] > boxes[:, :2]).all(1)).nonzero()[:, 0]

    near, points, cov2d, means2d = near.select(inside), points[inside], cov2d[inside], means2d[inside]
    cov_xx, cov_xy, cov_yy = cov2d.unbind(1)
    determinant = cov_xx * cov_yy - cov_xy * cov_xy
    conics = torch.stack([cov_yy, -cov_xy, cov_xx], 1) / determinant[:, None]
    camera_center = -viewmat[:3, :3].T @ viewmat[:3, 3]
    directions = torch.nn.functional.normalize(near.means - camera_center, dim=1)
    rgb = harmonics.colors(near.sh, directions, settings.sh_degree)
    features = torch.cat([rgb, points[:, 2:]], 1)
    return Splats(means2d, conics, near.opacities, features, boxes[inside])


def _visible_by_depth(gaussians: Gaussians, camera: Camera) -> Tensor:
    """Indices of the finite Gaussians beyond the near plane, nearest first, ties in the order given.

    The key is the float32 rounding of a float64 depth: every rasterizer that sorts by it gets the same order,
    whatever its own precision.
    """
    with torch.no_grad():
        row = camera.viewmat[2].double()
        depths = (gaussians.means.double() @ row[:3] + row[3]).float()
        finite = depths.isfinite() & gaussians.opacities.isfinite()
        finite &= gaussians.covars.flatten(1).isfinite().all(1) & gaussians.sh.flatten(1).isfinite().all(1)
        kept = (finite & (depths > NEAR_M)).nonzero()[:, 0]
        return kept[torch.argsort(depths[kept], stable=True)]


def _project_covars(covars: Tensor, points: Tensor, rotation: Tensor, focal: Tensor, size: tuple[int, int]) -> Tensor:
    """Covariances (M, 3, 3) at camera points (M, 3) -> (M, 3) blurred pixel covariances xx, xy, yy."""
    depth = points[:, 2]
    limit = FOV_CLAMP * torch.tensor(size, dtype=points.dtype, device=points.device) / (2 * focal)  # [2] of x/z, y/z
    slope = torch.clamp(points[:, :2] / depth[:, None], -limit, limit)  # [M, 2]
    scale = focal / depth[:, None]  # [M, 2]
    # Rows of the Jacobian times the rotation: d(pixel x)/d(world) and d(pixel y)/d(world).
    rows = scale[:, :, None] * (rotation[:2] - slope[:, :, None] * rotation[2])  # [M, 2, 3]
    symmetric = (covars + covars.mT) / 2
    cov2d = rows @ symmetric @ rows.mT  # [M, 2, 2]
    return torch.stack([cov2d[:, 0, 0] + BLUR_PX2, cov2d[:, 0, 1], cov2d[:, 1, 1] + BLUR_PX2], 1)


def _boxes(means2d: Tensor, cov2d: Tensor, opacities: Tensor, camera: Camera, tile_cut: bool) -> Tensor:
    """Pixel boxes (M, 4) outside of which alpha is below 1/255; see `Splats.boxes`."""
    size = torch.tensor([camera.width, camera.height], dtype=means2d.dtype, device=means2d.device)
    variance = cov2d[:, [0, 2]]
    reach = (2 * torch.log(opacities / MIN_ALPHA).clamp_min(0)[:, None] * variance).sqrt() + _SLACK_PX
    low = torch.ceil(means2d - 0.5 - reach)
    high = torch.floor(means2d - 0.5 + reach) + 1
    if tile_cut:
        middle = (variance[:, 0] + variance[:, 1]) / 2
        determinant = variance[:, 0] * variance[:, 1] - cov2d[:, 1] ** 2
        largest = middle + (middle * middle - determinant).clamp_min(0.1).sqrt()
        radius = torch.ceil(3 * largest.sqrt())[:, None]
        pixel = means2d - 0.5
        low = torch.maximum(low, CUT_TILE_PX * torch.trunc((pixel - radius) / CUT_TILE_PX))
        high = torch.minimum(high, CUT_TILE_PX * torch.trunc((pixel + radius + CUT_TILE_PX - 1) / CUT_TILE_PX))
    low, high = low.clamp_min(0).minimum(size), high.clamp_min(0).minimum(size)
    return torch.cat([low, high], 1).to(torch.int32)
