"""The order of the splats and the lists of the tiles, against numpy and loops that anybody can check."""

import numpy as np
import pytest

from nopo.render.depth_sort import DIGITS, MAX_BUCKETS, NOT_DRAWN, sort_by_depth
from nopo.render.tile_lists import count_tiles, fill_lists, mask_of, splat_of


@pytest.mark.parametrize("count", [0, 1, 2, 50, 3000, 20_000])
@pytest.mark.parametrize("spread", [1, 200, 2**31])
def test_sort_is_stable_and_leaves_out_what_is_not_drawn(count, spread):
    random = np.random.default_rng(count)
    keys = random.integers(5, 5 + spread, count, dtype=np.uint32)
    keys[random.random(count) < 0.2] = NOT_DRAWN
    order = np.empty(count, np.uint32)
    histogram = np.empty((DIGITS, MAX_BUCKETS), np.uint32)
    drawn = sort_by_depth(keys, order, np.empty((2, count), np.uint64), histogram)
    expected = np.argsort(keys, kind="stable")
    assert drawn == (keys != NOT_DRAWN).sum()
    assert np.array_equal(order[:drawn], expected[:drawn])


def test_lists_hold_the_cells_of_each_splat():
    """Splats of all sizes in 5 × 4 tiles of 32×2 cells; the lists of rows 1 and 3 are wanted."""
    random = np.random.default_rng(0)
    shape, wanted = (5, 4), [1, 3]
    corners = np.sort(random.integers(0, [[32 * 4, 2 * 5]] * 2, (500, 2, 2)), axis=1)  # [splat, corner, x or y]
    corners[::7, :, 0] = corners[::7, :1, 0]  # some are empty
    drawn = (corners[:, 1] > corners[:, 0]).all(1)
    corners[~drawn] = 0
    spans = (corners.reshape(500, 4).astype(np.uint64) << np.arange(0, 64, 16, dtype=np.uint64)).sum(1, dtype=np.uint64)
    order = random.permutation(np.flatnonzero(drawn)).astype(np.uint32)

    counts = np.empty((shape[0] + 1, shape[1] + 1), np.int64)
    count_tiles(spans, counts)
    lists = counts[wanted, :-1].ravel()
    edges = np.concatenate([[0], np.cumsum(lists)])
    places, steps = np.full(shape, edges[-1], np.uint64), np.zeros(shape[0], np.uint64)
    places[wanted], steps[wanted] = edges[:-1].reshape(2, -1), 1
    entries = np.zeros(edges[-1] + 1, np.uint64)
    fill_lists(order, spans, places, steps, entries)

    for k, (y, x) in enumerate((y, x) for y in wanted for x in range(shape[1])):
        expected = []
        for g in order:
            (left, top), (right, bottom) = corners[g]
            cells = [2 * (column - 32 * x) + row - 2 * y
                     for column in range(max(left, 32 * x), min(right, 32 * x + 32))
                     for row in range(max(top, 2 * y), min(bottom, 2 * y + 2))]  # fmt: skip
            if cells:
                expected.append((int(g), sum(1 << int(cell) for cell in cells)))
        got = [(splat_of(entry), int(mask_of(entry))) for entry in entries[edges[k] : edges[k + 1]]]
        assert got == expected
