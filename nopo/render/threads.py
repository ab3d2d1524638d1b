"""One pool of threads for every picture: as many as cores, however many visitors render at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The pool of a process: a forked child has none of its parent's threads, and needs its own."""
    return ThreadPoolExecutor(cores(), thread_name_prefix=f"nopo-render-{process}")


def run_parts(work: Callable[[int], None], parts: int) -> None:
    """Call `work(0)` to `work(parts - 1)`, side by side, the first in the calling thread, and wait for all.

    The kernels release the interpreter's lock. numba's own threads are not used: their work queue aborts the
    process when two Python threads start kernels at once, as a web page does.
    """
    others = [_pool(os.getpid()).submit(work, part) for part in range(1, parts)]
    try:
        work(0)
    finally:
        wait(others)  # they write to the caller's memory
    for other in others:
        other.result()
