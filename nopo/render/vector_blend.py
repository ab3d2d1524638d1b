"""Blending of splat records, sixteen pixels at a time: a cell of 4×4, which fits round splats better than a row does.

A tile's 64 cells are kept in a buffer that fits the innermost cache, for each cell some vectors of sixteen floats, the
transmittance first. Splats come nearest first. A finished pixel is marked by the sign of its transmittance. Two numbers
of 64 bits tell which cells have been touched and which still let light through, so that a splat visits only the open
cells of its box, without a branch for the others. Pictures are padded to whole tiles in height and to whole cells in
width, so that no border needs care.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nopo.render.compiler import compiled
from nopo.render.lane_memory import data_pointer, fetch, load, store
from nopo.render.lanes import F32, I1, I16, I64, STRICT, Lanes, emitted, spread
from nopo.render.settings import MIN_ALPHA, MIN_TRANSMITTANCE
from nopo.render.tile_lists import (
    CELL,
    TILE_CELLS,
    TILE_COLUMNS,
    TILE_HEIGHT,
    TILE_ROWS,
    TILE_WIDTH,
    mask_of,
    splat_of,
)  # fmt: skip

Array = np.ndarray
PIXELS = CELL * CELL  # of a cell, row after row: the lanes
FORWARD = 5  # vectors of a cell: T, red, green, blue, depth
TOGETHER = 32  # splats in the queue
ALPHAS = 64  # cells whose alphas are kept
SLACK = 8  # items that are written to the queue at a time
_NONE, _ALL = np.uint64(0), np.uint64(2**64 - 1)


@emitted
def lowest_bit(typing: Any, mask: Any):  # type: ignore[no-untyped-def]
    """Place of the lowest set bit; 64 if there is none."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.cttz(args[0], ir.Constant(I1, 0))

    return types.int64(types.uint64), emit


@emitted
def bits_set(typing: Any, mask: Any):  # type: ignore[no-untyped-def]
    """How many bits are set."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), emit


@emitted
def _queue_cells(typing: Any, queue: Any, place: Any, item: Any, mask: Any):  # type: ignore[no-untyped-def]
    """Write item + (bit << 32) for the eight lowest bits of a mask to queue[place:]; the mask without them.

    Always eight, without a branch: what is written when there are fewer will be written over.
    """

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        mask = args[3]
        for k in range(SLACK):
            bit = builder.cttz(mask, ir.Constant(I1, 0))
            builder.store(builder.add(args[2], builder.shl(bit, I64(32))), builder.gep(pointer, [I64(k)]))
            mask = builder.and_(mask, builder.sub(mask, I64(1)))
        return mask

    return types.uint64(queue, types.int64, types.uint64, types.uint64), emit


class CellAlpha:
    """How much a splat covers of the sixteen pixels of a cell; both directions must agree on which of them are hit."""

    def __init__(
        self, builder: ir.IRBuilder, corner: tuple[ir.Value, ...], falloff: tuple[ir.Value, ...], max_alpha: ir.Value
    ) -> None:
        """Emit it.

        Args:
            builder: of the kernel.
            corner: x and y of the cell's upper left corner minus those of the splat's centre.
            falloff: A, B, C and log2(opacity).
            max_alpha: the clamp.
        """
        kind = ir.VectorType(F32, PIXELS)
        x, y = (Lanes(builder, ir.Constant(kind, [at(k) + 0.5 for k in range(PIXELS)]), STRICT)
                for at in (lambda k: k % CELL, lambda k: k // CELL))  # fmt: skip
        a, b, c, log2_opacity, clamp = (spread_cell(builder, value) for value in (*falloff, max_alpha))
        self.dx, self.dy = x + spread_cell(builder, corner[0]), y + spread_cell(builder, corner[1])  # pixel minus splat
        base = (-self.dy).times_plus(c * self.dy, log2_opacity)
        power = (-self.dx).times_plus(a.times_plus(self.dx, b * self.dy), base)
        visible = power.compare(">=", math.log2(MIN_ALPHA))
        full = power.exp2()
        unclamped = full.compare("<", clamp)
        # Alpha 0 instead of a branch, or of a masked store: those are slow.
        self.alpha = full.where(unclamped, clamp).where(visible, 0)
        self.moves = builder.and_(visible, unclamped)  # alpha follows the parameters


class CellBlend:
    """What becomes of the light of sixteen pixels behind a splat."""

    def __init__(self, builder: ir.IRBuilder, alpha: Lanes, transmittance: Lanes) -> None:
        """Emit it; the transmittance is negative in finished pixels."""
        shade = alpha * transmittance
        after = transmittance - shade
        self.keeps = after.compare(">=", MIN_TRANSMITTANCE)  # false in finished pixels, too: they are negative
        self.weight = shade.where(self.keeps, 0)
        sign = builder.or_(transmittance.bits(), transmittance.ints(0x80000000))
        self.transmittance = after.where(self.keeps, after.like(builder.bitcast(sign, alpha.value.type)))
        signs = builder.icmp_signed("<", self.transmittance.bits(), transmittance.ints(0))
        all_finished = builder.icmp_unsigned("==", builder.bitcast(signs, I16), I16(0xFFFF))
        self.finished = builder.zext(all_finished, I64)


def spread_cell(builder: ir.IRBuilder, scalar: ir.Value) -> Lanes:
    """One float in all pixels of a cell."""
    return spread(builder, scalar, STRICT, PIXELS)


def load_cell(builder: ir.IRBuilder, pointer: ir.Value, number: int) -> Lanes:
    """A vector of a cell."""
    return load(builder, pointer, number * PIXELS, STRICT, PIXELS)


@emitted
def _alpha_of_cell(typing, alphas, place, x, y, a, b, c, log2_opacity, max_alpha):  # type: ignore[no-untyped-def]
    """Write to alphas[place:] how much a splat covers of the cell whose corner lies at (x, y) from its centre."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        store(pointer, 0, CellAlpha(builder, args[2:4], args[4:8], args[8]).alpha)
        return context.get_dummy_value()

    return types.void(alphas, types.int64, *[types.float32] * 7), emit


@emitted
def _blend_cell(typing, cells, place, alphas, alpha_place, red, green, blue, depth):  # type: ignore[no-untyped-def]
    """Blend a splat into the cell at cells[place:]; 1 when all its pixels are finished."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        cells_at, alphas_at = (data_pointer(context, builder, signature.args[i], args[i]) for i in (0, 2))
        pointer = builder.gep(cells_at, [args[1]])
        alpha = load_cell(builder, builder.gep(alphas_at, [args[3]]), 0)
        cell = CellBlend(builder, alpha, load_cell(builder, pointer, 0))
        for number, feature in enumerate(args[4:8], start=1):
            old = load_cell(builder, pointer, number)
            store(pointer, number * PIXELS, cell.weight.times_plus(spread_cell(builder, feature), old))
        store(pointer, 0, cell.transmittance)
        return cell.finished

    integers = types.int64, alphas, types.int64
    return types.uint64(cells, *integers, *[types.float32] * 4), emit


@emitted
def _clear_cell(typing: Any, cells: Any, place: Any):  # type: ignore[no-untyped-def]
    """All light comes through, nothing is seen yet."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        nothing = spread_cell(builder, F32(0))
        for number in range(FORWARD):
            store(pointer, number * PIXELS, nothing.same(0 if number else 1))
        return context.get_dummy_value()

    return types.void(cells, types.int64), emit


@emitted
def _write_cell(typing, cells, place, background, rgb, alpha, depth, corner, width):  # type: ignore[no-untyped-def]
    """Write a cell to the pictures; `corner` is the number of its first pixel, `width` that of pixels in a row."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        at = [data_pointer(context, builder, signature.args[i], args[i]) for i in (0, 2, 3, 4, 5)]
        through, red, green, blue, far = (
            load_cell(builder, builder.gep(at[0], [args[1]]), number) for number in range(FORWARD)
        )  # fmt: skip
        through = through.abs()
        colours = [spread_cell(builder, builder.load(builder.gep(at[1], [I64(k)]))) for k in range(3)]
        red, green, blue = (
            through.times_plus(behind, seen) for behind, seen in zip(colours, (red, green, blue), strict=True)
        )
        for row in range(CELL):
            first = builder.add(args[6], builder.mul(args[7], I64(row)))
            pixels = range(row * CELL, (row + 1) * CELL)
            pairs = red.pick(green, [k for p in pixels for k in (p, p + PIXELS)])  # r g r g r g r g
            blues = blue.pick(blue, [*pixels, *pixels])
            line = pairs.pick(blues, [k for p in range(CELL) for k in (2 * p, 2 * p + 1, 2 * CELL + p)])
            store(builder.gep(at[2], [builder.mul(first, I64(3))]), 0, line)
            store(builder.gep(at[3], [first]), 0, (1.0 - through).pick(through, pixels))
            store(builder.gep(at[4], [first]), 0, far.pick(far, pixels))
        return context.get_dummy_value()

    integers = types.int64, types.int64
    return types.void(cells, types.int64, background, rgb, alpha, depth, *integers), emit


@compiled()
def blend(
    first: int, step: int, edges: Array, entries: Array, records: Array, background: Array, max_alpha: Any, rgb: Array,
    alpha: Array, depth: Array, cells: Array, queue: Array, alphas: Array,
) -> None:  # fmt: skip
    """Draw the rows of tiles first, first + step and so on.

    entries[edges[k] : edges[k + 1]] are the splats of the k-th of these tiles, nearest first, see `tile_lists`; rgb
    [H, W, 3], alpha and depth [H, W, 1] are written. Working space: cells [65 · 80], queue and alphas as below.
    """
    in_a_row = (alpha.shape[1] + TILE_WIDTH - 1) // TILE_WIDTH
    for k in range(len(edges) - 1):
        y, x = (first + k // in_a_row * step) * TILE_HEIGHT, k % in_a_row * TILE_WIDTH
        touched, still_open = _NONE, _ALL
        for start in range(edges[k], edges[k + 1], TOGETHER):
            some = entries[start : min(start + TOGETHER, edges[k + 1])]
            count, touched = _fill_queue(some, records, cells, still_open, touched, queue)
            for done in range(0, count, ALPHAS):
                part = queue[done : min(done + ALPHAS, count)]
                still_open = _blend_queue(part, y, x, records, max_alpha, cells, still_open, alphas)
        _write_tile(y, x, cells, touched, background, rgb, alpha, depth)


@compiled()
def _fill_queue(
    entries: Array, records: Array, cells: Array, still_open: Any, touched: Any, queue: Array
) -> tuple[int, Any]:
    """Queue the open cells that a few splats visit, one splat after the other; how many, and all touched so far.

    An item is the splat's number and, from bit 32 on, the cell's. Taken from the queue, all cells are in one long
    loop; a loop for each splat, of some four turns, would be mispredicted at its end each time, which costs as much as
    a cell. Cells that get finished meanwhile are visited in vain, hence only a few splats.
    """
    count = 0
    for i in range(len(entries)):
        g = splat_of(entries[i])
        fetch(records, g * 16)
        visited = mask_of(entries[i]) & still_open
        fresh = visited & ~touched
        touched |= fresh
        while fresh:
            _clear_cell(cells, lowest_bit(fresh) * (FORWARD * PIXELS))
            fresh &= fresh - np.uint64(1)
        more = bits_set(visited)
        for done in range(0, more, SLACK):
            visited = _queue_cells(queue, count + done, np.uint64(g), visited)
        count += more
    return count, touched


@compiled()
def _blend_queue(
    queue: Array, y: int, x: int, records: Array, max_alpha: Any, cells: Array, still_open: Any, alphas: Array
) -> Any:
    """Blend the cells of a queue, in two loops; which cells are still open.

    A processor works at once on the few turns of a loop that fit its window. In one loop they would be too few to hide
    how long a turn takes, from the splat's record to the stored colours; in each of two they are twice as many.
    """
    for i in range(len(queue)):
        g, cell = splat_of(queue[i]), np.int64(queue[i] >> np.uint64(32))
        _alpha_of_cell(
            alphas, i * PIXELS, np.float32(x + (cell >> 1) * CELL) - records[g, 0],
            np.float32(y + (cell & 1) * CELL) - records[g, 1], records[g, 2], records[g, 3], records[g, 4],
            records[g, 5], max_alpha,
        )  # fmt: skip
    for i in range(len(queue)):
        g, cell = splat_of(queue[i]), np.int64(queue[i] >> np.uint64(32))
        place = cell * (FORWARD * PIXELS)
        full = _blend_cell(
            cells, place, alphas, i * PIXELS, records[g, 6], records[g, 7], records[g, 8], records[g, 9]
        )  # fmt: skip
        if full:
            still_open &= ~(full << np.uint64(cell))
    return still_open


@compiled()
def _write_tile(
    y: int, x: int, cells: Array, touched: Any, background: Array, rgb: Array, alpha: Array, depth: Array
) -> None:
    """Write a tile to the pictures."""
    width = alpha.shape[1]
    columns = min(TILE_COLUMNS, (width - x) // CELL)
    _clear_cell(cells, TILE_CELLS * FORWARD * PIXELS)  # one more cell, for those that nothing touched
    for row in range(TILE_ROWS):  # rows of pixels lie in the same places of the cache: not too many at a time
        for column in range(columns):
            cell = TILE_ROWS * column + row
            source = cell if touched >> np.uint64(cell) & np.uint64(1) else TILE_CELLS
            corner = (y + row * CELL) * width + x + column * CELL
            _write_cell(cells, source * (FORWARD * PIXELS), background, rgb, alpha, depth, corner, width)
