"""Windows: a standing person fills less than half of a square frame, so the network looks at some columns only.

Half the work, in training and afterwards. Where a photo's columns begin does not matter to the network, whose positions
are relative (`nopo.encode.unet.bearings`); all rows stay, because the frame's height is the unit of length.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from nopo.encode.branch import Branch

WIDTHS = (3 / 8, 1 / 2, 3 / 4, 1.0)
"""Shares of the frame's width that a window may have, about: few, so that training photos of one width make a batch."""

MARGIN = 1 / 64
"""Of the frame's width, kept free beside the person."""

EMPTY = 0.02
"""A pixel with less foreground is not the person."""


def window_columns(masks: Tensor, unit: int) -> tuple[Tensor, int]:
    """The narrowest windows of one width that hold the person in each photo.

    Args:
        masks: [N, H, W] foreground in [0, 1].
        unit: pixels that widths are multiples of, as the frame's width is.

    Returns:
        first columns [N], and the width in pixels.
    """
    width = masks.shape[-1]
    seen = (masks > EMPTY).any(1)  # [N, W]
    at = torch.arange(width, device=masks.device)
    low = torch.where(seen, at, width).amin(1)
    high = torch.where(seen, at + 1, 0).amax(1)
    nobody = high <= low
    low, high = low.masked_fill(nobody, 0), high.masked_fill(nobody, 1)
    needed = int((high - low).amax()) + 2 * MARGIN * width
    widths = (min(math.ceil(share * width / unit) * unit, width) for share in WIDTHS)
    chosen = min((one for one in widths if one >= needed), default=width)
    return ((low + high - chosen) // 2).clamp(0, width - chosen), chosen


def cut_columns(maps: Tensor, starts: Tensor, width: int, dim: int = -1) -> Tensor:
    """[N, ...] -> the same with `width` columns along `dim`, from another first column [N] each."""
    axis = dim if dim < 0 else dim - 1
    return torch.stack([one.narrow(axis, int(start), width) for one, start in zip(maps, starts, strict=True)])


def paste_columns(branch: Branch, starts: Tensor, width: int) -> Branch:
    """Put windows back: a branch of grid (V, H, w) with these first columns [V] -> grid (V, H, `width`)."""
    views, height, narrow = branch.grid
    if narrow == width:
        return branch

    def paste(values: Tensor) -> Tensor:
        out = values.new_zeros(views, height, width, *values.shape[1:])
        for view, start in enumerate(starts.tolist()):
            out[view, :, start : start + narrow] = values.view(views, height, narrow, *values.shape[1:])[view]
        return out.flatten(0, 2)

    return replace(branch.map(paste), grid=(views, height, width))
