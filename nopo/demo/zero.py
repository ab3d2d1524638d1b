"""Hugging Face's ZeroGPU: a GPU for some seconds at a time, in another process. Elsewhere, nothing of this happens.

There, the package `spaces` makes CUDA look present from the start. A function that it wraps is run in a fork of this
process that really has a GPU; what goes in and out is pickled, and of an exception only the name would come back.
"""

from __future__ import annotations

import functools
import math
import os
import pickle
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from nopo.errors import NopoError

P = ParamSpec("P")
Result = TypeVar("Result")


def on_zero_gpu() -> bool:
    """Whether this is a Space on ZeroGPU; as `spaces` itself tells."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def prepare() -> None:
    """Import `spaces` on ZeroGPU, which must happen before torch is imported.

    Raises:
        NopoError: it is too late, or the package is not there.
    """
    if not on_zero_gpu():
        return
    if "torch" in sys.modules and "spaces" not in sys.modules:
        raise NopoError("torch was imported before spaces; on ZeroGPU, start the page by app.py.")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    # A fork inherits OpenMP's team without its threads, and would wait for them for ever. The renderer has its own.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        import spaces  # noqa: F401 (it takes over torch's CUDA)
    except ImportError as error:
        raise NopoError("ZeroGPU needs the package spaces, which a Gradio Space has; check its build log.") from error


def gpu(seconds: Callable[P, float]) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Decorator of a function at module level: on ZeroGPU it gets a GPU, elsewhere it is left as it is.

    Arguments and result must pickle, and hold nothing that lives on CUDA.

    Args:
        seconds: takes the function's arguments, and says how long it will take at most. A visitor's quota is compared
            with this, not with what was used: the shorter, the more visitors may try.
    """

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        if not on_zero_gpu():
            return function
        import spaces

        @spaces.GPU(duration=lambda declared, call: declared)
        def in_worker(declared: int, call: bytes) -> bytes:
            args, kwargs = pickle.loads(call)
            try:
                return pickle.dumps(function(*args, **kwargs))
            except NopoError as error:
                return pickle.dumps(error)

        # Packed here: torch would hand CPU tensors over by sockets that may be gone when the worker is.
        @functools.wraps(function)
        def here(*args: P.args, **kwargs: P.kwargs) -> Result:
            answer = pickle.loads(in_worker(math.ceil(seconds(*args, **kwargs)), pickle.dumps((args, kwargs))))
            if isinstance(answer, NopoError):
                raise answer
            return answer

        return here

    return decorate
