"""Where the body's places lie in each photo, and how wide the person is at every height.

The network says of every pixel which place of the template it shows. Turned round, that says where in the picture each
of some landmarks on the template lies: a hundred numbers in place of a picture, from which proportions can be learned
from a hundredth of the photos that a convolutional network needs for them (docs/OPEN_MODEL.md). Our own addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.encode.activations import MIN_EXPONENT

COUNT = 96
"""Landmarks on the template."""

NEAR_M = 0.05
"""Standard deviation of the distances at which a pixel counts for a landmark, metres."""

STRIDE = 2
"""Every second row and column of pixels is asked."""

FOREGROUND = 0.3
"""A pixel with less of it is beyond the outline."""

HEIGHTS = 32
"""Heights of the outline at which its width is measured."""

SIZE = 3 * COUNT + 2 * HEIGHTS + 6
"""Numbers that are known of a photo."""

_PLACE, _WIDTH, _SPREAD = 3, 3, 30
"""What places, widths and spreads are multiplied with, to be about 1 in size."""


def spread_landmarks(points: Tensor, count: int = COUNT) -> Tensor:
    """Points [K, 3] -> `count` of them that are far from each other, the highest first."""
    chosen = [int(points[:, 1].argmax())]
    distance = (points - points[chosen[0]]).norm(dim=1)
    for _ in range(count - 1):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=1))
    return points[chosen]


@torch.no_grad()
def find_landmarks(means: Tensor, opacities: Tensor, masks: Tensor, facing: Tensor, landmarks: Tensor) -> Tensor:
    """What is known of N photos, each number about 1 in size.

    Lengths are in heights of the outline, from the middle of its columns and half its height.

    Args:
        means: [N, H, W, 3] the template's place that each pixel shows, metres.
        opacities: [N, H, W] how far each pixel counts.
        masks: [N, H, W] foreground in [0, 1].
        facing: [N, 2] see `facing.directions`.
        landmarks: [COUNT, 3] metres.

    Returns:
        [N, SIZE]: for each landmark how far right, how far down and how well seen; from the top, the outline's widths
        and, in squared heights, the sum of its columns' distances from the middle; the direction; where in the frame
        the outline begins and ends, its height, and whether it reaches the frame's lower edge, which it hardly ever
        does: `frame_person` leaves a margin below a half body, too.
    """
    outline = _outline(masks, landmarks.dtype)
    right, low, seen = _where_seen(means, opacities, outline, landmarks)

    bins = (torch.arange(HEIGHTS, device=masks.device) + 0.5) / HEIGHTS  # of the outline's height
    at = (outline.top[:, None] + bins * outline.tall).long().clamp_max(masks.shape[1] - 1)  # [N, HEIGHTS]
    widths = (outline.inside.sum(2) / outline.tall).gather(1, at)
    away = (outline.column - outline.middle).abs()[:, None]
    spread = ((outline.inside * away).sum(2) / outline.tall.square()).gather(1, at)
    frame = torch.stack([outline.top, outline.bottom, outline.bottom - outline.top], 1) / masks.shape[1]
    cut = (outline.bottom >= masks.shape[1]).to(landmarks)[:, None]
    return torch.cat(
        [right, low, seen, _WIDTH * widths, _SPREAD * spread, facing.to(landmarks), frame, cut], 1
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Outline:
    """Where N people are in their photos, in pixels; `tall` [N, 1] is their height.

    Attributes:
        inside: [N, H, W] bool.
        top: [N] first row, and `bottom` [N] the one behind the last.
        middle: [N, 1] mean column.
        column: [W] the columns' numbers, and `row` [H] the rows'.
    """

    inside: Tensor
    top: Tensor
    bottom: Tensor
    tall: Tensor
    middle: Tensor
    column: Tensor
    row: Tensor


def _outline(masks: Tensor, dtype: torch.dtype) -> _Outline:
    height, width = masks.shape[1:]
    inside = masks > FOREGROUND
    row, column = (torch.arange(count, device=masks.device, dtype=dtype) for count in (height, width))
    occupied = inside.any(2)  # [N, H]
    top = torch.where(occupied, row, height - 1.0).amin(1)
    bottom = torch.where(occupied, row + 1, 1.0).amax(1)
    tall = (bottom - top).clamp_min(1)[:, None]
    middle = (inside.sum(1) * column).sum(1, keepdim=True) / inside.sum((1, 2)).clamp_min(1)[:, None]
    return _Outline(inside, top, bottom, tall, middle, column, row)


def _where_seen(
    means: Tensor, opacities: Tensor, outline: _Outline, landmarks: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """For each landmark how far right and how far down the pixels are that show it, and how well seen, [N, COUNT] each.

    What is hardly seen is drawn to 0.
    """
    across = (outline.column - outline.middle) / outline.tall  # [N, W]
    down = (outline.row - outline.top[:, None]) / outline.tall - 0.5  # [N, H]
    sparse = (slice(None), slice(None, None, STRIDE), slice(None, None, STRIDE))
    places, counts = (x[sparse].to(landmarks).flatten(1, 2) for x in (means, opacities[..., None]))  # [N, P, 3 and 1]
    distance = places.square().sum(-1, keepdim=True) + landmarks.square().sum(-1) - 2 * places @ landmarks.T
    kernel = (distance / (-2 * NEAR_M**2)).clamp(MIN_EXPONENT, 0).exp() * counts  # [N, P, COUNT]
    where = torch.stack([
        across[:, None, ::STRIDE].expand(-1, down[:, ::STRIDE].shape[1], -1).flatten(1),
        down[:, ::STRIDE, None].expand(-1, -1, across[:, ::STRIDE].shape[1]).flatten(1),
        torch.ones_like(counts[..., 0]),
    ], 1)  # fmt: skip
    right, low, total = (where @ kernel).unbind(1)  # [N, COUNT] each
    seen = total / (total + STRIDE**-2)  # half, if it were one pixel of all
    share = _PLACE * seen / (total + 1e-3)
    return right * share, low * share, seen
