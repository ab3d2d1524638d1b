"""Curves over one loop: every value is a function of the phase in [0, 1), and comes back to where it began."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Value = float | tuple[float, ...]


def keys(phase: Tensor, points: Sequence[tuple[float, Value]]) -> Tensor:
    """A smooth loop through keyframes, easing in and out of every extreme, never overshooting.

    Periodic monotone cubic interpolation (Fritsch and Butland, 1984): the slope at a key is the harmonic mean of the
    slopes beside it, and zero where they differ in sign.

    Args:
        phase: [T] in [0, 1).
        points: (phase, value) with rising phases in [0, 1); a value is a number or a tuple of D numbers.

    Returns:
        [T], or [T, D] for tuples.
    """
    at = torch.tensor([p for p, _ in points], dtype=phase.dtype)  # [K]
    values = torch.tensor([v for _, v in points], dtype=phase.dtype)  # [K] or [K, D]
    flat = values.reshape(len(points), -1)  # [K, D]
    at = torch.cat([at, at[:1] + 1])
    flat = torch.cat([flat, flat[:1]])
    spans = at.diff()[:, None]  # [K, 1]
    secants = flat.diff(dim=0) / spans  # [K, D]
    before, w_before = secants.roll(1, 0), spans.roll(1, 0)
    mean = (
        3
        * (w_before + spans)
        / ((2 * spans + w_before) / _nonzero(before) + (spans + 2 * w_before) / _nonzero(secants))
    )
    slopes = torch.where(before * secants > 0, mean, torch.zeros_like(mean))
    slopes = torch.cat([slopes, slopes[:1]])  # [K + 1, D]

    wrapped = torch.where(phase < at[0], phase + 1, phase)
    k = torch.searchsorted(at, wrapped, right=True).clamp(1, len(points)) - 1  # [T]
    u = ((wrapped - at[k]) / spans[k, 0])[:, None]  # [T, 1]
    h = spans[k]
    curve = (
        (1 + 2 * u) * (1 - u) ** 2 * flat[k]
        + u * (1 - u) ** 2 * h * slopes[k]
        + u**2 * (3 - 2 * u) * flat[k + 1]
        + u**2 * (u - 1) * h * slopes[k + 1]
    )
    return curve.reshape(len(phase), *values.shape[1:])


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, torch.ones_like(x), x)


def swing(phase: Tensor, amplitude: float, peak: float = 0.0, cycles: int = 1) -> Tensor:
    """A cosine of `cycles` periods a loop whose crest lies at phase `peak`: [T] -> [T]."""
    return amplitude * torch.cos(2 * math.pi * cycles * (phase - peak))


def ease(u: Tensor) -> Tensor:
    """From 0 to 1 with no speed and no acceleration at the ends (minimum jerk), constant outside of [0, 1]."""
    u = u.clamp(0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def progress(phase: Tensor, start: float, end: float) -> Tensor:
    """How far along the span from `start` to `end` (0 <= start < end <= 1) the phase is, 0 to 1: [T] -> [T]."""
    return ((phase - start) / (end - start)).clamp(0, 1)


def bump(u: Tensor) -> Tensor:
    """From 0 up to 1 at u = 0.5 and back to 0 at u = 1, rising fast enough that a lifted foot clears the floor."""
    return torch.sin(math.pi * u.clamp(0, 1)).clamp(min=0) ** 1.4


def soften(curve: Tensor, sigma: float, loop: bool = True) -> Tensor:
    """Gaussian blur along the frames, around the loop or with ends that go on: [T] -> [T]; `sigma` in frames."""
    reach = min(math.ceil(3 * sigma), len(curve) - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=curve.dtype) / sigma) ** 2)
    longer = extended(curve, reach, loop)
    return torch.nn.functional.conv1d(longer[None, None], (kernel / kernel.sum())[None, None])[0, 0]


def extended(curve: Tensor, frames: int, loop: bool) -> Tensor:
    """[T] -> [frames + T + frames]: what is before and after, around the loop or as at the ends."""
    at = torch.arange(-frames, len(curve) + frames)
    return curve[at % len(curve) if loop else at.clamp(0, len(curve) - 1)]
