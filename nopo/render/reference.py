"""The obvious rasterizer: the definition in plain torch, slow, exact gradients by autograd.

Every other rasterizer is tested against this one. Formulas: Kerbl et al. 2023, section 4 and appendix C.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.projection import Splats, project
from nopo.render.settings import MIN_ALPHA, MIN_TRANSMITTANCE, Settings

_TILE_PX = 32
_CHUNK = 4096  # splats blended at once in a tile: bounds memory to about 32 · 32 · 4096 values


def rasterize(
    gaussians: Gaussians, camera: Camera, settings: Settings, background: Tensor, cov_focal: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """One picture: colours (H, W, 3) on the background (3,), alpha (H, W, 1), depth (H, W, 1)."""
    splats = project(gaussians, camera, settings, cov_focal)
    bands = []
    for y in range(0, camera.height, _TILE_PX):
        y_end = min(y + _TILE_PX, camera.height)
        in_band = ((splats.boxes[:, 1] < y_end) & (splats.boxes[:, 3] > y)).nonzero()[:, 0]
        tiles = []
        for x in range(0, camera.width, _TILE_PX):
            x_end = min(x + _TILE_PX, camera.width)
            boxes = splats.boxes[in_band]
            in_tile = in_band[(boxes[:, 0] < x_end) & (boxes[:, 2] > x)]
            tiles.append(_blend_tile(splats, in_tile, (x, y, x_end, y_end), settings.max_alpha))
        bands.append(torch.cat(tiles, 1))
    picture = torch.cat(bands, 0)  # [H, W, 5]
    rgb, depth, transmittance = picture.split([3, 1, 1], -1)
    return rgb + transmittance * background, 1 - transmittance, depth


def _blend_tile(splats: Splats, index: Tensor, box: tuple[int, int, int, int], max_alpha: float) -> Tensor:
    """Pixels (y1 - y0, x1 - x0, 5) of one tile: features and transmittance."""
    x0, y0, x1, y1 = box
    like = splats.means
    rows, columns = torch.meshgrid(
        torch.arange(y0, y1, device=like.device), torch.arange(x0, x1, device=like.device), indexing="ij"
    )
    pixels = torch.stack([columns.flatten(), rows.flatten()], 1)  # [P, 2]
    features = like.new_zeros(len(pixels), 4)
    transmittance = like.new_ones(len(pixels))
    open_pixels = torch.ones(len(pixels), dtype=torch.bool, device=like.device)
    for part in index.split(_CHUNK):
        blend = partial(_blend, pixels, splats.select(part), max_alpha)
        if torch.is_grad_enabled():  # keep only the inputs, and compute the big tables again in the backward pass
            added, transmittance, open_pixels = checkpoint(blend, transmittance, open_pixels, use_reentrant=False)
        else:
            added, transmittance, open_pixels = blend(transmittance, open_pixels)
        features = features + added
        if not open_pixels.any():
            break
    return torch.cat([features, transmittance[:, None]], 1).view(y1 - y0, x1 - x0, 5)


def _blend(
    pixels: Tensor, splats: Splats, max_alpha: float, transmittance: Tensor, open_pixels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend G splats, nearest first, into P pixels: added features (P, 4), transmittance (P,), open pixels (P,)."""
    offset = splats.means - (pixels[:, None] + 0.5)  # [P, G, 2]
    a, b, c = splats.conics.unbind(1)
    power = -0.5 * (a * offset[..., 0] ** 2 + c * offset[..., 1] ** 2) - b * offset[..., 0] * offset[..., 1]
    alpha = torch.clamp_max(splats.opacities * torch.exp(power), max_alpha)  # [P, G]
    inside = ((pixels[:, None] >= splats.boxes[:, :2]) & (pixels[:, None] < splats.boxes[:, 2:])).all(-1)
    alpha = torch.where(inside & (power <= 0) & (alpha >= MIN_ALPHA), alpha, 0)
    after = transmittance[:, None] * torch.cumprod(1 - alpha, 1)  # [P, G]
    before = torch.cat([transmittance[:, None], after[:, :-1]], 1)
    # A pixel is finished before the first splat that would leave it less than the threshold.
    drawn = (after >= MIN_TRANSMITTANCE) & open_pixels[:, None]
    weights = torch.where(drawn, alpha * before, 0)
    return weights @ splats.features, transmittance - weights.sum(1), open_pixels & drawn.all(1)
