"""The way back through `vector_blend`: the same cells, front to back again."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from nopo.render.compiler import compiled
from nopo.render.lane_memory import data_pointer, fetch, load, store, sums_of_lanes
from nopo.render.lanes import F32, STRICT, WIDTH, Lanes, LanesType, emitted
from nopo.render.tile_lists import CELL, TILE_HEIGHT, TILE_WIDTH, mask_of, splat_of
from nopo.render.vector_blend import PIXELS, CellAlpha, CellBlend, load_cell, lowest_bit, spread_cell

Array = np.ndarray
BACKWARD = 6  # vectors of a cell: T, rest, and the gradients of red, green, blue, depth
AHEAD = 12  # splats: how early a record is asked for from memory
TOTALS = 10  # gradient sums of a splat, see `blend_grad`
_MANY = types.UniTuple(LanesType(PIXELS), TOTALS)
_NONE, _ALL = np.uint64(0), np.uint64(2**64 - 1)


@emitted
def _blend_cell_grad(typing, cells, place, totals, x, y, a, b, c, log2_opacity, red, green, blue, depth, max_alpha):  # type: ignore[no-untyped-def]
    """The same pixels again: (1 when all are finished, the totals with what these pixels add); see `blend_grad`."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        sums = [Lanes(builder, value, STRICT) for value in cgutils.unpack_tuple(builder, args[2], TOTALS)]
        transmittance = load_cell(builder, pointer, 0)
        splat = CellAlpha(builder, args[3:5], args[5:9], args[13])
        cell = CellBlend(builder, splat.alpha, transmittance)
        incoming = [load_cell(builder, pointer, number) for number in range(2, BACKWARD)]
        seen = cell.weight.same(0)  # the splat's features, dotted with the incoming gradient
        for feature, gradient in zip(args[9:13], incoming, strict=True):
            seen = gradient.times_plus(spread_cell(builder, feature), seen)
        rest = (-cell.weight).times_plus(seen, load_cell(builder, pointer, 1))  # what lies behind the splat
        v_alpha = transmittance * seen - rest / (1.0 - splat.alpha)
        h = (-(v_alpha * splat.alpha)).where(builder.and_(cell.keeps, splat.moves), 0)
        h_dx, h_dy = h * splat.dx, h * splat.dy
        factors = [(cell.weight, gradient) for gradient in incoming]
        factors += [(h, h.same(1)), (h, splat.dx), (h, splat.dy)]
        factors += [(h_dx, splat.dx), (h_dx, splat.dy), (h_dy, splat.dy)]
        added = [a.times_plus(b, total).value for (a, b), total in zip(factors, sums, strict=True)]
        store(pointer, PIXELS, rest)
        store(pointer, 0, cell.transmittance)
        more = context.make_tuple(builder, signature.args[2], added)
        return context.make_tuple(builder, signature.return_type, [cell.finished, more])

    numbers = [types.float32] * 11
    return types.Tuple((types.uint64, _MANY))(cells, types.int64, _MANY, *numbers), emit


@emitted
def _no_totals(typing):  # type: ignore[no-untyped-def]
    """Ten vectors of zeros."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        nothing = ir.Constant(ir.VectorType(F32, PIXELS), None)
        return context.make_tuple(builder, signature.return_type, [nothing] * TOTALS)

    return _MANY(), emit


@emitted
def _add_sums(typing, totals, sums, place):  # type: ignore[no-untyped-def]
    """Add the sums over the lanes of the totals to sums.flat[place : place + 12], whose last two stay as they are."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        cells = [Lanes(builder, value) for value in cgutils.unpack_tuple(builder, args[0], TOTALS)]
        vectors = [v.pick(v, range(WIDTH)) + v.pick(v, range(WIDTH, PIXELS)) for v in cells]
        nothing = vectors[0].same(0)
        target = builder.gep(data_pointer(context, builder, signature.args[1], args[1]), [args[2]])
        store(target, 0, load(builder, target, 0) + sums_of_lanes(vectors[:WIDTH]))
        last = [*[nothing] * 4, *vectors[WIDTH:], nothing, nothing]  # places 4 to 11: the first four are done
        store(target, 4, load(builder, target, 4) + sums_of_lanes(last))
        return context.get_dummy_value()

    return types.void(_MANY, sums, types.int64), emit


@compiled()
def blend_grad(
    first: int, step: int, edges: Array, entries: Array, records: Array, max_alpha: Any, rgb: Array, alpha: Array,
    depth: Array, v_rgb: Array, v_alpha: Array, v_depth: Array, sums: Array, cells: Array,
) -> None:  # fmt: skip
    """Gradients of the rows of tiles first, first + step and so on, front to back, as in `blend_rows_grad`.

    Adds to sums [N, 12], with h the gradient of -log(alpha) and (dx, dy) pixel minus centre: the gradients of red,
    green, blue and depth, then the sums of h, h dx, h dy, h dx², h dx dy, h dy². The other arguments as in `blend`,
    but cells [64 · 96].
    """
    in_a_row = (alpha.shape[1] + TILE_WIDTH - 1) // TILE_WIDTH
    for k in range(len(edges) - 1):
        y, x = (first + k // in_a_row * step) * TILE_HEIGHT, k % in_a_row * TILE_WIDTH
        _blend_tile_grad(
            y, x, entries[edges[k] : edges[k + 1]], records, max_alpha, rgb, alpha, depth, v_rgb, v_alpha, v_depth,
            sums, cells,
        )  # fmt: skip


@compiled()
def _blend_tile_grad(
    y: int, x: int, entries: Array, records: Array, max_alpha: Any, rgb: Array, alpha: Array, depth: Array,
    v_rgb: Array, v_alpha: Array, v_depth: Array, sums: Array, cells: Array,
) -> None:  # fmt: skip
    """One tile, whose first pixel is (x, y)."""
    size = BACKWARD * PIXELS
    touched, still_open = _NONE, _ALL
    for i in range(len(entries)):
        if i + AHEAD < len(entries):
            fetch(records, splat_of(entries[i + AHEAD]) * 16)
            fetch(sums, splat_of(entries[i + AHEAD]) * sums.shape[1])
        g = splat_of(entries[i])
        remaining = mask_of(entries[i]) & still_open
        if remaining == _NONE:
            continue
        fresh = remaining & ~touched
        touched |= fresh
        while fresh:
            cell = lowest_bit(fresh)
            _load_cell(cell, y, x, cells, rgb, alpha, depth, v_rgb, v_alpha, v_depth)
            fresh &= fresh - np.uint64(1)
        totals = _no_totals()
        while remaining:
            cell = lowest_bit(remaining)
            remaining &= remaining - np.uint64(1)
            full, totals = _blend_cell_grad(
                cells, cell * size, totals, np.float32(x + (cell >> 1) * CELL) - records[g, 0],
                np.float32(y + (cell & 1) * CELL) - records[g, 1], records[g, 2], records[g, 3], records[g, 4],
                records[g, 5], records[g, 6], records[g, 7], records[g, 8], records[g, 9], max_alpha,
            )  # fmt: skip
            if full:
                still_open &= ~(full << np.uint64(cell))
        _add_sums(totals, sums, g * sums.shape[1])


@compiled()
def _load_cell(
    cell: int, y: int, x: int, cells: Array, rgb: Array, alpha: Array, depth: Array, v_rgb: Array, v_alpha: Array,
    v_depth: Array,
) -> None:  # fmt: skip
    """Fill a cell of the backward buffer: all light, the whole pixel still ahead, and the incoming gradients."""
    for pixel in range(PIXELS):
        row, column = y + (cell & 1) * CELL + pixel // CELL, x + (cell >> 1) * CELL + pixel % CELL
        place = cell * (BACKWARD * PIXELS) + pixel
        cells[place] = 1
        rest = depth[row, column, 0] * v_depth[row, column, 0]
        rest -= (np.float32(1) - alpha[row, column, 0]) * v_alpha[row, column, 0]
        for k in range(3):
            rest += rgb[row, column, k] * v_rgb[row, column, k]
            cells[place + (2 + k) * PIXELS] = v_rgb[row, column, k]
        cells[place + PIXELS] = rest
        cells[place + 5 * PIXELS] = v_depth[row, column, 0]
