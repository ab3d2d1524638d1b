"""The fast CPU rasterizer: vector kernels in bands of rows, on threads, with hand-kept buffers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.settings import FOV_CLAMP, Settings
from nopo.render.threads import run_parts

Array = np.ndarray
_BAND_ROWS = 8
_LEAST = 8  # the kernels take eight Gaussians at a time
_MAX_PAIRS = 1 << 25  # entries of the bands' lists at a time: 256 MiB
_MAX_KEPT_BYTES = 1 << 26  # of working memory of a thread between pictures
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
        K = camera.K.detach().cpu().double().numpy()
        focal = K.diagonal()[:2]
        cov = focal if cov_focal is None else cov_focal.detach().cpu().double().numpy()
        size = np.array([camera.width, camera.height])
        numbers = [viewmat[:3, :3].ravel(), viewmat[:3, 3], focal, K[:2, 2], cov, FOV_CLAMP * size / (2 * cov), size,
                   [0 if settings.tile_cut else _NO_CUT]]  # fmt: skip
        depth_row = camera.viewmat[2].detach().cpu().double().numpy()
        packed = np.concatenate(numbers).astype(np.float32)
        return _Scene(
            means, covars, opacities, sh, background, packed, depth_row, (camera.height, camera.width)
        )  # fmt: skip


def _no_records() -> Array:
    return np.empty((0, 16), np.float32)


def _no_entries() -> Array:
    return np.empty(0, np.uint32)


@dataclass
class _Buffers:
    """Working memory of one picture, which the next one of this thread uses again."""

    records: Array = field(default_factory=_no_records)
    keys: Array = field(default_factory=_no_entries)
    index: Array = field(default_factory=_no_entries)

    def reserve(self, num_gaussians: int, num_pairs: int) -> None:
        if len(self.records) < num_gaussians:
            self.records = np.empty((num_gaussians, 16), np.float32)
        if len(self.keys) < num_pairs:
            self.keys, self.index = (np.empty(num_pairs + num_pairs // 4, np.uint32) for _ in range(2))

    def forget_excess(self) -> None:
        """Keep no more than common pictures need: a server has many threads."""
        if self.records.nbytes + self.keys.nbytes + self.index.nbytes > _MAX_KEPT_BYTES:
            self.records, self.keys, self.index = _no_records(), _no_entries(), _no_entries()


_local = threading.local()


def _kept_buffers() -> _Buffers:
    if not hasattr(_local, "buffers"):
        _local.buffers = _Buffers()
    buffers: _Buffers = _local.buffers
    return buffers


@dataclass
class _Group:
    """Some bands of rows whose lists are in memory together.

    Entries offsets[b] to offsets[b + 1] of the list belong to band first + b; places [parts, bands] say where in it
    each part of the Gaussians goes.
    """

    first: int
    last: int
    offsets: Array
    places: Array

    def entries(self, band: int) -> slice:
        """Where the list of a band lies."""
        return slice(self.offsets[band - self.first], self.offsets[band - self.first + 1])


def _groups(counts: Array) -> Iterator[_Group]:
    """Bands in groups of at most `_MAX_PAIRS` entries, or one band; counts [parts, bands]."""
    per_band = counts.sum(0)
    first = 0
    while first < len(per_band):
        fitting = int(np.searchsorted(np.cumsum(per_band[first:]), _MAX_PAIRS, side="right"))
        last = first + max(1, fitting)
        offsets = np.concatenate([[0], np.cumsum(per_band[first:last])])
        places = np.zeros_like(counts)
        group = counts[:, first:last]
        places[:, first:last] = offsets[:-1] + np.cumsum(group, 0) - group
        yield _Group(first, last, offsets, places)
        first = last


class _Drawing:
    """One picture on its way; `parts` workers share each step."""

    def __init__(self, scene: _Scene, settings: Settings, buffers: _Buffers) -> None:
        self.scene, self.settings, self.buffers = scene, settings, buffers
        self.parts = settings.threads
        count = len(scene.means)
        self.edges = [count * part // self.parts // _LEAST * _LEAST for part in range(self.parts)] + [count]
        buffers.reserve(count, 0)
        self.records = buffers.records[:count]
        height, width = scene.size
        self.bands, self.blocks = -(-height // _BAND_ROWS), -(-width // 8)
        self.rgb, self.alpha, self.depth = (np.empty((height, width, k), np.float32) for k in (3, 1, 1))

    def pictures(self) -> tuple[Tensor, Tensor, Tensor]:
        """Colours, alpha and depth, without a copy."""
        return torch.from_numpy(self.rgb), torch.from_numpy(self.alpha), torch.from_numpy(self.depth)

    def draw(self, keep_lists: bool = False) -> list[tuple[_Group, Array]]:
        """Project, then list, sort and blend, group by group; the sorted lists are returned if they are to be kept."""
        counts = np.zeros((self.parts, self.bands), np.int64)
        run_parts(lambda part: self._project(part, counts[part]), self.parts)
        kept = []
        for group in _groups(counts):
            pairs = int(group.offsets[-1])
            self.buffers.reserve(0, pairs)
            run_parts(partial(self._scatter, group), self.parts)
            run_parts(partial(self._blend, group), self.parts)
            if keep_lists:
                kept.append((group, self.buffers.index[:pairs].copy()))
        return kept

    def _project(self, part: int, counts: Array) -> None:
        from nopo.render.vector_project import project

        s = self.scene
        project(
            self.edges[part], self.edges[part + 1], self.settings.sh_degree, s.means, s.covars, s.sh, s.opacities,
            s.camera, s.depth_row, self.records, counts,
        )  # fmt: skip

    def _scatter(self, group: _Group, part: int) -> None:
        from nopo.render.depth_sort import scatter

        scatter(
            self.edges[part], self.edges[part + 1], self.records, group.first, group.last, group.places[part],
            self.buffers.keys, self.buffers.index,
        )  # fmt: skip

    def _blend(self, group: _Group, part: int) -> None:
        from nopo.render.depth_sort import DIGITS, MAX_BUCKETS, sort_by_key
        from nopo.render.vector_blend import FORWARD, blend

        longest = int(np.diff(group.offsets).max())
        spare_keys, spare_index = np.empty(longest, np.uint32), np.empty(longest, np.uint32)
        histogram = np.empty((DIGITS, MAX_BUCKETS), np.uint32)
        band, alive = np.empty(self.blocks * 64 * FORWARD, np.float32), np.empty(self.blocks, np.uint32)
        max_alpha = np.float32(self.settings.max_alpha)
        for number in range(group.first + part, group.last, self.parts):
            entries = group.entries(number)
            index = self.buffers.index[entries]
            if len(index):
                sort_by_key(self.buffers.keys[entries], index, spare_keys, spare_index, histogram)
            blend(
                number * _BAND_ROWS, index, self.records, self.scene.background, max_alpha, self.rgb, self.alpha,
                self.depth, band, alive,
            )  # fmt: skip


class _Rasterize(torch.autograd.Function):
    """The same with gradients; the order of the splats is kept for them."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, ...]:
        *inputs, camera, settings, cov_focal = args
        scene = _Scene.of(tuple(inputs), camera, settings, cov_focal)
        drawing = _Drawing(scene, settings, _Buffers())
        ctx.lists = drawing.draw(keep_lists=True)
        ctx.drawing = drawing
        pictures = drawing.pictures()
        ctx.save_for_backward(*inputs, *pictures)  # torch notices if they are changed before the backward pass
        return pictures

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *v_pictures: Tensor) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors  # raises if they were changed
        g = _Gradients(ctx.drawing, [v.contiguous().numpy() for v in v_pictures])
        g.compute(ctx.lists)
        background = torch.from_numpy(g.background()) if ctx.needs_input_grad[5] else None
        arrays = (g.means, g.covars, g.opacities, g.sh, g.viewmat())
        return (*map(torch.from_numpy, arrays), background, None, None, None)


class _Gradients:
    """The way back through a `_Drawing`."""

    def __init__(self, drawing: _Drawing, v_pictures: list[Array]) -> None:
        self.drawing, self.v_pictures = drawing, v_pictures
        scene = drawing.scene
        self.sums = np.empty((drawing.parts, len(scene.means), 12), np.float32)  # one per worker: nobody shares
        self.means, self.covars, self.opacities, self.sh = (
            np.empty_like(array) for array in (scene.means, scene.covars, scene.opacities, scene.sh)
        )  # fmt: skip
        self.sh[:, (drawing.settings.sh_degree + 1) ** 2 :] = 0  # not evaluated
        self.pose = np.zeros((drawing.parts, 12, 8))

    def compute(self, lists: list[tuple[_Group, Array]]) -> None:
        run_parts(lambda part: self.sums[part].fill(0), self.drawing.parts)
        for group, index in lists:
            run_parts(partial(self._blend, group, index), self.drawing.parts)
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

    def _blend(self, group: _Group, index: Array, part: int) -> None:
        from nopo.render.vector_blend import BACKWARD, blend_grad

        d = self.drawing
        v_rgb, v_alpha, v_depth = self.v_pictures
        band, alive = np.empty(d.blocks * 64 * BACKWARD, np.float32), np.empty(d.blocks, np.uint32)
        for number in range(group.first + part, group.last, d.parts):
            blend_grad(
                number * _BAND_ROWS, index[group.entries(number)], d.records, np.float32(d.settings.max_alpha),
                d.rgb, d.alpha, d.depth, v_rgb, v_alpha, v_depth, self.sums[part], band, alive,
            )  # fmt: skip

    def _project(self, part: int) -> None:
        from nopo.render.vector_project_grad import project_grad

        d, s = self.drawing, self.drawing.scene
        project_grad(
            d.edges[part], d.edges[part + 1], d.settings.sh_degree, s.means, s.covars, s.sh, s.opacities, s.camera,
            s.depth_row, d.records, self.sums, self.means, self.covars, self.sh, self.opacities, self.pose[part],
        )  # fmt: skip
