"""Views: what the network sees of a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nopo.errors import NopoError

if TYPE_CHECKING:
    from torch import Tensor

MAX_VIEWS = 8


@dataclass(frozen=True, eq=False)
class Views:
    """One to eight photos, framed and matted. No camera, no pose: that is the point.

    Attributes:
        images: (V, 3, H, W) sRGB in [0, 1], composited on the model's background colour.
        masks: (V, H, W) foreground in [0, 1], may be soft.
    """

    images: Tensor
    masks: Tensor

    def __post_init__(self) -> None:
        v, c, h, w = self.images.shape
        if c != 3 or tuple(self.masks.shape) != (v, h, w):
            raise NopoError(
                f"Views need images (V, 3, H, W) and masks (V, H, W), "
                f"not {tuple(self.images.shape)} and {tuple(self.masks.shape)}."
            )
        if not 1 <= v <= MAX_VIEWS:
            raise NopoError(f"Give 1 to {MAX_VIEWS} photos, not {v}.")

    def __len__(self) -> int:
        return self.images.shape[0]
