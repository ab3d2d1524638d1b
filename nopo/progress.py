"""Progress and cancelling: one small callback, for a terminal, a page or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by the stages at the start (done = 0) and after each unit of work.

    To stop the work, raise `nopo.errors.Cancelled` from it.
    """

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units of `stage` ("preprocess", "encode", "render", "evaluate") are finished."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
