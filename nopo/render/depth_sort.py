"""Which splats each band of rows gets, nearest first: a counting scatter, then a radix sort inside the band.

Both are stable, so splats of equal depth stay in the order given.
"""

from __future__ import annotations

import numpy as np

from nopo.render.compiler import compiled

Array = np.ndarray
DEPTH, X0, Y0, X1, Y1 = 9, 10, 11, 12, 13  # places in a record of `vector_project`
BAND_ROWS = 8
DIGITS = 4  # passes at the most: 32 bits of depth, 8 at a time
MAX_BUCKETS = 2048


@compiled()
def bands_of(boxes: Array, g: int) -> tuple[int, int]:
    """First band of rows that splat g touches, and the one after the last: equal when it is not drawn."""
    if boxes[g, X1] <= boxes[g, X0] or boxes[g, Y1] <= boxes[g, Y0]:
        return 0, 0
    return boxes[g, Y0] // BAND_ROWS, (boxes[g, Y1] - 1) // BAND_ROWS + 1


@compiled()
def scatter(
    start: int, end: int, records: Array, first_band: int, last_band: int, places: Array, keys: Array, index: Array
) -> None:
    """Put splats start <= g < end into the lists of the bands first_band <= b < last_band that they touch.

    places [bands] is where the next entry of each band goes, and moves on; keys and index hold the lists.
    """
    integers = records.view(np.uint32)
    boxes = records.view(np.int32)
    for g in range(start, end):
        low, high = bands_of(boxes, g)
        for band in range(max(low, first_band), min(high, last_band)):
            place = places[band]
            places[band] = place + 1
            keys[place] = integers[g, DEPTH]
            index[place] = g


@compiled()
def sort_by_key(keys: Array, index: Array, spare_keys: Array, spare_index: Array, histogram: Array) -> None:
    """Sort keys [n] uint32 and, with them, index [n]; the spare arrays hold at least n, histogram is (4, 2048).

    Only the bits in which the keys differ are sorted by: depths in a picture share most of theirs.
    """
    n = len(keys)
    lowest, highest = keys[0], keys[0]
    for i in range(1, n):
        lowest, highest = min(lowest, keys[i]), max(highest, keys[i])
    bits = 0
    while bits < 32 and (highest - lowest) >> bits:
        bits += 1
    widest = 11 if n > 8192 else 8  # a larger table pays for long lists only
    passes = (bits + widest - 1) // widest
    if passes == 0:
        return
    width = (bits + passes - 1) // passes
    mask = np.uint32((1 << width) - 1)

    histogram[:passes, : 1 << width] = 0
    for i in range(n):
        key = np.uint32(keys[i] - lowest)
        for p in range(passes):
            histogram[p, (key >> np.uint32(p * width)) & mask] += np.uint32(1)
    from_keys, from_index, to_keys, to_index = keys, index, spare_keys[:n], spare_index[:n]
    for p in range(passes):
        shift = np.uint32(p * width)
        total = np.uint32(0)
        for bucket in range(1 << width):  # counts become first places
            count = histogram[p, bucket]
            histogram[p, bucket] = total
            total += count
        for i in range(n):
            digit = (np.uint32(from_keys[i] - lowest) >> shift) & mask
            place = histogram[p, digit]
            histogram[p, digit] = place + np.uint32(1)
            to_keys[place] = from_keys[i]
            to_index[place] = from_index[i]
        from_keys, from_index, to_keys, to_index = to_keys, to_index, from_keys, from_index
    if passes % 2:  # the result is in the spare arrays
        keys[:] = from_keys
        index[:] = from_index
