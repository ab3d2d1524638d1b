"""Whether gsplat works on this machine: tried in another process, with a limit on its time, and remembered.

gsplat compiles its CUDA code when it is first used, which takes minutes and fails in many ways; no visitor should wait
for that, nor see it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from nopo.errors import DependencyError
from nopo.render.compiler import cache_folder

LOGGER = logging.getLogger(__name__)

_BUILD_SECONDS = 600
_PROBE = """
import torch, gsplat
one = torch.ones(1, device="cuda")
camera = torch.eye(4, device="cuda")[None]
gsplat.rasterization(torch.tensor([[0.0, 0, 2]], device="cuda"), None, None, one, torch.ones(1, 3, device="cuda"),
                     camera, torch.tensor([[[8.0, 0, 4], [0, 8, 4], [0, 0, 1]]], device="cuda"), 8, 8,
                     covars=torch.eye(3, device="cuda")[None])
torch.cuda.synchronize()
"""
_TOO_LITTLE, _TOO_SLOW, _ENDED = "too little memory or disk is free", "it did not compile within", "it was ended"
_PASSING = (_TOO_LITTLE, _TOO_SLOW, _ENDED)
"""How reasons begin that may be gone the next time."""

# What gsplat, torch and the compilers say, and what it means; the first that is found.
_CAUSES = (
    (r"(?i)out of memory|cannot allocate memory|no space left|\bkilled\b", _TOO_LITTLE),
    (r"No module named 'gsplat'", "gsplat is not installed: pip install gsplat"),
    (
        r"mismatches the version that was used to compile|undefined symbol|wrong torch",
        "wrong torch: its CUDA version is not that of nvcc or of the gsplat package",
    ),
    (
        r"No CUDA toolkit found|CUDA_HOME|nvcc(\.exe)?['\"]?:? (command )?not found|No such file.*nvcc",
        "no nvcc: install the CUDA toolkit of torch's version, or a gsplat package that is compiled for this torch",
    ),
    (
        r"'(which|where)', '(c\+\+|g\+\+|cl)'|(c\+\+|g\+\+|gcc|cl)(\.exe)?['\"]?:? (command )?not found|find compiler",
        "no compiler: install g++, or Visual Studio's build tools",
    ),
    (r"Ninja is required", "no ninja: pip install ninja"),
)


def available() -> bool:
    """Whether gsplat works here. Says once why not."""
    return _why_not() is None


def require() -> None:
    """Go on only where gsplat works.

    Raises:
        DependencyError: it does not; the message says why.
    """
    reason = _why_not()
    if reason is not None:
        raise DependencyError(f'gsplat cannot be used here ({reason}); choose the backend "cpu".')


@cache
def _why_not() -> str | None:
    """Why gsplat cannot be used, or None if it can."""
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    if not torch.cuda.is_available():
        return "no CUDA device"
    reason = _remembered(_machine(), [sys.executable, "-c", _PROBE])
    if reason is not None:
        LOGGER.warning("gsplat cannot be used (%s): the CPU renders.", reason)
    return reason


def _machine() -> str:
    """What the answer depends on: if any of it changes, gsplat is tried again."""
    try:
        version = importlib.metadata.version("gsplat")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    tools = [str(shutil.which(tool)) for tool in ("nvcc", "c++", "cl", "ninja")]
    capability = str(torch.cuda.get_device_capability())
    parts = [torch.__version__, str(torch.version.cuda), version, capability, platform.python_version(), sys.prefix]
    return hashlib.sha256("|".join([*parts, os.environ.get("CUDA_HOME", ""), *tools]).encode()).hexdigest()[:16]


def _remembered(machine: str, command: Sequence[str]) -> str | None:
    """The outcome of `_probe`, from the file where it was kept or kept there now, unless it may pass with time."""
    file: Path | None = None
    with contextlib.suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):  # no file, or not one of ours
        file = cache_folder() / f"gsplat-{machine}.json"
        reason: str | None = json.loads(file.read_text())["why_not"]
        return reason
    LOGGER.info("Trying gsplat; the first time, it compiles for some minutes.")
    reason = _probe(command, _BUILD_SECONDS)
    if file is not None and (reason is None or not reason.startswith(_PASSING)):
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"why_not": reason}))
    return reason


def _probe(command: Sequence[str], seconds: float) -> str | None:
    """Run a command to its end; what went wrong, in a few words, or None."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the compilers that it started, too
        process.kill()
        process.communicate()
        return f"{_TOO_SLOW} {seconds:g} s"
    return None if process.returncode == 0 else _cause(output, process.returncode)


def _cause(output: str, code: int) -> str:
    """The sentence for a known failure, or the last line that was said."""
    for pattern, meaning in _CAUSES:
        if re.search(pattern, output):
            return meaning
    if code < 0:
        return f"{_ENDED} by signal {-code}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"it ended with code {code}"
