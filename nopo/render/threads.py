"""One pool of threads for every picture: as many as cores, however many visitors render at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="nopo-render")


def run_parts(work: Callable[[int], None], parts: int) -> None:
    """Call `work(0)` to `work(parts - 1)`, side by side, and wait for all; one part stays in the calling thread.

    The kernels release the interpreter's lock. numba's own threads are not used: their work queue aborts the
    process when two Python threads start kernels at once, as a web page does.
    """
    if parts == 1:
        work(0)
        return
    futures = [_pool().submit(work, part) for part in range(parts)]
    for future in futures:
        future.result()
