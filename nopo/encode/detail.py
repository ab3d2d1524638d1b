"""Detail: where a body's surface lies changes slowly, its colours change fast; so these may be finer than that.

The network may look at photos smaller than those it is given (`ModelConfig.sees`). What it says of each pixel is then
carried to the finer pixels, which keep their own colours and their own matte.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nopo.encode.activations import SH_DC, pixel_colours
from nopo.encode.branch import Branch
from nopo.encode.smooth import SAME_SURFACE_M


def shrink(images: Tensor, masks: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Area averages of images [V, 3, H, W] and masks [V, H, W], of this smaller height and width."""
    rows, columns = (_covers(now, before).to(images) for now, before in zip(size, masks.shape[-2:], strict=True))
    with torch.autocast(images.device.type, enabled=False):  # colours have more than bfloat16's eight bits
        return rows @ images @ columns.T, rows @ masks @ columns.T


def _covers(count: int, before: int) -> Tensor:
    """[count, before] the share of each of `count` pixels on an axis that each of the `before` finer ones covers."""
    edges = torch.arange(count + 1, dtype=torch.float64) * (before / count)
    low, high = edges[:-1, None], edges[1:, None]
    at = torch.arange(before, dtype=torch.float64)
    shares = (torch.minimum(high, at + 1) - torch.maximum(low, at)).clamp_min(0) * (count / before)
    return shares.float()


def refine(branch: Branch, images: Tensor, masks: Tensor, background: float) -> Branch:
    """An image branch of coarse pixels at the resolution of the photos.

    Args:
        branch: of one person, grid (V, h, w).
        images: [V, 3, H, W] sRGB composited on grey of level `background`.
        masks: [V, H, W].
        background: grey level in [0, 1].

    Returns:
        The branch with grid (V, H, W); splats shrink with their spacing.
    """
    views, height, width = branch.grid
    fine_height, fine_width = masks.shape[1:]
    small_images, small_masks = shrink(images, masks, (height, width))
    residual = branch.sh[:, 0] * SH_DC + 0.5 - pixel_colours(small_images, small_masks, background).reshape(-1, 3)
    bare = branch.opacities / branch.mask.clamp_min(1e-3)
    columns = [branch.means, branch.bone_logits, residual, branch.sh[:, 1:].flatten(1), bare[:, None]]
    if branch.uncertainty is not None:
        columns.append(branch.uncertainty[:, None])
    values = torch.cat(columns, 1)  # [M, C]

    fine = masks.reshape(-1) > 0  # [M']
    neighbours, shares = _neighbours(branch.means, branch.mask, branch.grid, (fine_height, fine_width), fine)
    sums = sum(shares[:, k, None] * values[neighbours[:, k]] for k in range(4))
    assert isinstance(sums, Tensor)
    out = values.new_zeros(len(fine), values.shape[1])
    out[fine] = sums
    means, logits, residual, higher, bare, *rest = out.split([c.shape[1] for c in columns], 1)
    covars = branch.covars.new_zeros(len(fine), 3, 3)
    covars[fine] = branch.covars[neighbours[:, 0]] * (height * width / (fine_height * fine_width))
    constant = (pixel_colours(images, masks, background).reshape(-1, 3) + residual - 0.5) / SH_DC
    mask = masks.reshape(-1)
    return replace(
        branch,
        grid=(views, fine_height, fine_width),
        means=means,
        covars=covars,
        opacities=bare[:, 0] * mask,
        sh=torch.cat([constant, higher], 1).unflatten(1, (-1, 3)),
        bone_logits=logits,
        mask=mask,
        uncertainty=rest[0][:, 0] if rest else None,
    )


def _neighbours(
    means: Tensor, mask: Tensor, grid: tuple[int, int, int], size: tuple[int, int], fine: Tensor
) -> tuple[Tensor, Tensor]:
    """Bilinear interpolation that does not reach across depth edges or beyond the matte.

    Args:
        means: [M, 3] of the coarse pixels, metres.
        mask: [M] of the coarse pixels.
        grid: (V, h, w) of the coarse pixels.
        size: (H, W) of the fine pixels.
        fine: [M'] bool, the fine pixels to interpolate.

    Returns:
        [K, 4] coarse pixels, the one that holds the fine pixel first, and their shares [K, 4], which sum to 1.
    """
    _, height, width = grid
    fine_height, fine_width = size
    at = fine.nonzero()[:, 0]
    view, row, column = at // (fine_height * fine_width), at // fine_width % fine_height, at % fine_width
    y, next_y, away_y = _along(row, fine_height, height)
    x, next_x, away_x = _along(column, fine_width, width)
    base = view * height * width
    index = torch.stack([y * width + x, y * width + next_x, next_y * width + x, next_y * width + next_x], 1)
    index = index + base[:, None]
    near_y, near_x = 1 - away_y, 1 - away_x
    shares = torch.stack([near_y * near_x, near_y * away_x, away_y * near_x, away_y * away_x], 1)
    together = (means[index] - means[index[:, :1]]).norm(dim=-1) < SAME_SURFACE_M
    shares = shares * (together & (mask[index] > 0.1))
    shares[:, 0] += 1e-6  # a fine pixel whose coarse neighbours are all outside takes its own
    return index, shares / shares.sum(1, keepdim=True)


def _along(position: Tensor, fine: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of `fine` positions on one axis: the coarse cell of `count`, the neighbour it leans to, and the share of that."""
    middle = (2 * position + 1) * count  # in halves of fine cells
    cell = middle // (2 * fine)
    lean = middle / (2 * fine) - cell - 0.5  # [-0.5, 0.5) from the cell's centre
    return cell, (cell + lean.sign().long()).clamp(0, count - 1), lean.abs()
