"""Crop and pad the person to the picture that the network looks at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FRAME_MARGIN = 1.15
"""Side of the frame over the side of the person's box: what the training people have on average."""

PRESENT = 0.5
"""A pixel of a matte belongs to the person from here on."""


def frame_person(rgb: np.ndarray, matte: np.ndarray, size: tuple[int, int], background: float) -> tuple[Tensor, Tensor]:
    """The person in the middle of the frame, on the network's background.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        matte: (H, W) float32 in [0, 1] with at least one pixel of a person.
        size: (height, width) of the frame, pixels.
        background: grey level in [0, 1] that surrounds the person.

    Returns:
        The image (3, height, width) in [0, 1] and its mask (height, width) in [0, 1].
    """
    top, bottom, left, right = person_box(matte)
    height, width = size
    pixel = FRAME_MARGIN * max((bottom - top) / height, (right - left) / width)  # photo pixels in one of the frame
    frame_height, frame_width = round(pixel * height), round(pixel * width)
    y0 = round((top + bottom - frame_height) / 2)
    x0 = round((left + right - frame_width) / 2)

    photo = np.zeros((frame_height, frame_width, 4), np.float32)
    rows = slice(max(0, y0), min(matte.shape[0], y0 + frame_height))
    columns = slice(max(0, x0), min(matte.shape[1], x0 + frame_width))
    inside = photo[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
    inside[..., 3] = matte[rows, columns]
    inside[..., :3] = rgb[rows, columns].astype(np.float32) / 255 * inside[..., 3:]

    # Colours are resized already multiplied by the matte: what is behind the person does not bleed into the edge.
    channels = torch.from_numpy(photo).permute(2, 0, 1)[None]  # [1, 4, h, w]
    resized = torch.nn.functional.interpolate(channels, size, mode="bilinear", antialias=True)[0]
    mask = resized[3]
    return (resized[:3] + (1 - mask) * background).clamp(0, 1), mask


def person_box(person: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the pixels of a matte (H, W) that belong to the person; half open."""
    rows, columns = (np.flatnonzero((person > PRESENT).any(axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
