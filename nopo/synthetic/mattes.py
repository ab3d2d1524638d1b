"""What a matting network gets wrong: holes, halos, stray blobs, soft or shifted edges, a limb that is lost."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nopo.synthetic.dice import Dice


def spoil_matte(matte: Tensor, dice: Dice) -> Tensor:
    """A worse version of one clean matte [H, W] in [0, 1]; a quarter of them stay clean."""
    if dice.chance(0.25):
        return matte
    size = matte.shape[-1]
    grown = dice.choose((0, 0, 1, -1, 2), (4, 3, 2, 2, 1)) * max(1, round(size / 256))
    out = matte[None, None]
    if grown > 0:
        out = _grow(out, grown)
    elif grown < 0:
        out = -_grow(-out, -grown)
    if dice.chance(0.5):
        out = soften(out, dice.uniform(0.3, 1.2) * size / 256)
    if dice.chance(0.15):  # bites along the edge and holes inside
        out = out * (1 - _blobs(dice, size, matte.device, dice.uniform(1.9, 2.6)))
    if dice.chance(0.15):  # pieces of the background that stay
        near = _grow(matte[None, None], size // 16)
        where = near if dice.chance(0.7) else torch.ones_like(near)
        out = torch.maximum(out, where * _blobs(dice, size, matte.device, dice.uniform(1.9, 2.6)))
    if dice.chance(0.04):  # a lost hand or foot
        out = out * (1 - _disc(dice, matte, dice.uniform(0.03, 0.08)))
    return out[0, 0].clamp(0, 1)


def _grow(picture: Tensor, reach: int) -> Tensor:
    """Largest value of [N, C, H, W] within a square of `reach` pixels to each side, rows first, then columns."""
    rows = F.max_pool2d(picture, (2 * reach + 1, 1), 1, (reach, 0))
    return F.max_pool2d(rows, (1, 2 * reach + 1), 1, (0, reach))


def soften(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [N, C, H, W] with `sigma` pixels."""
    reach = max(1, round(2.5 * sigma))
    taps = [math.exp(-0.5 * (k / max(sigma, 1e-3)) ** 2) for k in range(-reach, reach + 1)]
    total = sum(taps)
    pictures = F.pad(pictures, (reach,) * 4, mode="replicate")
    for axis in (2, 3):  # sums of shifted pictures: for a few taps much faster than a convolution
        length = pictures.shape[axis] - 2 * reach
        blurred = pictures.narrow(axis, 0, length) * (taps[0] / total)
        for k, tap in enumerate(taps[1:], 1):
            blurred.add_(pictures.narrow(axis, k, length), alpha=tap / total)
        pictures = blurred
    return pictures


def smooth_noise(dice: Dice, channels: int, cells: int, size: int, device: torch.device | str) -> Tensor:
    """[1, C, size, size] normal noise that varies over size / cells pixels."""
    coarse = torch.randn(1, channels, cells, cells, generator=dice.generator()).to(device)
    return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)


def _blobs(dice: Dice, size: int, device: torch.device, level: float) -> Tensor:
    """[1, 1, H, W] 1 in scattered blobs; fewer at a higher level (standard deviations)."""
    noise = smooth_noise(dice, 1, dice.choose((10, 16, 24)), size, device)
    return ((noise - level * 0.75) * 4).clamp(0, 1)


def _disc(dice: Dice, matte: Tensor, radius: float) -> Tensor:
    size = matte.shape[-1]
    rows, columns = (matte > 0.5).nonzero(as_tuple=True)
    if len(rows) == 0:
        return torch.zeros_like(matte)[None, None]
    pick = dice.integer(len(rows))
    y = torch.arange(size, device=matte.device)[:, None] - rows[pick]
    x = torch.arange(size, device=matte.device)[None] - columns[pick]
    return ((radius * size - (x * x + y * y).sqrt()) / 2).clamp(0, 1)[None, None]
