"""The blending loops as anybody would write them, compiled by numba: the slow twin of the vector kernels.

A worker owns a band of rows and walks through all splats, nearest first. Works in float32 and float64.
"""

from __future__ import annotations

import math

import numpy as np

from nopo.render.compiler import compiled

Array = np.ndarray

MIN_ALPHA = 1 / 255
MIN_TRANSMITTANCE = 1e-4


@compiled()
def falloff(conics: Array, g: int, dx: float, dy: float) -> float:
    """Exponent of splat g at an offset from its centre: at most 0 where the conic is positive."""
    return -0.5 * (conics[g, 0] * dx * dx + conics[g, 2] * dy * dy) - conics[g, 1] * dx * dy


@compiled()
def blend_rows(
    first: int, last: int, max_alpha: float,
    means: Array, conics: Array, opacities: Array, features: Array, boxes: Array,
    picture: Array, transmittance: Array,
) -> None:  # fmt: skip
    """Draw the rows first <= y < last.

    means [M, 2], conics [M, 3], opacities [M], features [M, 4], boxes [M, 4] as in `Splats`; writes picture [H, W, 4]
    (zeros before) and transmittance [H, W] (ones before).
    """
    finished = np.zeros((last - first, picture.shape[1]), np.bool_)
    for g in range(len(means)):
        for y in range(max(first, boxes[g, 1]), min(last, boxes[g, 3])):
            dy = means[g, 1] - (y + 0.5)
            for x in range(boxes[g, 0], boxes[g, 2]):
                if finished[y - first, x]:
                    continue
                power = falloff(conics, g, means[g, 0] - (x + 0.5), dy)
                alpha = min(max_alpha, opacities[g] * math.exp(power))
                if power > 0 or alpha < MIN_ALPHA:
                    continue
                before = transmittance[y, x]
                after = before * (1 - alpha)
                if after < MIN_TRANSMITTANCE:
                    finished[y - first, x] = True
                    continue
                for k in range(4):
                    picture[y, x, k] += alpha * before * features[g, k]
                transmittance[y, x] = after


@compiled()
def blend_rows_grad(
    first: int, last: int, max_alpha: float, v_splats: Array,
    means: Array, conics: Array, opacities: Array, features: Array, boxes: Array,
    picture: Array, transmittance: Array, v_picture: Array, v_transmittance: Array,
) -> None:  # fmt: skip
    """Gradients of the rows first <= y < last, front to back.

    The scalar `rest` of a pixel is what lies behind the current splat, dotted with the incoming gradient: it starts
    as the whole pixel and loses each splat's part on the way, so that nothing has to be stored or walked backwards.
    Adds to v_splats [M, 10]: means 2, conics 3, opacity 1, features 4.
    """
    height, width = last - first, picture.shape[1]
    finished = np.zeros((height, width), np.bool_)
    through = np.ones((height, width))
    rest = np.empty((height, width))
    for y in range(first, last):
        for x in range(width):
            rest[y - first, x] = transmittance[y, x] * v_transmittance[y, x]
            for k in range(4):
                rest[y - first, x] += picture[y, x, k] * v_picture[y, x, k]
    total = np.empty(10)
    for g in range(len(means)):
        total[:] = 0
        for y in range(max(first, boxes[g, 1]), min(last, boxes[g, 3])):
            dy = means[g, 1] - (y + 0.5)
            for x in range(boxes[g, 0], boxes[g, 2]):
                if finished[y - first, x]:
                    continue
                dx = means[g, 0] - (x + 0.5)
                power = falloff(conics, g, dx, dy)
                full = opacities[g] * math.exp(power)
                alpha = min(max_alpha, full)
                if power > 0 or alpha < MIN_ALPHA:
                    continue
                before = through[y - first, x]
                if before * (1 - alpha) < MIN_TRANSMITTANCE:
                    finished[y - first, x] = True
                    continue
                weight = alpha * before
                seen = 0.0
                for k in range(4):
                    seen += features[g, k] * v_picture[y, x, k]
                    total[6 + k] += weight * v_picture[y, x, k]
                rest[y - first, x] -= weight * seen
                through[y - first, x] = before * (1 - alpha)
                if full > max_alpha:  # a clamped alpha does not move
                    continue
                v_alpha = before * seen - rest[y - first, x] / (1 - alpha)
                v_power = v_alpha * alpha
                total[0] -= v_power * (conics[g, 0] * dx + conics[g, 1] * dy)
                total[1] -= v_power * (conics[g, 1] * dx + conics[g, 2] * dy)
                total[2] -= 0.5 * v_power * dx * dx
                total[3] -= v_power * dx * dy
                total[4] -= 0.5 * v_power * dy * dy
                total[5] += v_power / opacities[g]
        for k in range(10):
            v_splats[g, k] += total[k]
