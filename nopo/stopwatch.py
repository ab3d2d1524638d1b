"""How long each stage took and how much memory it needed at most."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 2**20


class Stopwatch:
    """Measures named stages, one after the other.

    Attributes:
        stages: by name, in order, `seconds`, `peak_memory_mib` of the process and, if CUDA was used, `peak_cuda_mib`.
    """

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the body of a `with` statement."""
        _reset_peaks()
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.stages[name] = {"seconds": round(seconds, 3), "peak_memory_mib": round(peak_memory() / MIB)}
        if cuda := _cuda():
            self.stages[name]["peak_cuda_mib"] = round(cuda.max_memory_allocated() / MIB)


def peak_memory() -> int:
    """Most resident memory of this process in bytes; 0 if unknown.

    On Linux since the last stage began, elsewhere since the process began.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _reset_peaks() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: begin VmHWM anew
    except OSError:
        pass
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def _cuda():  # type: ignore[no-untyped-def]  # the module torch.cuda
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
