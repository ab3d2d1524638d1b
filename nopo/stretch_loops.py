"""The loop of `stretch`, compiled with numba for CPUs: many times faster than as tensor operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nopo.render.compiler import compiled


@compiled()
def add_stretch(
    points: NDArray[np.float32],
    rows: NDArray[np.int64],
    index: NDArray[np.int64],
    share: NDArray[np.float32],
    known: NDArray[np.float32],
    most: np.float32,
    linear: NDArray[np.float32],
) -> None:
    """Add to the linear maps, in place, what neighbours say.

    Args:
        points: [N, 3] the Gaussians' places in the pose.
        rows: [R] the Gaussians that are drawn out.
        index: [R, M] their neighbours.
        share: [R, M, 3] what each neighbour's offset counts for, one over metres.
        known: [R, 3, 3] how far the neighbours' offsets are told by a linear map; nearly the identity in their plane.
        most: largest addition (Frobenius norm).
        linear: [3, 3, N].
    """
    more = np.empty((3, 3), np.float32)
    for r in range(len(rows)):
        i = rows[r]
        squares = np.float32(0)
        for a in range(3):
            here = points[i, a]
            x = y = z = np.float32(0)
            for m in range(index.shape[1]):
                offset = points[index[r, m], a] - here
                x += offset * share[r, m, 0]
                y += offset * share[r, m, 1]
                z += offset * share[r, m, 2]
            for c in range(3):
                told = linear[a, c, i]
                x -= told * known[r, c, 0]
                y -= told * known[r, c, 1]
                z -= told * known[r, c, 2]
            more[a, 0], more[a, 1], more[a, 2] = x, y, z
            squares += x * x + y * y + z * z
        part = most / max(np.sqrt(squares), most)
        for a in range(3):
            for c in range(3):
                linear[a, c, i] += part * more[a, c]
