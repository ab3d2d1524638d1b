"""Picture metrics: PSNR, SSIM and mask overlap, as the field reports them."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW = 7  # scikit-image's default uniform SSIM window
GAUSSIAN_WINDOW, GAUSSIAN_SIGMA = 11, 1.5  # those of Wang et al. 2004


def psnr(pred: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB of pictures (..., H, W, 3) in [0, 1]; inside `mask` (..., H, W) if given."""
    squared = (pred - truth).square().mean(-1)  # [..., H, W]
    if mask is None:
        mse = squared.mean((-2, -1))
    else:
        mse = (squared * mask).sum((-2, -1)) / mask.sum((-2, -1)).clamp_min(1)
    return -10 * mse.clamp_min(1e-10).log10()


def ssim(pred: Tensor, truth: Tensor, *, gaussian: bool = False) -> Tensor:
    """Structural similarity of pictures (..., H, W, 3) in [0, 1].

    The definition of scikit-image's `structural_similarity(channel_axis=-1, data_range=1)`: uniform 7×7 windows,
    sample covariance, averaged over the windows that lie inside the picture and over the channels (Wang et al. 2004).
    With `gaussian` the windows are 11×11 and weighted, as scikit-image's `gaussian_weights` has them.
    """
    lead = pred.shape[:-3]
    x, y = (t.reshape(-1, *t.shape[-3:]).movedim(-1, 1).double() for t in (pred, truth))  # [n, 3, H, W]

    side = GAUSSIAN_WINDOW if gaussian else WINDOW
    column = torch.ones(side, dtype=x.dtype, device=x.device)
    if gaussian:
        offset = torch.arange(side, dtype=x.dtype, device=x.device) - side // 2
        column = (-0.5 * (offset / GAUSSIAN_SIGMA) ** 2).exp()
    column = (column / column.sum()).expand(3, 1, side)

    def mean(t: Tensor) -> Tensor:
        rows = torch.nn.functional.conv2d(t, column[..., None], groups=3)
        return torch.nn.functional.conv2d(rows, column[..., None, :], groups=3)

    mean_x, mean_y = mean(x), mean(y)
    sample = side**2 / (side**2 - 1)
    var_x = sample * (mean(x * x) - mean_x * mean_x)
    var_y = sample * (mean(y * y) - mean_y * mean_y)
    cov = sample * (mean(x * y) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * cov + c2)) / (
        (mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2)
    )
    return similarity.mean((1, 2, 3)).to(pred.dtype).reshape(lead)


def iou(pred: Tensor, truth: Tensor) -> Tensor:
    """Overlap of masks (..., H, W) thresholded at one half: intersection over union."""
    a, b = pred > 0.5, truth > 0.5
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1)).clamp_min(1)
