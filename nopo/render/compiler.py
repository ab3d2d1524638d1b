"""The decorator of every compiled function, and where its machine code is kept: only the first start compiles."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from nopo import harmonics

LOGGER = logging.getLogger(__name__)

KEPT_DAYS = 30  # that compiled code is kept after the last start of the version that it belongs to
FOLDER_NAME = re.compile(r"numba-[0-9a-f]{12}")

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Decorator: compile with numba at the first call, release the interpreter's lock, keep the code on disk.

    For functions at module level only: numba does not find the kept code of closures.
    """
    _keep_compiled_code()
    from numba import njit

    _spare_blas()
    return njit(nogil=True, cache=True, **options)


@cache
def _spare_blas() -> None:
    """Keep numba from importing scipy.linalg, a seventh of the time to the first frame, only to see that it is there.

    numba asks once, when it loads its array functions; whoever multiplies matrices in a kernel is asked again by numba.
    """
    from numba.np import linalg

    asked = getattr(linalg, "ensure_blas", None)
    if asked is None or find_spec("scipy") is None:  # another numba, or an answer that would be no
        return
    linalg.ensure_blas = lambda: None
    try:
        import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = asked


def _keep_compiled_code() -> None:
    """Point numba's on-disk cache at a writable folder of the user, unless NUMBA_CACHE_DIR names one.

    By default numba writes beside the source, which an installed package or a container may not allow.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    folder = _writable_folder()
    os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:  # it read the variable when it was imported
        sys.modules["numba"].config.CACHE_DIR = folder


def cache_folder() -> Path:
    """Where things that can be made again are kept; RuntimeError if the user has no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nopo"


def _writable_folder() -> str:
    # numba renews a function when its own file changes, not when one that it uses does: hence a folder per version.
    digest = hashlib.sha256()
    for source in (Path(harmonics.__file__), *sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(source.read_bytes())
    try:
        folder = cache_folder() / f"numba-{digest.hexdigest()[:12]}"
        first_start = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            os.utime(folder)
        if first_start:
            _remove_disused(folder.parent)
        return str(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: a container's user without a home
        reason = error.strerror if isinstance(error, OSError) else "no home"
        LOGGER.warning("No writable cache folder (%s): the renderer compiles at every start.", reason)
        return tempfile.mkdtemp(prefix="nopo-numba-")


def _remove_disused(parent: Path) -> None:
    """Remove what other versions compiled and none has started with for long; a running one would make it again."""
    with suppress(OSError):  # another start removes the same, or the folder cannot be listed
        for folder in parent.iterdir():
            about = folder.lstat()
            unused_s = time.time() - about.st_mtime
            if FOLDER_NAME.fullmatch(folder.name) and stat.S_ISDIR(about.st_mode) and unused_s > KEPT_DAYS * 86400:
                shutil.rmtree(folder, ignore_errors=True)
