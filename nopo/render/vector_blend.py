"""Blending of splat records, eight pixels of a row at a time, forward and backward.

A band of 8 rows is kept in a buffer that fits the cache: blocks of 8×8 pixels, and for each row of a block some
vectors of eight floats (`T` first, the transmittance). Splats come nearest first. A finished pixel is marked by the
sign of its transmittance, and each block has a byte of rows that still let light through; the rest is skipped.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from nopo.render.compiler import compiled
from nopo.render.lane_memory import data_pointer, load, store, sums_of_lanes
from nopo.render.lanes import F32X8, I1, I8, I32, I32X8, LANES, STRICT, WIDTH, Lanes, emitted, spread
from nopo.render.settings import MIN_ALPHA, MIN_TRANSMITTANCE

Array = np.ndarray
BAND_ROWS = 8
FORWARD = 5  # vectors of a row: T, red, green, blue, depth
BACKWARD = 6  # vectors of a row: T, rest, and the gradients of red, green, blue, depth
TOTALS = 10  # gradient sums of a splat, see `blend_grad`
SUMS = 12  # floats that they take in memory
LOG2_E = np.float32(math.log2(math.e))
_BLOCK = BAND_ROWS * FORWARD * WIDTH  # floats of a block on the way forward
_UNTOUCHED = np.uint32(0x100)  # in place of a block's byte of open rows, before its first splat
_AHEAD = 12  # splats: how early a record is asked for from memory


@emitted
def lowest_bit(typing: Any, mask: Any):  # type: ignore[no-untyped-def]
    """Place of the lowest set bit of a number that is not 0."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.cttz(args[0], ir.Constant(I1, 1))

    return types.uint32(types.uint32), emit


@emitted
def fetch(typing: Any, array: Any, place: Any):  # type: ignore[no-untyped-def]
    """Ask for array.flat[place] before it is needed: splats are visited in the order of depth, not of memory."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        byte = builder.bitcast(pointer, I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [byte, I32(0), I32(3), I32(1)])  # for reading, keep in all caches, data
        return context.get_dummy_value()

    return types.void(array, types.int64), emit


class _Row:
    """The part that both directions share, instruction by instruction: they must agree on which pixels are hit."""

    def __init__(
        self, builder: ir.IRBuilder, transmittance: Lanes, left: ir.Value, falloff: tuple[ir.Value, ...],
        max_alpha: ir.Value,
    ) -> None:  # fmt: skip
        """Eight pixels.

        Args:
            builder: of the kernel.
            transmittance: before this splat; negative in finished pixels.
            left: x of the block's left border minus the splat's centre.
            falloff: A, B dy, and log2(opacity) - C dy² of this row.
            max_alpha: the clamp.
        """
        a, b_dy, base = (spread(builder, value, STRICT) for value in falloff)
        centres = Lanes(builder, ir.Constant(F32X8, [k + 0.5 for k in range(WIDTH)]), STRICT)
        self.dx = centres + spread(builder, left, STRICT)  # pixel minus splat
        power = (-self.dx).times_plus(a.times_plus(self.dx, b_dy), base)  # base - dx (A dx + B dy)
        visible = power.compare(">=", math.log2(MIN_ALPHA))
        full, clamp = power.exp2(), spread(builder, max_alpha, STRICT)
        unclamped = full.compare("<", clamp)
        # Alpha 0 instead of a branch, or of a masked store: those are slow.
        self.alpha = full.where(unclamped, clamp).where(visible, 0)
        shade = self.alpha * transmittance
        after = transmittance - shade
        keeps = after.compare(">=", MIN_TRANSMITTANCE)  # false in finished pixels, too: they are negative
        self.weight = shade.where(keeps, 0)
        self.moves = builder.and_(builder.and_(keeps, visible), unclamped)  # alpha follows the parameters
        sign = builder.or_(transmittance.bits(), ir.Constant(I32X8, [0x80000000] * WIDTH))
        self.transmittance = after.where(keeps, after.like(builder.bitcast(sign, F32X8)))
        signs = builder.icmp_signed("<", self.transmittance.bits(), ir.Constant(I32X8, [0] * WIDTH))
        all_finished = builder.icmp_unsigned("==", builder.bitcast(signs, I8), I8(0xFF))
        self.finished = builder.zext(all_finished, I32)


@emitted
def _blend8(typing, band, place, left, a, b_dy, base, red, green, blue, depth, max_alpha):  # type: ignore[no-untyped-def]
    """Blend one splat into one row of a block, at band[place:]; 1 when all eight pixels are finished."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        row = _Row(builder, load(builder, pointer, 0, STRICT), args[2], args[3:6], args[10])
        for number, feature in enumerate(args[6:10], start=1):
            old = load(builder, pointer, number * WIDTH, STRICT)
            store(pointer, number * WIDTH, row.weight.times_plus(spread(builder, feature, STRICT), old))
        store(pointer, 0, row.transmittance)
        return row.finished

    return types.uint32(band, types.int64, *[types.float32] * 9), emit


@emitted
def _blend8_grad(typing, band, place, totals, left, dy, a, b_dy, base, red, green, blue, depth, max_alpha):  # type: ignore[no-untyped-def]
    """The same pixels again: (1 when all are finished, the totals with what these pixels add); see `blend_grad`."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        sums = [Lanes(builder, value, STRICT) for value in cgutils.unpack_tuple(builder, args[2], TOTALS)]
        dy = spread(builder, args[4], STRICT)
        transmittance = load(builder, pointer, 0, STRICT)
        row = _Row(builder, transmittance, args[3], args[5:8], args[12])
        incoming = [load(builder, pointer, number * WIDTH, STRICT) for number in range(2, 6)]
        seen = row.weight.same(0)  # the splat's features, dotted with the incoming gradient
        for feature, gradient in zip(args[8:12], incoming, strict=True):
            seen = gradient.times_plus(spread(builder, feature, STRICT), seen)
        rest = (-row.weight).times_plus(seen, load(builder, pointer, WIDTH, STRICT))  # what lies behind the splat
        v_alpha = transmittance * seen - rest / (1.0 - row.alpha)
        h = (-(v_alpha * row.alpha)).where(row.moves, 0)
        h_dx, h_dy = h * row.dx, h * dy
        factors = [(row.weight, gradient) for gradient in incoming]
        factors += [(h, h.same(1)), (h, row.dx), (h, dy), (h_dx, row.dx), (h_dx, dy), (h_dy, dy)]
        added = [a.times_plus(b, total).value for (a, b), total in zip(factors, sums, strict=True)]
        store(pointer, WIDTH, rest)
        store(pointer, 0, row.transmittance)
        more = context.make_tuple(builder, signature.args[2], added)
        return context.make_tuple(builder, signature.return_type, [row.finished, more])

    many = types.UniTuple(LANES, TOTALS)
    return types.Tuple((types.uint32, many))(band, types.int64, many, *[types.float32] * 10), emit


@emitted
def _no_totals(typing):  # type: ignore[no-untyped-def]
    """Ten vectors of zeros."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return context.make_tuple(builder, signature.return_type, [ir.Constant(F32X8, None)] * TOTALS)

    return types.UniTuple(LANES, TOTALS)(), emit


@emitted
def _add_sums(typing, totals, sums, place):  # type: ignore[no-untyped-def]
    """Add the sums over the lanes of the totals to sums.flat[place : place + 12], whose last two stay as they are."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        vectors = [Lanes(builder, value) for value in cgutils.unpack_tuple(builder, args[0], TOTALS)]
        nothing = vectors[0].same(0)
        target = builder.gep(data_pointer(context, builder, signature.args[1], args[1]), [args[2]])
        store(target, 0, load(builder, target, 0) + sums_of_lanes(vectors[:WIDTH]))
        last = [*[nothing] * 4, *vectors[WIDTH:], nothing, nothing]  # places 4 to 11: the first four are done
        store(target, 4, load(builder, target, 4) + sums_of_lanes(last))
        return context.get_dummy_value()

    return types.void(types.UniTuple(LANES, TOTALS), sums, types.int64), emit


@compiled()
def _rows_of_band(first: int, y0: int, y1: int) -> Any:
    """Bits of the rows first to first + 7 that lie in y0 <= y < y1."""
    low, high = max(y0 - first, 0), min(y1 - first, BAND_ROWS)
    return ((np.uint32(1) << np.uint32(high)) - np.uint32(1)) & ~((np.uint32(1) << np.uint32(low)) - np.uint32(1))


@compiled()
def blend(
    first: int, order: Array, records: Array, background: Array, max_alpha: Any, rgb: Array, alpha: Array,
    depth: Array, band: Array, alive: Array,
) -> None:  # fmt: skip
    """Draw the rows from `first` on (8, or what is left of the picture).

    order [n] are the splats that touch the band, nearest first; rgb [H, W, 3], alpha and depth [H, W, 1] are
    written; band [blocks · 8 · 5 · 8] and alive [blocks] are working space.
    """
    width = alpha.shape[1]
    boxes = records.view(np.int32)
    base, b_dy = np.empty(BAND_ROWS, np.float32), np.empty(BAND_ROWS, np.float32)
    alive[:] = _UNTOUCHED
    for i in range(len(order)):
        if i + _AHEAD < len(order):
            fetch(records, np.int64(order[i + _AHEAD]) * 16)
        g = order[i]
        rows = _rows_of_band(first, boxes[g, 11], boxes[g, 13])
        dy_first = np.float32(first) + np.float32(0.5) - records[g, 1]
        for y in range(BAND_ROWS):
            dy = dy_first + np.float32(y)
            b_dy[y] = records[g, 3] * dy
            base[y] = records[g, 5] - records[g, 4] * dy * dy
        for block in range(boxes[g, 10] >> 3, ((boxes[g, 12] - 1) >> 3) + 1):
            if alive[block] == _UNTOUCHED:
                _clear_block(band[block * _BLOCK : (block + 1) * _BLOCK])
                alive[block] = 0xFF
            left = np.float32(block * WIDTH) - records[g, 0]
            remaining = np.uint32(alive[block] & rows)
            finished = np.uint32(0)
            while remaining:
                y = int(lowest_bit(remaining))
                remaining = np.uint32(remaining & (remaining - np.uint32(1)))
                full = _blend8(
                    band, block * _BLOCK + y * (FORWARD * WIDTH), left, records[g, 2], b_dy[y], base[y],
                    records[g, 6], records[g, 7], records[g, 8], records[g, 9], max_alpha,
                )  # fmt: skip
                finished |= full << np.uint32(y)
            alive[block] &= ~finished
    for y in range(first, min(first + BAND_ROWS, alpha.shape[0])):
        for block in range(len(alive)):
            place = block * _BLOCK + (y - first) * (FORWARD * WIDTH) - block * WIDTH
            for x in range(block * WIDTH, min((block + 1) * WIDTH, width)):
                if alive[block] == _UNTOUCHED:
                    rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = background[0], background[1], background[2]
                    alpha[y, x, 0] = depth[y, x, 0] = 0
                    continue
                through = abs(band[place + x])
                for k in range(3):
                    rgb[y, x, k] = band[place + x + (k + 1) * WIDTH] + through * background[k]
                depth[y, x, 0] = band[place + x + 4 * WIDTH]
                alpha[y, x, 0] = np.float32(1) - through


@compiled()
def _clear_block(block: Array) -> None:
    """Eight rows: all light comes through, nothing is seen yet."""
    for row in range(BAND_ROWS):
        start = row * FORWARD * WIDTH
        block[start : start + WIDTH] = 1
        block[start + WIDTH : start + FORWARD * WIDTH] = 0


@compiled()
def blend_grad(
    first: int, order: Array, records: Array, max_alpha: Any, rgb: Array, alpha: Array, depth: Array, v_rgb: Array,
    v_alpha: Array, v_depth: Array, sums: Array, band: Array, alive: Array,
) -> None:  # fmt: skip
    """Gradients of the rows from `first` on, front to back, as in `plain_kernels.blend_rows_grad`.

    Adds to sums [N, 12], with h the gradient of -log(alpha) and (dx, dy) pixel minus centre: the gradients of red,
    green, blue and depth, then the sums of h, h dx, h dy, h dx², h dx dy, h dy².
    """
    boxes = records.view(np.int32)
    alive[:] = _UNTOUCHED
    base, b_dy = np.empty(BAND_ROWS, np.float32), np.empty(BAND_ROWS, np.float32)
    for i in range(len(order)):
        if i + _AHEAD < len(order):
            fetch(records, np.int64(order[i + _AHEAD]) * 16)
        g = order[i]
        rows = _rows_of_band(first, boxes[g, 11], boxes[g, 13])
        start, end = boxes[g, 10] >> 3, ((boxes[g, 12] - 1) >> 3) + 1
        open_rows = np.uint32(0)
        for block in range(start, end):
            if alive[block] == _UNTOUCHED:
                _load_block(block, first, band, rgb, alpha, depth, v_rgb, v_alpha, v_depth)
                alive[block] = 0xFF
            open_rows |= alive[block] & rows
        if open_rows == 0:
            continue
        dy_first = np.float32(first) + np.float32(0.5) - records[g, 1]
        for y in range(BAND_ROWS):
            dy = dy_first + np.float32(y)
            b_dy[y] = records[g, 3] * dy
            base[y] = records[g, 5] - records[g, 4] * dy * dy
        totals = _no_totals()
        for block in range(start, end):
            left = np.float32(block * WIDTH) - records[g, 0]
            remaining = np.uint32(alive[block] & rows)
            finished = np.uint32(0)
            while remaining:
                y = int(lowest_bit(remaining))
                remaining = np.uint32(remaining & (remaining - np.uint32(1)))
                full, totals = _blend8_grad(
                    band, (np.int64(block) * BAND_ROWS + y) * (BACKWARD * WIDTH), totals, left,
                    dy_first + np.float32(y), records[g, 2], b_dy[y], base[y], records[g, 6], records[g, 7],
                    records[g, 8], records[g, 9], max_alpha,
                )  # fmt: skip
                finished |= full << np.uint32(y)
            alive[block] &= ~finished
        _add_sums(totals, sums, np.int64(g) * SUMS)


@compiled()
def _load_block(
    block: int, first: int, band: Array, rgb: Array, alpha: Array, depth: Array, v_rgb: Array, v_alpha: Array,
    v_depth: Array,
) -> None:  # fmt: skip
    """Fill a block of the backward buffer: all light, the whole pixel still ahead, and the incoming gradients."""
    for y in range(first, first + BAND_ROWS):
        place = (block * BAND_ROWS + y - first) * (BACKWARD * WIDTH)
        for x in range(block * WIDTH, (block + 1) * WIDTH):
            if x >= alpha.shape[1] or y >= alpha.shape[0]:
                band[place] = -1  # outside the picture: finished from the start
                for k in range(1, BACKWARD):
                    band[place + k * WIDTH] = 0
            else:
                band[place] = 1
                rest = depth[y, x, 0] * v_depth[y, x, 0] - (np.float32(1) - alpha[y, x, 0]) * v_alpha[y, x, 0]
                for k in range(3):
                    rest += rgb[y, x, k] * v_rgb[y, x, k]
                    band[place + (2 + k) * WIDTH] = v_rgb[y, x, k]
                band[place + WIDTH] = rest
                band[place + 5 * WIDTH] = v_depth[y, x, 0]
            place += 1
