"""Progress bars in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from nopo.progress import Progress, silent


@contextmanager
def bars(quiet: bool, leave: bool = True) -> Iterator[Progress]:
    """A `Progress` that draws one bar for each stage on standard error; none when `quiet`.

    With `leave`, finished bars stay.
    """
    if quiet:
        yield silent
        return
    bar: tqdm | None = None

    def show(stage: str, done: int, total: int) -> None:
        nonlocal bar
        if bar is None or done == 0:
            if bar is not None:
                bar.close()
            bar = tqdm(total=total, desc=f"{stage:>10}", leave=leave, dynamic_ncols=True)
        bar.update(done - bar.n)

    try:
        with logging_redirect_tqdm():  # what is said meanwhile gets a line of its own
            yield show
    finally:
        if bar is not None:
            bar.close()
