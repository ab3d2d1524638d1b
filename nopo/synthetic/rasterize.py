"""A z-buffer for triangles in plain torch: the same fragments on CPU and CUDA, no compiled code.

Every triangle lists the pixels of its bounding box; all lists lie end to end in one flat array (no buckets, no
padding). The inverse depth is affine in the picture, so a candidate costs a handful of multiplications, and the
nearest face wins by one `scatter_reduce` of keys that hold inverse depth (high bits) and face (low bits).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEAR_M = 0.05
_EDGE_SLACK = 1e-5
_MAX_CANDIDATES = 4_000_000


@dataclass(frozen=True, eq=False)
class Fragments:
    """The covered pixels of N pictures, packed into one list ordered by picture, row, column.

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

    def interpolate(self, attributes: Tensor, faces: Tensor, of_image: Tensor | None = None) -> Tensor:
        """Vertex attributes at the fragments.

        Args:
            attributes: [V, C] shared by all pictures, or [M, V, C].
            faces: [F, 3].
            of_image: [N] int64, the row of `attributes` that each picture uses; default row n for picture n.

        Returns:
            [P, C].
        """
        corners = faces[self.face]  # [P, 3]
        if attributes.dim() == 3:
            owner = self.image if of_image is None else of_image[self.image]
            corners = corners + (owner * attributes.shape[1])[:, None]
            attributes = attributes.flatten(0, 1)
        out = attributes[corners[:, 0]] * self.bary[:, :1]
        out += attributes[corners[:, 1]] * self.bary[:, 1:2]
        out += attributes[corners[:, 2]] * self.bary[:, 2:]
        return out


def rasterize(
    points: Tensor, faces: Tensor, size: tuple[int, int], two_sided: Tensor | None = None
) -> Fragments:
    """Find the nearest face at every pixel centre of N pictures.

    Args:
        points: [N, V, 3] projected vertices: pixel x, pixel y, depth in metres (pixel centres at +0.5).
        faces: [F, 3] int64; counter-clockwise as seen from outside in a right-handed world.
        size: (H, W) pixels.
        two_sided: [F] bool, faces that are seen from behind as well; default all.

    Returns:
        Fragments of all pictures. A face with a vertex nearer than 5 cm to the camera plane is left out.
    """
    n, v, _ = points.shape
    h, w = size
    flat = points.reshape(-1, 3)
    corner = faces.T + (torch.arange(n, device=points.device) * v)[:, None, None]  # [N, 3, F]
    tri = flat[corner.reshape(n, 3, -1)]  # [N, 3, F, 3]
    a, b, c = tri.unbind(1)  # [N, F, 3]
    area = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    low, high = torch.minimum(torch.minimum(a, b), c), torch.maximum(torch.maximum(a, b), c)
    limit = torch.tensor([w - 1.0, h - 1.0], device=points.device)
    first = (low[..., :2] - 0.5).ceil().clamp_min(0)  # [N, F, 2] first and last pixel of the box
    last = torch.minimum((high[..., :2] - 0.5).floor(), limit)
    seen = area.abs() > 1e-9  # the picture's y points down: outside faces turn clockwise there
    if two_sided is not None:
        seen &= (area < 0) | two_sided
    seen &= (last >= first).all(-1) & (low[..., 2] > NEAR_M)

    image, face = seen.nonzero(as_tuple=True)  # [T]
    a, b, c, area = a[seen], b[seen], c[seen], area[seen]
    first, last = first[seen], last[seen]
    ab, ac = (b - a)[:, :2] / area[:, None], (c - a)[:, :2] / area[:, None]
    inverse = 1 / torch.stack([a[:, 2], b[:, 2], c[:, 2]], 1)  # [T, 3]
    plane = torch.stack(  # what a candidate needs to know about its triangle
        [a[:, 0], a[:, 1], ac[:, 1], -ac[:, 0], -ab[:, 1], ab[:, 0],
         inverse[:, 0], inverse[:, 1] - inverse[:, 0], inverse[:, 2] - inverse[:, 0]], 1
    )  # fmt: skip  # [T, 9]
    columns = (last[:, 0] - first[:, 0] + 1).long()
    count = columns * (last[:, 1] - first[:, 1] + 1).long()
    base = image * (h * w) + first[:, 1].long() * w + first[:, 0].long()  # [T]

    keys = torch.zeros(n * h * w, dtype=torch.int64, device=points.device)
    ends = count.cumsum(0)
    begin = 0
    while begin < len(count):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(torch.searchsorted(ends, done + _MAX_CANDIDATES, right=True)))
        part = slice(begin, end)
        _stamp(keys, plane[part], first[part], columns[part], count[part], base[part], face[part], w)
        begin = end

    pixel = keys.nonzero()[:, 0]  # [P]
    winner = keys[pixel] & 0xFFFFFFFF
    picture = pixel // (h * w)
    within = pixel - picture * (h * w)
    x, y = (within % w).float() + 0.5, torch.div(within, w, rounding_mode="floor").float() + 0.5
    corners = faces[winner] + (picture * v)[:, None]
    a, b, c = flat[corners[:, 0]], flat[corners[:, 1]], flat[corners[:, 2]]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    dx, dy = x - a[:, 0], y - a[:, 1]
    wb = (dx * (c[:, 1] - a[:, 1]) - dy * (c[:, 0] - a[:, 0])) / area
    wc = (dy * (b[:, 0] - a[:, 0]) - dx * (b[:, 1] - a[:, 1])) / area
    over_depth = torch.stack([(1 - wb - wc) / a[:, 2], wb / b[:, 2], wc / c[:, 2]], 1)
    total = over_depth.sum(1)
    return Fragments(pixel, winner, over_depth / total[:, None], 1 / total, (n, h, w))


def _stamp(
    keys: Tensor, plane: Tensor, first: Tensor, columns: Tensor, count: Tensor, base: Tensor, face: Tensor, width: int
) -> None:
    """Write the keys of all pixels of some triangles into the z-buffer `keys`, in place."""
    owner = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)  # [C]
    step = torch.arange(len(owner), device=count.device) - (count.cumsum(0) - count)[owner]
    row = torch.div(step, columns[owner], rounding_mode="floor")
    column = step - row * columns[owner]
    ax, ay, bx, by, cx, cy, za, zb, zc = plane[owner].unbind(1)
    corner = first[owner]
    dx = corner[:, 0] + column + 0.5 - ax
    dy = corner[:, 1] + row + 0.5 - ay
    wb, wc = bx * dx + by * dy, cx * dx + cy * dy
    inside = (wb >= -_EDGE_SLACK) & (wc >= -_EDGE_SLACK) & (wb + wc <= 1 + _EDGE_SLACK)
    inside = inside.nonzero()[:, 0]
    inverse_depth = (za + wb * zb + wc * zc)[inside]
    owner = owner[inside]
    pixel = base[owner] + row[inside] * width + column[inside]
    # The bits of positive floats are ordered like the floats themselves.
    key = (inverse_depth.view(torch.int32).long() << 32) | face[owner]
    keys.scatter_reduce_(0, pixel, key, "amax")
