"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from nopo.errors import ExportError


@contextlib.contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file or a folder to: moved there at the end, removed if anything goes wrong.

    The name ends in the suffixes of `path`, for writers that choose a format by it.

    Raises:
        ExportError: `path` cannot be written, or is no name of a new file.
    """
    if not path.name:
        raise ExportError("Name a new file or folder for the result.")
    partial = path.with_name(f".partial-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with writing(path):
            if partial.is_dir() and path.is_dir():
                path.rmdir()  # if it is empty; Windows moves no folder onto another
            os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # a read-only disk refuses even where there is nothing to remove
                partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        ExportError: `path` cannot be written.
    """
    with partial_file(path) as partial, writing(path):
        partial.write_text(text, "utf-8")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the operating system refuses inside is said in one sentence.

    Raises:
        ExportError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(f"{path.name} cannot be written: {error.strerror or type(error).__name__}.") from error
