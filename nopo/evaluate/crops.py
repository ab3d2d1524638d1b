"""The crop that the original's figures on THuman and XHuman are measured in (NoPo-Avatar, evaluation protocol).

The ground truth is an untouched picture on black. HuGe100K's figures are of whole frames on white: `on_white`.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROWS, COLUMNS = 1000, 500
"""Size of the crop, pixels of a picture of 1024 x 1024."""


def person_crop(truth: Tensor, rows: int = ROWS, columns: int = COLUMNS) -> tuple[slice, slice] | None:
    """The window around whatever is not black, moved inside the picture; None if all of it is black.

    Args:
        truth: (H, W, 3) the ground truth; H >= rows and W >= columns.
        rows: height of the window, pixels.
        columns: width of the window, pixels.
    """
    seen = (truth != 0).any(-1)  # [H, W]
    if not seen.any():
        return None
    return _window(seen.any(1), rows), _window(seen.any(0), columns)


def on_white(picture: Tensor, mask: Tensor) -> Tensor:
    """A picture (..., H, W, 3) where its mask (..., H, W) in [0, 1] is, white elsewhere: HuGe100K's ground truth."""
    mask = mask[..., None]
    return picture * mask + (1 - mask)


def _window(seen: Tensor, length: int) -> slice:
    """`length` places of one axis [L] around those that are seen; the odd place goes to the end."""
    places = torch.nonzero(seen)
    low, high, size = int(places[0]), int(places[-1]), len(seen)
    before = (length - (high + 1 - low)) // 2
    after = length - (high - low) - before
    if low - before < 0:
        return slice(0, length)
    if high + after > size:
        return slice(size - length, size)
    return slice(low - before, high + after)
