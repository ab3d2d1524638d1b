"""From 3D Gaussians to splat records, eight at a time: projection, colours, culling, pixel boxes, and the gradients.

The same formulas as `projection`, which they are tested against. A record is 16 floats, one cache line:

    0, 1  centre, pixels               6, 7, 8  red, green, blue
    2-4   A, B, C of the falloff       9        depth, metres; its bits order like the number, as it is positive
    5     log2(opacity)                10-13    int32 pixel box x0, y0, x1, y1, ends excluded; empty when not drawn

so that alpha = 2^(log2(opacity) - A dx² - B dx dy - C dy²): log2(e) and the halves are folded into A, B, C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nopo import harmonics
from nopo.render.compiler import compiled
from nopo.render.depth_sort import NOT_DRAWN
from nopo.render.lane_memory import data_pointer, load, load_columns, store_columns
from nopo.render.lanes import F64X8, I64, I64X8, RELAXED, Lanes, Tape, emitted, spread, spread_value
from nopo.render.settings import BLUR_PX2, CUT_TILE_PX, MIN_ALPHA, NEAR_M
from nopo.render.tile_lists import CELL

Array = np.ndarray
LOG2_E = math.log2(math.e)
RECORD = 16  # floats of a record
SUMS = 12  # floats of the blending's gradient sums of a splat, 10 of them used; see `vector_blend`
_SLACK_PX = 1e-3

# Floats of the camera array: rotation 9, translation 3, then these.
FOCAL, CENTRE, COV_FOCAL, SLOPE_LIMIT, SIZE, CUT_MARGIN = 12, 14, 16, 18, 20, 22
CAMERA = 23


@dataclass
class View:
    """A camera as lanes."""

    rotation: list[Lanes]
    translation: list[Lanes]
    rest: list[Lanes]

    def pair(self, field: int) -> tuple[Lanes, Lanes]:
        """The two numbers of a field, such as `FOCAL`."""
        return self.rest[field - FOCAL], self.rest[field - FOCAL + 1]


def view_lanes(builder: ir.IRBuilder, pointer: ir.Value, tape: Tape | None = None) -> View:
    """A camera array in lanes; on a tape, the pose is watched."""
    values = [spread(builder, builder.load(builder.gep(pointer, [I64(i)]))) for i in range(CAMERA)]
    pose = [tape.watch(v) for v in values[:FOCAL]] if tape else values[:FOCAL]
    return View(pose[:9], pose[9:], values[FOCAL:])


@dataclass
class SplatLanes:
    """What the projection makes of eight Gaussians; conic a, b, c as in `projection.Splats`."""

    x: Lanes
    y: Lanes
    depth: Lanes
    conic: tuple[Lanes, Lanes, Lanes]
    covariance: tuple[Lanes, Lanes, Lanes]
    determinant: Lanes
    colour: list[Lanes]
    unclamped: list[Lanes]


def dot(a: list[Lanes], b: list[Lanes]) -> Lanes:
    """Product of two vectors of three."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def project_lanes(
    mean: list[Lanes], covar: list[Lanes], sh: list[Lanes], rounded_depth: Lanes, view: View
) -> SplatLanes:
    """The formulas of `projection`, for lanes that may be on a tape.

    Args:
        mean: x, y, z in the world.
        covar: xx, xy, xz, yy, yz, zz.
        sh: coefficients, colour after colour for each basis function.
        rounded_depth: from `exact_depth`; a plain float32 sum would swap neighbours in the order.
        view: the camera.
    """
    rows = [view.rotation[3 * i : 3 * i + 3] for i in range(3)]
    x, y, z = (dot(row, mean) + shift for row, shift in zip(rows, view.translation, strict=True))
    depth = z + (rounded_depth - z.off_tape())
    inverse = 1.0 / depth
    slope_x, slope_y = x * inverse, y * inverse

    (cov_fx, cov_fy), (limit_x, limit_y) = view.pair(COV_FOCAL), view.pair(SLOPE_LIMIT)
    clamped_x = slope_x.at_most(limit_x).at_least(-limit_x)
    clamped_y = slope_y.at_most(limit_y).at_least(-limit_y)
    to_x = [cov_fx * inverse * (r - clamped_x * d) for r, d in zip(rows[0], rows[2], strict=True)]
    to_y = [cov_fy * inverse * (r - clamped_y * d) for r, d in zip(rows[1], rows[2], strict=True)]
    xx, xy, xz, yy, yz, zz = covar
    matrix = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
    half = [dot(row, to_x) for row in matrix]
    cov_xx = dot(half, to_x) + BLUR_PX2
    cov_xy = dot(half, to_y)
    cov_yy = dot([dot(row, to_y) for row in matrix], to_y) + BLUR_PX2
    determinant = cov_xx * cov_yy - cov_xy * cov_xy
    scale = 1.0 / determinant

    camera_centre = [-dot([row[i] for row in rows], view.translation) for i in range(3)]
    away = [m - c for m, c in zip(mean, camera_centre, strict=True)]
    shrink = 1.0 / dot(away, away).sqrt()
    degree = harmonics.degree_of(len(sh) // 3)
    terms = harmonics.polynomials(away[0] * shrink, away[1] * shrink, away[2] * shrink, degree)
    unclamped = []
    for channel in range(3):
        value = sh[channel] * harmonics.DC + 0.5
        for k, term in enumerate(terms):
            value = value + term * sh[3 * (k + 1) + channel]
        unclamped.append(value)

    (fx, fy), (cx, cy) = view.pair(FOCAL), view.pair(CENTRE)
    return SplatLanes(
        x=fx * slope_x + cx,
        y=fy * slope_y + cy,
        depth=depth,
        conic=(cov_yy * scale, -(cov_xy * scale), cov_xx * scale),
        covariance=(cov_xx, cov_xy, cov_yy),
        determinant=determinant,
        colour=[value.at_least(0) for value in unclamped],
        unclamped=unclamped,
    )


def exact_depth(builder: ir.IRBuilder, row: ir.Value, mean: list[Lanes]) -> Lanes:
    """Depth summed in float64 and rounded once: the same number, and so the same order, in every rasterizer."""
    weights = [spread_value(builder, builder.load(builder.gep(row, [I64(i)]))) for i in range(4)]
    total = weights[3]
    for weight, coordinate in zip(weights[:3], mean, strict=True):
        total = builder.fadd(total, builder.fmul(weight, builder.fpext(coordinate.value, F64X8)))
    return mean[0].like(builder.fptrunc(total, mean[0].value.type))


def _boxes(splat: SplatLanes, log2_opacity: Lanes, drawn: ir.Value, view: View) -> list[Lanes]:
    """Pixel boxes x0, y0, x1, y1 as int32 bits: where alpha reaches 1/255, inside the picture and the tile cut."""
    cov_xx, _, cov_yy = splat.covariance
    squared_reach = (2 * math.log(2)) * (log2_opacity - math.log2(MIN_ALPHA)).at_least(0)
    middle = 0.5 * (cov_xx + cov_yy)
    largest = middle + (middle * middle - splat.determinant).at_least(0.1).sqrt()
    # Without the tile cut the margin is so large that the radius cuts nothing.
    radius = (3.0 * largest.sqrt()).ceil() + view.rest[CUT_MARGIN - FOCAL]
    low, high = [], []
    for centre, variance, size in zip((splat.x, splat.y), (cov_xx, cov_yy), view.pair(SIZE), strict=True):
        pixel = centre - 0.5
        reach = (squared_reach * variance).sqrt() + _SLACK_PX
        first_tile = ((pixel - radius) * (1 / CUT_TILE_PX)).trunc() * CUT_TILE_PX
        last_tile = ((pixel + radius + (CUT_TILE_PX - 1)) * (1 / CUT_TILE_PX)).trunc() * CUT_TILE_PX
        start = (pixel - reach).ceil().at_least(first_tile).at_least(0).at_most(size)
        end = ((pixel + reach).floor() + 1.0).at_most(last_tile).at_least(0).at_most(size)
        low.append(start.where(drawn, 0).as_int_bits())
        high.append(end.where(drawn, 0).as_int_bits())
    return [*low, *high]


def _key_and_span(depth: Lanes, box: list[Lanes]) -> tuple[ir.Value, ir.Value]:
    """What the order and the lists are made from: depth's bits, which order like the number, and the box in cells."""
    builder = depth.builder
    x0, y0, x1, y1 = (lanes.bits() for lanes in box)
    drawn = builder.and_(builder.icmp_signed("<", x0, x1), builder.icmp_signed("<", y0, y1))
    bits = int(math.log2(CELL))
    ends = [builder.add(end, depth.ints(CELL - 1)) for end in (x1, y1)]
    left, top, right, bottom = (builder.lshr(number, depth.ints(bits)) for number in (x0, y0, *ends))
    low, high = (builder.or_(a, builder.shl(b, depth.ints(16))) for a, b in ((left, top), (right, bottom)))
    nothing = depth.ints(0)
    low, high = (builder.zext(builder.select(drawn, half, nothing), I64X8) for half in (low, high))
    span = builder.or_(low, builder.shl(high, ir.Constant(I64X8, [32] * 8)))
    return builder.select(drawn, depth.bits(), depth.ints(int(NOT_DRAWN))), span


def gaussian_lanes(
    context: Any, builder: ir.IRBuilder, signature: Any, args: Any, degree: int
) -> tuple[list[Lanes], list[Lanes], list[Lanes]]:
    """Means, covariances (six numbers) and the sh coefficients that are used, of eight Gaussians from args[4] on."""
    row = args[4]
    means, covars, sh = (data_pointer(context, builder, signature.args[i], args[i]) for i in range(3))
    mean = load_columns(builder, builder.gep(means, [builder.mul(row, I64(3))]), I64(3), 3)
    nine = load_columns(builder, builder.gep(covars, [builder.mul(row, I64(9))]), I64(9), 9)
    stride = args[3]
    coefficients = load_columns(
        builder, builder.gep(sh, [builder.mul(row, stride)]), stride, 3 * (degree + 1) ** 2
    )  # fmt: skip
    return mean, [nine[i] for i in (0, 1, 2, 4, 5, 8)], coefficients


def _make_project8(degree: int) -> Callable[..., None]:
    @emitted
    def project8(typing, means, covars, sh, sh_stride, row, opacities, camera, depth_row, records, keys, spans):  # type: ignore[no-untyped-def]
        """Write the records of Gaussians row to row + 7."""

        def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            at = [data_pointer(context, builder, signature.args[i], args[i]) for i in range(5, 11)]
            mean, covar, coefficients = gaussian_lanes(context, builder, signature, args, degree)
            opacity = load(builder, builder.gep(at[0], [args[4]]), 0)
            view = view_lanes(builder, at[1])
            splat = project_lanes(mean, covar, coefficients, exact_depth(builder, at[2], mean), view)
            a, b, c = splat.conic
            log2_opacity = opacity.log2()
            columns = [
                *(splat.x, splat.y, a * (0.5 * LOG2_E), b * LOG2_E, c * (0.5 * LOG2_E), log2_opacity),
                *(*splat.colour, splat.depth),
            ]
            drawn = splat.depth.compare(">", NEAR_M)
            for condition in (
                splat.covariance[0].compare(">", 0),
                splat.determinant.compare(">", 0),
                opacity.compare(">=", MIN_ALPHA),
                *(number.finite() for number in (*columns, *splat.unclamped, *splat.covariance, opacity)),
            ):
                drawn = builder.and_(drawn, condition)
            box = _boxes(splat, log2_opacity, drawn, view)
            key, span = _key_and_span(splat.depth, box)
            for pointer, vector in zip(at[4:], (key, span), strict=True):
                place = builder.gep(pointer, [args[4]])
                builder.store(vector, builder.bitcast(place, vector.type.as_pointer()), align=4)
            columns += box
            columns += [opacity.same(0)] * (RECORD - len(columns))
            store_columns(builder.gep(at[3], [builder.mul(args[4], I64(RECORD))]), I64(RECORD), columns)
            return context.get_dummy_value()

        integers = types.int64, types.int64
        return types.void(means, covars, sh, *integers, opacities, camera, depth_row, records, keys, spans), emit

    return project8


_project8_0, _project8_1, _project8_2, _project8_3, _project8_4 = (_make_project8(d) for d in range(5))


@compiled(fastmath=set(RELAXED))
def project(
    start: int, end: int, degree: int, means: Array, covars: Array, sh: Array, opacities: Array, camera: Array,
    depth_row: Array, records: Array, keys: Array, spans: Array,
) -> None:  # fmt: skip
    """Records of the Gaussians start <= g < end, and their keys and spans; see `depth_sort` and `tile_lists`.

    There must be at least eight Gaussians in all; a last group of less than eight is moved back to end at the end.
    """
    stride = sh.shape[1] * 3
    for first in range(start, end, 8):
        row = min(first, means.shape[0] - 8)
        if degree == 0:
            _project8_0(means, covars, sh, stride, row, opacities, camera, depth_row, records, keys, spans)
        elif degree == 1:
            _project8_1(means, covars, sh, stride, row, opacities, camera, depth_row, records, keys, spans)
        elif degree == 2:
            _project8_2(means, covars, sh, stride, row, opacities, camera, depth_row, records, keys, spans)
        elif degree == 3:
            _project8_3(means, covars, sh, stride, row, opacities, camera, depth_row, records, keys, spans)
        else:
            _project8_4(means, covars, sh, stride, row, opacities, camera, depth_row, records, keys, spans)
