"""The order of the splats, nearest first: a stable radix sort, so that equal depths stay in the order given."""

from __future__ import annotations

import numpy as np

from nopo.render.compiler import compiled

Array = np.ndarray
NOT_DRAWN = np.uint32(0xFFFFFFFF)  # in place of a depth
DIGITS = 4  # passes at the most: 32 bits of depth, 8 at a time
MAX_BUCKETS = 2048


@compiled()
def sort_by_depth(keys: Array, order: Array, spare: Array, histogram: Array) -> int:
    """Put the numbers of the drawn splats into order [N] uint32, by keys [N] uint32; how many there are.

    spare [2, N] uint64 and histogram [4, 2048] uint32 are working space. Only the bits in which the keys differ are
    sorted by: depths in a picture share most of theirs.
    """
    n = 0
    items, target = spare[0], spare[1]
    lowest, highest = NOT_DRAWN, np.uint32(0)
    for g in range(len(keys)):
        key = keys[g]
        items[n] = np.uint64(key) << np.uint64(32) | np.uint64(g)
        if key != NOT_DRAWN:
            n += 1
            lowest, highest = min(lowest, key), max(highest, key)
    bits = 0
    while n and bits < 32 and (highest - lowest) >> bits:
        bits += 1
    widest = 11 if n > 8192 else 8  # a larger table pays for long lists only
    passes = (bits + widest - 1) // widest
    width = (bits + passes - 1) // max(passes, 1)
    mask = np.uint64((1 << width) - 1)
    base = np.uint64(lowest) << np.uint64(32)

    histogram[:passes, : 1 << width] = 0
    for i in range(n):
        for p in range(passes):
            histogram[p, (items[i] - base) >> np.uint64(32 + p * width) & mask] += np.uint32(1)
    for p in range(passes):
        total = np.uint32(0)
        for bucket in range(1 << width):  # counts become first places
            count = histogram[p, bucket]
            histogram[p, bucket] = total
            total += count
        for i in range(n):
            digit = (items[i] - base) >> np.uint64(32 + p * width) & mask
            place = histogram[p, digit]
            histogram[p, digit] = place + np.uint32(1)
            target[place] = items[i]
        items, target = target, items
    for i in range(n):
        order[i] = np.uint32(items[i] & np.uint64(NOT_DRAWN))
    return n
