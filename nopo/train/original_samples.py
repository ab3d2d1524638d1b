"""What the original does to a training sample before its network sees it: one size for all photos, and their mirror.

Photos come with cameras, poses and skinning maps, all of which follow. Compared with the original's values.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from nopo.body.skeleton import BONE_FLIP, JOINT_FLIP

How = Literal["crop", "pad"]
"""Fill the frame and cut what sticks out (THuman, XHuman), or show all of the photo and fill up (HuGe100K)."""

Resampling = Image.Resampling


def fit_photos(photos: Tensor, size: tuple[int, int], how: How, background: Tensor) -> Tensor:
    """Photos [V, 3, h, w] sRGB in [0, 1], already composited, in frames of `size` (H, W): [V, 3, H, W].

    Values are floored to 8 bits first, also where nothing is resized; PNG files lose nothing by that.

    Args:
        photos: composited on `background`.
        size: (H, W), pixels.
        how: see `How`.
        background: [3] sRGB that fills up.
    """
    scaled = _resize(photos, _scaled(photos, size, how), Resampling.LANCZOS)
    return _place(scaled, size, background[:, None, None])


def fit_masks(masks: Tensor, size: tuple[int, int], how: How) -> Tensor:
    """Foreground masks [V, h, w] in [0, 1] as `fit_photos` does their photos: [V, H, W], zero where filled up."""
    scaled = _resize(masks[:, None], _scaled(masks, size, how), Resampling.NEAREST)
    return _place(scaled, size, masks.new_zeros(1, 1, 1))[:, 0]


def fit_maps(maps: Tensor, size: tuple[int, int], how: How) -> Tensor:
    """Skinning maps [V, C, h, w] as `fit_photos` does their photos: [V, C, H, W], zero where filled up."""
    scaled = F.interpolate(maps, _scaled(maps, size, how), mode="bilinear", antialias=True, align_corners=False)
    return _place(scaled, size, maps.new_zeros(1, 1, 1))


def fit_cameras(Ks: Tensor, before: tuple[int, int], size: tuple[int, int], how: How) -> Tensor:
    """Intrinsics [V, 3, 3] in pixels of photos of `before` (h, w), for what `fit_photos` makes of them."""
    scaled = _scaled(Ks.new_empty(before), size, how)
    fitted = Ks.clone()
    for axis, (length, mid, full) in enumerate(zip(before[::-1], scaled[::-1], size[::-1], strict=True)):
        fitted[:, axis] *= mid / length
        fitted[:, axis, 2] += _start(mid, full)
    return fitted


def mirror_pictures(pictures: Tensor) -> Tensor:
    """Photos, masks or maps [..., W], seen in a mirror."""
    return pictures.flip(-1)


def mirror_skinning(maps: Tensor) -> Tensor:
    """Skinning maps [V, 55, H, W] in a mirror: the left hand's weights become the right hand's."""
    return maps[:, list(JOINT_FLIP)].flip(-1)


def mirror_cameras(viewmats: Tensor, Ks: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cameras [V, 4, 4], [V, 3, 3] in pixels that see mirrored people as pictures of `width` pixels in a mirror."""
    side = viewmats.new_tensor([-1.0, 1.0, 1.0, 1.0])
    mirrored = Ks.clone()
    mirrored[..., 0, 2] = width - Ks[..., 0, 2]
    return side[:, None] * viewmats * side, mirrored


def mirror_transforms(transforms: Tensor) -> Tensor:
    """Transforms of joints [..., 55, 3, 4] or bones [..., 69, 3, 4] of the mirrored person."""
    order = JOINT_FLIP if transforms.shape[-3] == len(JOINT_FLIP) else BONE_FLIP
    side = transforms.new_tensor([-1.0, 1.0, 1.0, 1.0])
    return side[:3, None] * transforms[..., list(order), :, :] * side


def _scaled(picture: Tensor, size: tuple[int, int], how: How) -> tuple[int, int]:
    """(height, width) of a picture [..., h, w] before it is cut or filled up to `size`."""
    height, width = picture.shape[-2:]
    factor = (max if how == "crop" else min)(size[0] / height, size[1] / width)
    return round(height * factor), round(width * factor)


def _resize(pictures: Tensor, size: tuple[int, int], resampling: Resampling) -> Tensor:
    """Pictures [V, 1 or 3, h, w] in [0, 1] through 8 bits, by Pillow: [V, 1 or 3, *size]."""
    resized = []
    for picture in (255 * pictures).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy():
        image = Image.fromarray(picture if picture.shape[2] == 3 else picture[..., 0])
        resized.append(np.asarray(image.resize(size[::-1], resampling)).reshape(*size, -1))
    return torch.from_numpy(np.stack(resized)).to(pictures).permute(0, 3, 1, 2) / 255


def _start(length: int, full: int) -> int:
    """Where `length` pixels begin in a frame of `full` pixels; negative where they stick out."""
    return (full - length) // 2 if full >= length else -((length - full) // 2)


def _place(pictures: Tensor, size: tuple[int, int], fill: Tensor) -> Tensor:
    """Pictures [V, C, h, w] in the middle of frames of `size`, on `fill` [C or 1, 1, 1]: [V, C, *size]."""
    top, left = (_start(length, full) for length, full in zip(pictures.shape[-2:], size, strict=True))
    frames = fill.to(pictures).expand(*pictures.shape[:2], *size).clone()
    seen = pictures[..., max(-top, 0) :, max(-left, 0) :][..., : size[0], : size[1]]
    rows, columns = seen.shape[-2:]
    frames[..., max(top, 0) :, max(left, 0) :][..., :rows, :columns] = seen
    return frames
