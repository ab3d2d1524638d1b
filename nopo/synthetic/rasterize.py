"""A z-buffer for triangles in plain torch, the same on CPU and CUDA; on CPUs its compiled twin is taken, see `zbuffer`.

Every triangle lists the pixels of its bounding box; all lists lie end to end in one flat array (no buckets, no
padding). The inverse depth is affine in the picture, so a candidate costs a handful of multiplications, and the
nearest face wins by one `scatter_reduce` of keys that hold inverse depth (high bits) and face (low bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor

NEAR_M = 0.05
_FLAT = 1e-9
_EDGE_SLACK = 1e-5
_MAX_CANDIDATES = 4_000_000


@dataclass(frozen=True, eq=False)
class Fragments:
    """Places on the surfaces that N pictures show, one for each listed pixel.

    Attributes:
        pixel: [P] int64, flat index into (N, H, W).
        face: [P] int64, index into the faces.
        bary: [P, 3] perspective-correct barycentric coordinates, sum 1.
        depth: [P] metres along the camera's z axis.
        shape: (N, H, W).
    """

    pixel: Tensor
    face: Tensor
    bary: Tensor
    depth: Tensor
    shape: tuple[int, int, int]

    @property
    def image(self) -> Tensor:
        """Which picture each fragment belongs to: [P] int64."""
        return self.pixel // (self.shape[1] * self.shape[2])

    def scatter(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Values [P] or [P, C] -> pictures [N, H, W] or [N, H, W, C], `fill` where nothing was hit."""
        n, h, w = self.shape
        out = values.new_full((n * h * w, *values.shape[1:]), fill)
        out[self.pixel] = values
        return out.view(n, h, w, *values.shape[1:])

    def mask(self) -> Tensor:
        """Where something was hit: [N, H, W] bool."""
        return self.scatter(torch.ones_like(self.depth, dtype=torch.bool), 0)

    def interpolate(self, attributes: Tensor, faces: Tensor) -> Tensor:
        """Vertex attributes [V, C], or [N, V, C] with their own for each picture, at the fragments: [P, C]."""
        corners = faces.index_select(0, self.face)  # [P, 3]
        if attributes.dim() == 3:
            if len(attributes) > 1:
                corners = corners + (self.image * attributes.shape[1])[:, None]
            attributes = attributes.flatten(0, 1)
        return interpolate(attributes, corners, self.bary)


def interpolate(attributes: Tensor, corners: Tensor, bary: Tensor) -> Tensor:
    """Attributes [V, C] of three vertices [P, 3] each, weighted by `bary` [P, 3]: [P, C]."""
    return torch.nn.functional.embedding_bag(corners, attributes, per_sample_weights=bary, mode="sum")


def rasterize(points: Tensor, faces: Tensor, size: tuple[int, int], two_sided: Tensor | None = None) -> Fragments:
    """Find the nearest face at every pixel centre of N pictures; arguments as of `zbuffer`.

    Returns:
        Fragments of all pictures, ordered by picture, row, column.
    """
    keys = zbuffer(points, faces, size, two_sided)
    pixel = keys.flatten().nonzero()[:, 0]
    return fragments_at(keys, pixel, points, faces)


def zbuffer(points: Tensor, faces: Tensor, size: tuple[int, int], two_sided: Tensor | None = None) -> Tensor:
    """The nearest face at every pixel centre of N pictures.

    Args:
        points: [N, V, 3] projected vertices: pixel x, pixel y, depth in metres (pixel centres at +0.5).
        faces: [F, 3] int64; counter-clockwise as seen from outside in a right-handed world.
        size: (H, W) pixels.
        two_sided: [F] bool, faces that are seen from behind as well; default all.

    Returns:
        [N, H, W] int64 keys: `inverse_depth_of` in the upper half, `face_of` in the lower; 0 where there is nothing. A
        face with a vertex nearer than 5 cm to the camera plane is left out.
    """
    if two_sided is None:
        two_sided = torch.ones(len(faces), dtype=torch.bool, device=faces.device)
    if points.device.type == "cpu" and _can_compile():
        return compiled_zbuffer(points, faces, size, two_sided)
    return plain_zbuffer(points, faces, size, two_sided)


def inverse_depth_of(keys: Tensor) -> Tensor:
    """1 / metres along the camera's axis of keys of any shape; 0 where there is nothing."""
    return (keys >> 32).int().view(torch.float32)


def face_of(keys: Tensor) -> Tensor:
    """Index of the face of keys of any shape."""
    return keys & 0xFFFFFFFF


@cache
def _can_compile() -> bool:
    return find_spec("numba") is not None


def compiled_zbuffer(points: Tensor, faces: Tensor, size: tuple[int, int], two_sided: Tensor) -> Tensor:
    """`plain_zbuffer` by compiled code; CPU only."""
    from nopo.synthetic.zbuffer import fill

    keys = torch.zeros(len(points), *size, dtype=torch.int64)
    fill(
        points.contiguous().numpy(), faces.contiguous().numpy(), two_sided.numpy(),
        np.float32(NEAR_M), np.float32(_FLAT), np.float32(_EDGE_SLACK), keys.numpy(),
    )  # fmt: skip
    return keys


def fragments_at(keys: Tensor, pixel: Tensor, points: Tensor, faces: Tensor) -> Fragments:
    """What covered pixels show, with exact barycentric coordinates.

    Args:
        keys: [N, H, W] from `zbuffer`.
        pixel: [P] int64 flat indices into them.
        points: [N, V, 3] as given to `zbuffer`.
        faces: [F, 3] likewise.
    """
    n, h, w = keys.shape
    face = face_of(keys.flatten().index_select(0, pixel))
    picture = pixel // (h * w)
    row = pixel // w
    x, y = (pixel - row * w).float() + 0.5, (row - picture * h).float() + 0.5
    corners = faces.index_select(0, face) + (picture * points.shape[1])[:, None]
    placed = points.reshape(-1, 3).index_select(0, corners.flatten()).view(-1, 9).T.contiguous()
    ax, ay, az, bx, by, bz, cx, cy, cz = placed
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    dx, dy = x - ax, y - ay
    wb = (dx * (cy - ay) - dy * (cx - ax)) / area
    wc = (dy * (bx - ax) - dx * (by - ay)) / area
    over_depth = torch.stack([(1 - wb - wc) / az, wb / bz, wc / cz])
    total = over_depth.sum(0)
    return Fragments(pixel, face, (over_depth / total).T.contiguous(), 1 / total, (n, h, w))


def plain_zbuffer(points: Tensor, faces: Tensor, size: tuple[int, int], two_sided: Tensor) -> Tensor:
    """`zbuffer` in torch, on any device."""
    n, h, w = len(points), *size
    x, y, z = (points[..., axis].index_select(1, faces.T.reshape(-1)).view(n, 3, -1) for axis in range(3))  # [N, 3, F]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])  # [N, F] twice
    facing = (area < -_FLAT) | (area > _FLAT) & two_sided  # y points down: outside faces turn clockwise
    image, face = facing.nonzero(as_tuple=True)  # [T]

    where = image * (3 * len(faces)) + face
    corner = [where + k * len(faces) for k in range(3)]
    x, y, z = (torch.stack([value.reshape(-1)[k] for k in corner]) for value in (x, y, z))  # [3, T]
    left, right = (x.amin(0) - 0.5).ceil().clamp_min(0), (x.amax(0) - 0.5).floor().clamp_max(w - 1)
    top, bottom = (y.amin(0) - 0.5).ceil().clamp_min(0), (y.amax(0) - 0.5).floor().clamp_max(h - 1)
    seen = ((right >= left) & (bottom >= top) & (z.amin(0) > NEAR_M)).nonzero()[:, 0]
    x, y, z = x[:, seen], y[:, seen], z[:, seen]
    left, right, top, bottom = left[seen], right[seen], top[seen], bottom[seen]
    image, face, where = image[seen], face[seen], where[seen]
    over_area = 1 / area.reshape(-1)[image * len(faces) + face]
    ax, ay, inverse = x[0], y[0], 1 / z
    plane = torch.stack(  # what a candidate needs to know about its triangle
        [left + 0.5 - ax, top + 0.5 - ay, (y[2] - ay) * over_area, (ax - x[2]) * over_area, (ay - y[1]) * over_area,
         (x[1] - ax) * over_area, inverse[0], inverse[1] - inverse[0], inverse[2] - inverse[0], right - left + 1], 1
    )  # fmt: skip  # [T, 10]
    count = ((right - left + 1) * (bottom - top + 1)).long()
    base = image * (h * w) + top.long() * w + left.long()  # [T]

    keys = torch.zeros(n * h * w, dtype=torch.int64, device=points.device)
    ends = count.cumsum(0)
    begin = 0
    while begin < len(count):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(torch.searchsorted(ends, done + _MAX_CANDIDATES, right=True)))
        part = slice(begin, end)
        _stamp(keys, plane[part], count[part], base[part], face[part], w)
        begin = end
    return keys.view(n, h, w)


def _stamp(keys: Tensor, plane: Tensor, count: Tensor, base: Tensor, face: Tensor, width: int) -> None:
    """Write the keys of all pixels of some triangles into the z-buffer `keys`, in place."""
    owner = torch.repeat_interleave(count)  # [C]
    step = torch.arange(len(owner), device=count.device) - (count.cumsum(0) - count)[owner]
    left, top, bx, by, cx, cy, za, zb, zc, columns = plane.index_select(0, owner).unbind(1)
    step = step.float()
    row = ((step + 0.5) / columns).floor()  # exact: steps are far below 2**23
    column = step - row * columns
    dx, dy = left + column, top + row
    wb, wc = bx * dx + by * dy, cx * dx + cy * dy
    inside = (torch.minimum(torch.minimum(wb, wc), 1 - wb - wc) >= -_EDGE_SLACK).nonzero()[:, 0]
    inverse_depth = (za + wb * zb + wc * zc)[inside]
    owner = owner[inside]
    pixel = base[owner] + (row[inside] * width + column[inside]).long()
    # The bits of positive floats are ordered like the floats themselves.
    key = (inverse_depth.view(torch.int32).long() << 32) | face[owner]
    keys.scatter_reduce_(0, pixel, key, "amax")
