"""Detail: where a body's surface lies changes slowly, its colours change fast; so these may be finer than that.

The network may look at photos `detail` times smaller than those it is given. What it says of each pixel is then carried
to the finer pixels, which keep their own colours and their own matte.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nopo.encode.activations import SH_DC, pixel_colours
from nopo.encode.prediction import Branch
from nopo.encode.smooth import SAME_SURFACE_M


def shrink(images: Tensor, masks: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Area averages of images [V, 3, H, W] and masks [V, H, W], `factor` times smaller."""
    return F.avg_pool2d(images, factor), F.avg_pool2d(masks[:, None], factor)[:, 0]


def refine(branch: Branch, images: Tensor, masks: Tensor, factor: int, background: float) -> Branch:
    """An image branch of coarse pixels at the resolution of the photos.

    Args:
        branch: of one person, grid (V, H / factor, W / factor).
        images: [V, 3, H, W] sRGB composited on grey of level `background`.
        masks: [V, H, W].
        factor: fine pixels along the side of a coarse one.
        background: grey level in [0, 1].

    Returns:
        The branch with grid (V, H, W); splats shrink with their spacing.
    """
    views, height, width = branch.grid
    small_images, small_masks = shrink(images, masks, factor)
    residual = branch.sh[:, 0] * SH_DC + 0.5 - pixel_colours(small_images, small_masks, background).reshape(-1, 3)
    bare = branch.opacities / branch.mask.clamp_min(1e-3)
    columns = [branch.means, branch.bone_logits, residual, branch.sh[:, 1:].flatten(1), bare[:, None]]
    if branch.uncertainty is not None:
        columns.append(branch.uncertainty[:, None])
    values = torch.cat(columns, 1)  # [M, C]

    fine = masks.reshape(-1) > 0  # [M']
    neighbours, shares = _neighbours(branch.means, branch.mask, (views, height, width), factor, fine)  # [K, 4] each
    sums = sum(shares[:, k, None] * values[neighbours[:, k]] for k in range(4))
    assert isinstance(sums, Tensor)
    out = values.new_zeros(len(fine), values.shape[1])
    out[fine] = sums
    means, logits, residual, higher, bare, *rest = out.split([c.shape[1] for c in columns], 1)
    covars = branch.covars.new_zeros(len(fine), 3, 3)
    covars[fine] = branch.covars[neighbours[:, 0]] / factor**2
    constant = (pixel_colours(images, masks, background).reshape(-1, 3) + residual - 0.5) / SH_DC
    mask = masks.reshape(-1)
    return replace(
        branch,
        grid=(views, height * factor, width * factor),
        means=means,
        covars=covars,
        opacities=bare[:, 0] * mask,
        sh=torch.cat([constant, higher], 1).unflatten(1, (-1, 3)),
        bone_logits=logits,
        mask=mask,
        uncertainty=rest[0][:, 0] if rest else None,
    )


def _neighbours(
    means: Tensor, mask: Tensor, grid: tuple[int, int, int], factor: int, fine: Tensor
) -> tuple[Tensor, Tensor]:
    """Bilinear interpolation that does not reach across depth edges or beyond the matte.

    Args:
        means: [M, 3] of the coarse pixels, metres.
        mask: [M] of the coarse pixels.
        grid: (V, h, w) of the coarse pixels.
        factor: fine pixels along the side of a coarse one.
        fine: [M'] bool, the fine pixels to interpolate.

    Returns:
        [K, 4] coarse pixels, the one that holds the fine pixel first, and their shares [K, 4], which sum to 1.
    """
    views, height, width = grid
    at = fine.nonzero()[:, 0]
    fine_width = width * factor
    view, row = at // (height * factor * fine_width), at // fine_width % (height * factor)
    column = at % fine_width
    (y, next_y, away_y), (x, next_x, away_x) = (
        _along(position, factor, count) for position, count in ((row, height), (column, width))
    )
    base = view * height * width
    index = torch.stack([y * width + x, y * width + next_x, next_y * width + x, next_y * width + next_x], 1)
    index = index + base[:, None]
    near_y, near_x = 1 - away_y, 1 - away_x
    shares = torch.stack([near_y * near_x, near_y * away_x, away_y * near_x, away_y * away_x], 1)
    together = (means[index] - means[index[:, :1]]).norm(dim=-1) < SAME_SURFACE_M
    shares = shares * (together & (mask[index] > 0.1))
    shares[:, 0] += 1e-6  # a fine pixel whose coarse neighbours are all outside takes its own
    return index, shares / shares.sum(1, keepdim=True)


def _along(position: Tensor, factor: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Fine positions on one axis: the coarse cell, the neighbouring cell it leans to, and the share of that one."""
    cell = position // factor
    lean = (position % factor + 0.5) / factor - 0.5  # [-0.5, 0.5) from the cell's centre
    return cell, (cell + lean.sign().long()).clamp(0, count - 1), lean.abs()
