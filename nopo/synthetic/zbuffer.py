"""The z-buffer of `rasterize`, compiled with numba for CPUs: the same arithmetic in the same order, face by face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nopo.render.compiler import compiled

_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1), np.float32(0)


@compiled()
def fill(
    points: NDArray[np.float32],
    faces: NDArray[np.int64],
    two_sided: NDArray[np.bool_],
    near: np.float32,
    flat: np.float32,
    slack: np.float32,
    keys: NDArray[np.int64],
) -> None:
    """Draw all faces into the z-buffer `keys` [N, H, W], which begins as zeros.

    Args:
        points: [N, V, 3] pixel x, pixel y, depth.
        faces: [F, 3].
        two_sided: [F].
        near: metres; faces with a nearer corner are left out.
        flat: square pixels; faces of less than half that area are left out.
        slack: how far outside of a face a pixel may lie, as a share of the face.
        keys: bits of the inverse depth (high) and face (low).
    """
    pictures, height, width = keys.shape
    for n in range(pictures):
        for face in range(len(faces)):
            a = faces[face, 0]
            ax, ay, az = points[n, a, 0], points[n, a, 1], points[n, a, 2]
            b = faces[face, 1]
            bx, by, bz = points[n, b, 0], points[n, b, 1], points[n, b, 2]
            c = faces[face, 2]
            cx, cy, cz = points[n, c, 0], points[n, c, 1], points[n, c, 2]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if not (area < -flat or (two_sided[face] and area > flat)) or not min(az, bz, cz) > near:
                continue
            left = max(np.ceil(min(ax, bx, cx) - _HALF), _ZERO)
            right = min(np.floor(max(ax, bx, cx) - _HALF), np.float32(width - 1))
            top = max(np.ceil(min(ay, by, cy) - _HALF), _ZERO)
            bottom = min(np.floor(max(ay, by, cy) - _HALF), np.float32(height - 1))
            if right < left or bottom < top:
                continue
            over_area = _ONE / area
            b_x, b_y = (cy - ay) * over_area, (ax - cx) * over_area  # the share of corner b, per pixel
            c_x, c_y = (ay - by) * over_area, (bx - ax) * over_area
            ia = _ONE / az
            ib, ic = _ONE / bz - ia, _ONE / cz - ia
            x0, y0 = left + _HALF - ax, top + _HALF - ay
            for row in range(int(bottom - top) + 1):
                dy = y0 + np.float32(row)
                for column in range(int(right - left) + 1):
                    dx = x0 + np.float32(column)
                    wb, wc = b_x * dx + b_y * dy, c_x * dx + c_y * dy
                    if not min(wb, wc, _ONE - wb - wc) >= -slack:
                        continue
                    inverse = ia + wb * ib + wc * ic
                    y, x = int(top) + row, int(left) + column
                    key = (np.int64(np.float32(inverse).view(np.int32)) << 32) | face
                    if key > keys[n, y, x]:
                        keys[n, y, x] = key
