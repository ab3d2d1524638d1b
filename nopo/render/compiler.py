"""The decorator of every compiled function, and where its machine code is kept: only the first start compiles."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from nopo import harmonics

LOGGER = logging.getLogger(__name__)

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
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: a container's user without a home
        reason = error.strerror if isinstance(error, OSError) else "no home"
        LOGGER.warning("No writable cache folder (%s): the renderer compiles at every start.", reason)
        return tempfile.mkdtemp(prefix="nopo-numba-")
