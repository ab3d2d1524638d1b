"""Which splats each tile gets, nearest first.

A tile is 128×8 pixels, 32×2 cells of 4×4: its cells are the bits of one number, and what is kept of its pixels while it
is drawn fits the innermost cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nopo.render.compiler import compiled
from nopo.render.lane_memory import fetch

Array = np.ndarray
CELL = 4  # pixels on a side of the cells that are blended together
TILE_ROWS = 2  # cells on top of each other; cell number = 2 · column + row
TILE_COLUMNS = 32
TILE_CELLS = TILE_ROWS * TILE_COLUMNS
TILE_HEIGHT, TILE_WIDTH = TILE_ROWS * CELL, TILE_COLUMNS * CELL  # pixels
_AHEAD = 24  # splats: how early a span is asked for from memory
_ALL = np.uint64(2**64 - 1)
_ONE, _FIVE, _SIXTEEN = np.uint64(1), np.uint64(5), np.uint64(0xFFFF)
_UPPER = np.uint64(0x5555555555555555)  # bits of the upper row
_ROWS = np.array([0, _UPPER, ~_UPPER, _ALL], np.uint64)  # by whether a splat touches the upper one, the lower one


@compiled()
def tiles_of(span: Any) -> tuple[Any, Any, Any, Any]:
    """First tile column and row of a span, and the ones after the last.

    A span is four numbers of 16 bits: left, top, right, bottom of a splat in cells, the last two excluded; 0 when it is
    not drawn. Numbers are unsigned throughout, which spares their use as an index a test of the sign.
    """
    left, top = span & _SIXTEEN, span >> np.uint64(16) & _SIXTEEN
    right, bottom = span >> np.uint64(32) & _SIXTEEN, span >> np.uint64(48)
    return left >> _FIVE, top >> _ONE, (right + np.uint64(TILE_COLUMNS - 1)) >> _FIVE, (bottom + _ONE) >> _ONE


@compiled()
def count_tiles(spans: Array, counts: Array) -> None:
    """How many splats touch each tile: spans [N] uint64, counts [tile rows + 1, tile columns + 1] int64.

    The last row and column of counts are working space. Each splat adds to the corners of its rectangle of tiles only;
    sums along rows and columns make numbers for the tiles of that.
    """
    counts[:] = 0
    for g in range(len(spans)):
        first, upper, last, lower = tiles_of(spans[g])
        counts[upper, first] += 1
        counts[upper, last] -= 1
        counts[lower, first] -= 1
        counts[lower, last] += 1
    for y in range(counts.shape[0]):
        for x in range(1, counts.shape[1]):
            counts[y, x] += counts[y, x - 1]
    for y in range(1, counts.shape[0]):
        for x in range(counts.shape[1]):
            counts[y, x] += counts[y - 1, x]


@compiled()
def fill_lists(order: Array, spans: Array, places: Array, steps: Array, entries: Array) -> None:
    """Write entries [n] uint64 for some tiles, in the order of depth.

    places [tile rows, tile columns] uint64 say where a tile's next entry goes and move on by steps [tile rows] uint64:
    1, or 0 for a row whose lists are not wanted, which then has one place for all. An entry is the splat's number and,
    from bit 32 on, what `mask_of` needs.
    """
    for i in range(len(order)):
        if i + _AHEAD < len(order):
            fetch(spans, np.int64(order[i + _AHEAD]))
        g = order[i]
        span = spans[g]
        first, upper, last, lower = tiles_of(span)
        left, top = span & _SIXTEEN, span >> np.uint64(16) & _SIXTEEN
        right, bottom = span >> np.uint64(32) & _SIXTEEN, span >> np.uint64(48)
        for x in range(first, last):
            origin = np.uint64(x) << _FIVE
            start = max(left, origin) - origin
            missing = np.uint64(TILE_COLUMNS) - (min(right - origin, np.uint64(TILE_COLUMNS)) - start)
            columns = np.uint64(g) | start << np.uint64(33) | missing << np.uint64(41)
            for y in range(upper, lower):
                odd = np.uint64(y) << _ONE | _ONE  # the lower row of cells: does the splat begin there, or end before?
                rows = np.uint64(3) - np.uint64(top == odd) - (np.uint64(bottom == odd) << _ONE)
                place = places[y, x]
                entries[place] = columns | rows << np.uint64(56)
                fetch(entries, np.int64(place) + 8)  # the list's next cache line: there are too many to be foreseen
                places[y, x] = place + steps[y]


@compiled()
def splat_of(entry: Any) -> Any:
    """The splat of a list's entry."""
    return np.int64(entry & np.uint64(0xFFFFFFFF))


@compiled()
def mask_of(entry: Any) -> Any:
    """The tile's cells that the splat's box touches, as bits."""
    start, missing = entry >> np.uint64(32) & np.uint64(0xFF), entry >> np.uint64(40) & np.uint64(0xFF)
    return (_ALL >> missing << start) & _ROWS[entry >> np.uint64(56)]
