"""The fast CPU rasterizer: vector kernels in bands of rows, on threads, with hand-kept buffers."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.depth_sort import DIGITS, MAX_BUCKETS, sort_by_depth
from nopo.render.settings import FOV_CLAMP, Settings
from nopo.render.threads import run_parts
from nopo.render.tile_lists import CELL, TILE_CELLS, TILE_HEIGHT, TILE_WIDTH, count_tiles, fill_lists
from nopo.render.vector_blend import ALPHAS, FORWARD, PIXELS, SLACK, TOGETHER, blend
from nopo.render.vector_blend_grad import BACKWARD, blend_grad
from nopo.render.vector_project import project
from nopo.render.vector_project_grad import project_grad

Array = np.ndarray
_LEAST = 8  # the kernels take eight Gaussians at a time
_MAX_ENTRIES = 1 << 25  # of the bands' lists at a time: 256 MiB
_MAX_KEPT_BYTES = 1 << 26  # of working memory of a thread between pictures
_LINE = 64  # bytes of a cache line
_NO_CUT = 1e9  # pixels


def rasterize(
    gaussians: Gaussians, camera: Camera, settings: Settings, background: Tensor, cov_focal: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """One picture: colours (H, W, 3) on the background (3,), alpha (H, W, 1), depth (H, W, 1); float32."""
    inputs: tuple[Tensor, ...] = (
        gaussians.means,
        gaussians.covars,
        gaussians.opacities,
        gaussians.sh,
        camera.viewmat,
        background,
    )
    inputs = tuple(tensor.to("cpu", torch.float32) for tensor in inputs)
    if len(gaussians) < _LEAST:
        inputs = (*(_padded(tensor) for tensor in inputs[:4]), *inputs[4:])
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        pictures = _Rasterize.apply(*inputs, camera, settings, cov_focal)
    else:
        buffers = _kept_buffers()
        drawing = _Drawing(_Scene.of(inputs, camera, settings, cov_focal), settings, buffers)
        drawing.draw()
        buffers.forget_excess()
        pictures = drawing.pictures()
    rgb, alpha, depth = (picture.to(gaussians.device) for picture in pictures)
    return rgb, alpha, depth


def _padded(tensor: Tensor) -> Tensor:
    """At least eight Gaussians: added ones are zero, and so not drawn."""
    missing = _LEAST - len(tensor)
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])])


@dataclass
class _Scene:
    """What the kernels read, as arrays."""

    means: Array
    covars: Array
    opacities: Array
    sh: Array
    background: Array
    camera: Array
    depth_row: Array
    size: tuple[int, int]

    @staticmethod
    def of(inputs: tuple[Tensor, ...], camera: Camera, settings: Settings, cov_focal: Tensor | None) -> _Scene:
        means, covars, opacities, sh, viewmat, background = (t.detach().contiguous().numpy() for t in inputs)
        (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
        cov_fx, cov_fy = (fx, fy) if cov_focal is None else cov_focal.tolist()
        width, height = camera.width, camera.height
        limits = FOV_CLAMP * width / (2 * cov_fx), FOV_CLAMP * height / (2 * cov_fy)
        cut = 0 if settings.tile_cut else _NO_CUT
        rest = [fx, fy, cx, cy, cov_fx, cov_fy, *limits, width, height, cut]
        packed = np.concatenate([viewmat[:3, :3].ravel(), viewmat[:3, 3], rest]).astype(np.float32)
        depth_row = camera.viewmat[2].detach().cpu().double().numpy()
        return _Scene(means, covars, opacities, sh, background, packed, depth_row, (height, width))


def _aligned(count: int) -> Array:
    """Bytes that begin with a cache line: vectors and records that lie across two are slow."""
    whole = np.empty(count + _LINE, np.uint8)
    return whole[-whole.ctypes.data % _LINE :][:count]


def _aligned_floats(count: int) -> Array:
    return _aligned(4 * count).view(np.float32)


@dataclass
class _Buffers:
    """Working memory of one picture, which the next one of this thread uses again."""

    kept: dict[str, Array] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], kind: Any) -> Array:
        """An array, with what was left in it."""
        count = math.prod(shape) * np.dtype(kind).itemsize
        if name not in self.kept or len(self.kept[name]) < count:
            self.kept[name] = _aligned(count + count // 4)
        return self.kept[name][:count].view(kind).reshape(shape)

    def forget_excess(self) -> None:
        """Keep no more than common pictures need: a server has many threads."""
        if sum(array.nbytes for array in self.kept.values()) > _MAX_KEPT_BYTES:
            self.kept.clear()


_local = threading.local()


def _kept_buffers() -> _Buffers:
    if not hasattr(_local, "buffers"):
        _local.buffers = _Buffers()
    buffers: _Buffers = _local.buffers
    return buffers


@dataclass
class _Lists:
    """Lists of some rows of tiles, in memory together: entries[edges[k]:edges[k + 1]] is that of the k-th tile."""

    rows: range
    edges: Array
    entries: Array

    def arguments(self) -> tuple[int, int, Array, Array]:
        """As the kernels take them."""
        return self.rows.start, self.rows.step, self.edges, self.entries


class _Drawing:
    """One picture on its way: workers share the projection, and each blends rows of tiles of its own."""

    def __init__(self, scene: _Scene, settings: Settings, buffers: _Buffers) -> None:
        self.scene, self.settings, self.buffers = scene, settings, buffers
        self.parts = settings.threads
        self.whole_lists: dict[int, _Lists] = {}
        count = len(scene.means)
        self.edges = [count * part // self.parts // _LEAST * _LEAST for part in range(self.parts)] + [count]
        self.records = buffers.array("records", (count, 16), np.float32)
        self.keys = buffers.array("keys", (count,), np.uint32)
        self.spans = buffers.array("spans", (count,), np.uint64)
        height, width = scene.size
        self.tiles = -(-height // TILE_HEIGHT), -(-width // TILE_WIDTH)
        shape = self.tiles[0] * TILE_HEIGHT, -(-width // CELL) * CELL  # the kernels fill whole cells
        self.rgb, self.alpha, self.depth = (np.empty((*shape, k), np.float32) for k in (3, 1, 1))

    def pictures(self) -> tuple[Tensor, Tensor, Tensor]:
        """Colours, alpha and depth; without a copy if the size is one of whole cells."""
        height, width = self.scene.size
        rgb, alpha, depth = (
            torch.from_numpy(picture[:height, :width]).contiguous() for picture in (self.rgb, self.alpha, self.depth)
        )
        return rgb, alpha, depth

    def draw(self) -> None:
        """Project, sort, then list and blend."""
        run_parts(self._project, self.parts)
        self._sort()
        run_parts(self._blend, self.parts)

    def lists(self, part: int) -> Iterator[_Lists]:
        """The lists of a worker's tiles, some at a time, so that they fit into memory; valid until the next."""
        if part in self.whole_lists:
            yield self.whole_lists[part]
            return
        rows = range(part, self.tiles[0], self.parts)
        while rows:
            counts = self.counts[rows.start : rows.stop : rows.step]
            totals = np.cumsum(counts.sum(1))
            fitting = max(1, int(np.searchsorted(totals, _MAX_ENTRIES // self.parts, side="right")))
            edges = np.concatenate([[0], np.cumsum(counts[:fitting])])
            entries = self.buffers.array(f"entries {part}", (edges[-1] + 1,), np.uint64)
            places, steps = np.full(self.tiles, edges[-1], np.uint64), np.zeros(self.tiles[0], np.uint64)
            chosen, rows = rows[:fitting], rows[fitting:]
            mine = slice(chosen.start, chosen.stop, chosen.step)
            places[mine], steps[mine] = edges[:-1].reshape(fitting, -1), 1
            fill_lists(self.order, self.spans, places, steps, entries)
            lists = _Lists(chosen, edges, entries)
            if len(chosen) == len(range(part, self.tiles[0], self.parts)):
                self.whole_lists[part] = lists  # the way back takes them again
            yield lists

    def _project(self, part: int) -> None:
        s = self.scene
        project(
            self.edges[part], self.edges[part + 1], self.settings.sh_degree, s.means, s.covars, s.sh, s.opacities,
            s.camera, s.depth_row, self.records, self.keys, self.spans,
        )  # fmt: skip

    def _sort(self) -> None:
        count = len(self.keys)
        order = self.buffers.array("order", (count,), np.uint32)
        spare = self.buffers.array("spare", (2, count), np.uint64)
        self.order = order[: sort_by_depth(self.keys, order, spare, np.empty((DIGITS, MAX_BUCKETS), np.uint32))]
        counts = np.empty((self.tiles[0] + 1, self.tiles[1] + 1), np.int64)
        count_tiles(self.spans, counts)
        self.counts = counts[:-1, :-1]

    def _blend(self, part: int) -> None:
        cells, alphas = _aligned_floats((TILE_CELLS + 1) * FORWARD * PIXELS), _aligned_floats(ALPHAS * PIXELS)
        queue = np.empty(TOGETHER * TILE_CELLS + SLACK, np.uint64)
        max_alpha = np.float32(self.settings.max_alpha)
        for lists in self.lists(part):
            blend(
                *lists.arguments(), self.records, self.scene.background, max_alpha, self.rgb, self.alpha, self.depth,
                cells, queue, alphas,
            )  # fmt: skip


class _Rasterize(torch.autograd.Function):
    """The same with gradients; the order of the splats is kept for them."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, ...]:
        *inputs, camera, settings, cov_focal = args
        scene = _Scene.of(tuple(inputs), camera, settings, cov_focal)
        drawing = _Drawing(scene, settings, _Buffers())
        drawing.draw()
        ctx.drawing = drawing
        pictures = drawing.pictures()
        ctx.save_for_backward(*inputs, *pictures)  # torch notices if they are changed before the backward pass
        return pictures

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *v_pictures: Tensor) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors  # raises if they were changed
        g = _Gradients(ctx.drawing, [v.contiguous().numpy() for v in v_pictures])
        g.compute()
        background = torch.from_numpy(g.background()) if ctx.needs_input_grad[5] else None
        arrays = (g.means, g.covars, g.opacities, g.sh, g.viewmat())
        return (*map(torch.from_numpy, arrays), background, None, None, None)


def _fitted(picture: Array, shape: tuple[int, ...]) -> Array:
    """A picture with rows and columns of zeros added to have this shape."""
    if picture.shape[:2] == shape:
        return picture
    padded = np.zeros((*shape, picture.shape[2]), picture.dtype)
    padded[: picture.shape[0], : picture.shape[1]] = picture
    return padded


class _Gradients:
    """The way back through a `_Drawing`."""

    def __init__(self, drawing: _Drawing, v_pictures: list[Array]) -> None:
        self.drawing = drawing
        self.v_pictures = [_fitted(v, drawing.alpha.shape[:2]) for v in v_pictures]
        scene = drawing.scene
        self.sums = np.empty((drawing.parts, len(scene.means), 12), np.float32)  # one per worker: nobody shares
        self.means, self.covars, self.opacities, self.sh = (
            np.empty_like(array) for array in (scene.means, scene.covars, scene.opacities, scene.sh)
        )  # fmt: skip
        self.sh[:, (drawing.settings.sh_degree + 1) ** 2 :] = 0  # not evaluated
        self.pose = np.zeros((drawing.parts, 12, 8))

    def compute(self) -> None:
        run_parts(self._blend, self.drawing.parts)
        run_parts(self._project, self.drawing.parts)

    def viewmat(self) -> Array:
        """Gradient (4, 4) of the camera's pose."""
        viewmat = np.zeros((4, 4), np.float32)
        pose = self.pose.sum((0, 2))
        viewmat[:3, :3], viewmat[:3, 3] = pose[:9].reshape(3, 3), pose[9:]
        return viewmat

    def background(self) -> Array:
        """Gradient (3,) of the background."""
        return (1 - self.drawing.alpha).reshape(-1) @ self.v_pictures[0].reshape(-1, 3)

    def _blend(self, part: int) -> None:
        d = self.drawing
        v_rgb, v_alpha, v_depth = self.v_pictures
        cells, max_alpha = _aligned_floats(TILE_CELLS * BACKWARD * PIXELS), np.float32(d.settings.max_alpha)
        self.sums[part].fill(0)
        for lists in d.lists(part):
            blend_grad(
                *lists.arguments(), d.records, max_alpha, d.rgb, d.alpha, d.depth, v_rgb, v_alpha, v_depth,
                self.sums[part], cells,
            )  # fmt: skip

    def _project(self, part: int) -> None:
        d, s = self.drawing, self.drawing.scene
        project_grad(
            d.edges[part], d.edges[part + 1], d.settings.sh_degree, s.means, s.covars, s.sh, s.opacities, s.camera,
            s.depth_row, d.records, self.sums, self.means, self.covars, self.sh, self.opacities, self.pose[part],
        )  # fmt: skip
