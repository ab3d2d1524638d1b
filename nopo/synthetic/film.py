"""What a camera does to a picture: exposure, white balance, contrast, blur, grain and JPEG blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from nopo.synthetic.dice import Dice
from nopo.synthetic.mattes import soften

# Annex K of the JPEG standard (ITU-T T.81), luminance.
_QUANTIZATION = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def expose_film(picture: Tensor, dice: Dice) -> Tensor:
    """One picture [3, H, W] in [0, 1] as a random camera would have stored it."""
    device = picture.device
    exposure = math.exp(dice.normal(0.12))
    balance = torch.tensor([math.exp(dice.normal(0.05)) for _ in range(3)], device=device)
    picture = picture * exposure * balance[:, None, None]
    picture = picture.clamp(1e-4, 1) ** math.exp(dice.normal(0.12))
    contrast, saturation = 1 + dice.normal(0.1), 1 + dice.normal(0.15)
    grey = picture.mean(0, keepdim=True)
    picture = grey + (picture - grey) * saturation
    picture = (picture - 0.5) * contrast + 0.5
    size = picture.shape[-1]
    if dice.chance(0.4):
        picture = soften(picture[None], dice.uniform(0.3, 1.1) * size / 256)[0]
    if dice.chance(0.4):
        noise = torch.randn(picture.shape, generator=dice.generator()).to(device)
        picture = picture + noise * dice.uniform(0.004, 0.03)
    picture = picture.clamp(0, 1)
    return jpeg(picture, dice.uniform(0.3, 2.2)) if dice.chance(0.35) else picture


def jpeg(picture: Tensor, coarseness: float) -> Tensor:
    """[3, H, W] with the losses of 8×8 cosine blocks; coarseness 1 is about quality 50."""
    device = picture.device
    _, height, width = picture.shape
    padded = F.pad(picture[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    k = torch.arange(8, dtype=torch.float32, device=device)
    basis = torch.cos(math.pi / 8 * (k[None] + 0.5) * k[:, None]) / 2
    basis[0] /= math.sqrt(2)
    step = torch.tensor(_QUANTIZATION, device=device).view(8, 8) * (coarseness / 255)
    blocks = padded.unfold(1, 8, 8).unfold(2, 8, 8)  # [3, rows, columns, 8, 8]
    coefficients = basis @ blocks @ basis.T
    blocks = basis.T @ (torch.round(coefficients / step) * step) @ basis
    joined = blocks.permute(0, 1, 3, 2, 4).reshape(3, padded.shape[1], padded.shape[2])
    return joined[:, :height, :width].clamp(0, 1)
