"""Frames a second of the gsplat backend, drawn and brought to the host as an encoder takes them.

    python benchmarks/render_gpu.py        # needs a CUDA device and gsplat

A frame is one camera of a turn around the standing figure; the frames of a run go through pinned memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from scenes import front_camera, standing_figure

from nopo.render import render
from nopo.render.gsplat_check import require
from nopo.render.handover import to_bytes, to_host

FRAMES = 120
ROUNDS = 5


def main() -> None:
    """Print a table."""
    require()
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    for count in (100_000, 1_000_000):
        gaussians = standing_figure(count).to("cuda")
        for size in (512, 1024):
            cameras = [front_camera(size, azimuth_deg=360 * i / FRAMES) for i in range(FRAMES)]

            def pictures() -> Iterator[torch.Tensor]:
                for camera in cameras:  # noqa: B023
                    yield to_bytes(render(gaussians, camera, [1.0] * 3, backend="gsplat").rgb[0])  # noqa: B023

            seconds = []
            with torch.inference_mode():
                for _ in range(ROUNDS + 1):
                    start = time.perf_counter()
                    arrived = sum(1 for _ in to_host(pictures()))
                    seconds.append(time.perf_counter() - start)
            median = sorted(seconds[1:])[ROUNDS // 2]  # the first round warms up
            print(f"{count // 1000:5} k, {size}²: {arrived / median:7.1f} frames a second")


if __name__ == "__main__":
    main()
