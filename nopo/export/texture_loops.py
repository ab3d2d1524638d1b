"""The inner loop of the texture: millions of small projections, compiled by numba."""

from __future__ import annotations

import math

import numpy as np

from nopo.render.compiler import compiled

Array = np.ndarray


@compiled()
def look_down(
    positions: Array, normals: Array, limbs: Array, near: Array,
    means: Array, covars: Array, opacities: Array, colours: Array, cloud_limbs: Array,
    top: float, bottom: float, blur: float, out: Array,
) -> None:  # fmt: skip
    """Composite the K nearest Gaussians over each of P texels, the outermost first.

    positions, normals [P, 3], limbs [P, L], near [P, K] rows of: means, colours [N, 3], covars [N, 3, 3],
    opacities [N], cloud_limbs [N, L]; heights and blur in metres, see `nopo.export.texture`; writes out [P, 3].
    """
    count = near.shape[1]
    order = np.empty(count, np.int64)  # of Gaussians so far, by height
    height = np.empty(count, np.float32)
    away = np.empty(count, np.float32)
    weight = np.empty(count, np.float32)  # opacity, less if another limb's
    alpha = np.empty(count, np.float32)
    for p in range(len(positions)):
        nx, ny, nz = normals[p]
        # A right-handed frame (a, b, n) without a square root, continuous but at nz = 0 (Duff et al., JCGT 2017).
        sign = math.copysign(1.0, nz)
        c = -1 / (sign + nz)
        d = nx * ny * c
        ax, ay, az = 1 + sign * nx * nx * c, sign * d, -sign * nx
        bx, by, bz = d, sign + ny * ny * c, -ny
        closest = np.inf
        for k in range(count):
            g = near[p, k]
            dx, dy, dz = means[g, 0] - positions[p, 0], means[g, 1] - positions[p, 1], means[g, 2] - positions[p, 2]
            height[k] = dx * nx + dy * ny + dz * nz
            away[k] = dx * dx + dy * dy + dz * dz
            closest = min(closest, away[k])
            same_limb = np.float32(0)
            for limb in range(limbs.shape[1]):
                same_limb += min(limbs[p, limb], cloud_limbs[g, limb])
            weight[k] = opacities[g] * same_limb
            alpha[k] = 0
            if bottom < height[k] < top:
                x, y = dx * ax + dy * ay + dz * az, dx * bx + dy * by + dz * bz
                S = covars[g]
                hx = S[0, 0] * ax + S[0, 1] * ay + S[0, 2] * az
                hy = S[1, 0] * ax + S[1, 1] * ay + S[1, 2] * az
                hz = S[2, 0] * ax + S[2, 1] * ay + S[2, 2] * az
                xx, xy = hx * ax + hy * ay + hz * az + blur * blur, hx * bx + hy * by + hz * bz
                hx = S[0, 0] * bx + S[0, 1] * by + S[0, 2] * bz
                hy = S[1, 0] * bx + S[1, 1] * by + S[1, 2] * bz
                hz = S[2, 0] * bx + S[2, 1] * by + S[2, 2] * bz
                yy = hx * bx + hy * by + hz * bz + blur * blur
                power = (yy * x * x - 2 * xy * x * y + xx * y * y) / (xx * yy - xy * xy)
                alpha[k] = weight[k] * math.exp(-0.5 * power)
            at = k
            while at > 0 and height[order[at - 1]] < height[k]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = k

        left = 1.0
        out[p] = 0
        for at in range(count):
            k = order[at]
            for channel in range(3):
                out[p, channel] += left * alpha[k] * colours[near[p, k], channel]
            left *= 1 - alpha[k]
        # A smooth nearest neighbour fills the rest; its width grows with the distance.
        width = 0.004 + 0.5 * math.sqrt(closest)
        total, red, green, blue = 1e-12, 0.0, 0.0, 0.0
        for k in range(count):
            share = (weight[k] + 1e-4) * math.exp((closest - away[k]) / (2 * width * width))
            total += share
            red += share * colours[near[p, k], 0]
            green += share * colours[near[p, k], 1]
            blue += share * colours[near[p, k], 2]
        out[p, 0] += left * red / total
        out[p, 1] += left * green / total
        out[p, 2] += left * blue / total
