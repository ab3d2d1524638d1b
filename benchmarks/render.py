"""Speed of the CPU renderer as ratios from one run: against its plain twin, other renderers, and the blending limit.

    python benchmarks/render.py                 # all scenes; about five minutes, more with the peers installed
    python benchmarks/render.py --scenes 1      # the first scene only
    python benchmarks/render.py --only startup  # or: pictures, backward, threads, video

Times are milliseconds of CPU of one thread, medians of 12, candidates taking turns; PSNR is against the reference in
float64. The blending limit: pixels that some Gaussian really changes, at 7 cycles for 8 of them, and cycles measured
by fused multiply-adds in the same run, because a shared core's speed is not its label's.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import render_peers
import torch
from scenes import front_camera, standing_figure

from nopo.gaussians import Gaussians
from nopo.render import render, warm_up

SCENES = [(50_000, 512), (100_000, 512), (200_000, 512), (50_000, 1024), (200_000, 1024)]
ROUNDS = 12
WHITE = [1.0, 1.0, 1.0]
CYCLES_PER_BLEND = 7 / 8


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU time of this process for one call."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def wall_ms(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def taking_turns(
    candidates: dict[str, Callable[[], object]], measure: Callable[[Callable[[], object]], float] = cpu_ms
) -> dict[str, float]:
    """Median of `ROUNDS` measurements of each candidate, in alternating order."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(ROUNDS):
        for name in list(candidates)[:: 1 if number % 2 else -1]:
            times[name].append(measure(candidates[name]))
    return {name: float(np.median(values)) for name, values in times.items()}


def gigahertz() -> float:
    """Billions of cycles a second of this core now, from eight chains of fused multiply-adds, two a cycle."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils

    from nopo.render.compiler import compiled
    from nopo.render.lanes import F32X8, Lanes, emitted

    @emitted
    def chains(typing: Any, count: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            slots = [cgutils.alloca_once_value(builder, ir.Constant(F32X8, [1.0 + k] * 8)) for k in range(8)]
            with cgutils.for_range(builder, args[0]):
                for slot in slots:
                    lanes = Lanes(builder, builder.load(slot), ())
                    builder.store(lanes.times_plus(0.999, 1e-3).value, slot)
            total = Lanes(builder, builder.load(slots[0]))
            for slot in slots[1:]:
                total = total + Lanes(builder, builder.load(slot))
            return builder.extract_element(total.value, ir.IntType(32)(0))

        return types.float32(types.int64), emit

    @compiled()
    def run(count: int) -> float:
        return chains(count)

    run(1)
    count = 2_000_000
    return float(np.median([count * 4 / (1e6 * cpu_ms(lambda: run(count))) for _ in range(5)]))


def useful_blends(gaussians: Gaussians, size: int) -> int:
    """Pairs of a Gaussian and a pixel that it changes."""
    from nopo.render.compiler import compiled
    from nopo.render.plain_kernels import falloff
    from nopo.render.projection import project
    from nopo.render.settings import MIN_ALPHA, MIN_TRANSMITTANCE, Settings

    @compiled()
    def count(means: Any, conics: Any, opacities: Any, boxes: Any, transmittance: Any) -> int:
        total = 0
        for g in range(len(means)):
            for y in range(boxes[g, 1], boxes[g, 3]):
                for x in range(boxes[g, 0], boxes[g, 2]):
                    power = falloff(conics, g, means[g, 0] - (x + 0.5), means[g, 1] - (y + 0.5))
                    alpha = min(0.99, opacities[g] * math.exp(power))
                    if transmittance[y, x] < 0 or alpha < MIN_ALPHA:
                        continue
                    after = transmittance[y, x] * (1 - alpha)
                    if after < MIN_TRANSMITTANCE:
                        transmittance[y, x] = -1
                        continue
                    transmittance[y, x] = after
                    total += 1
        return total

    splats = project(gaussians, front_camera(size), Settings(3, 0.99, False, 1))
    arrays = [t.numpy() for t in (splats.means, splats.conics, splats.opacities, splats.boxes)]
    return count(*arrays, np.ones((size, size)))


def psnr(picture: np.ndarray, expected: np.ndarray) -> float:
    """Peak signal-to-noise ratio, dB."""
    return -10 * math.log10(max(float(((picture - expected) ** 2).mean()), 1e-20))


def pictures(scenes: list[tuple[int, int]]) -> None:
    """Whole frames: projection, SH, sort, blend."""
    speed = gigahertz()
    print(f"\nWhole frame, SH 3, one thread; this core does {speed:.2f} GHz now")
    print(
        f"{'scene':>16} {'renderer':>18} {'ms':>8} {'times nopo':>10} {'of the limit':>12} {'PSNR':>7} {'max error':>9}"
    )
    for count, size in scenes:
        gaussians, camera = standing_figure(count), front_camera(size)
        double = Gaussians(
            *(t.double() for t in (gaussians.means, gaussians.covars, gaussians.opacities, gaussians.sh))
        )
        expected = render(double, camera, WHITE, backend="reference").rgb[0].numpy()
        candidates: dict[str, Callable[[], np.ndarray]] = {
            "nopo": lambda g=gaussians, c=camera: render(g, c, WHITE, threads=1).rgb[0].numpy(),  # type: ignore[misc]
            "nopo plain": lambda g=gaussians, c=camera: render(g, c, WHITE, backend="plain", threads=1).rgb[0].numpy(),  # type: ignore[misc]
        }
        for name, peer in (("gswarp 1.1.0", render_peers.gswarp), ("splax 0.2.3", render_peers.splax)):
            try:
                candidates[name] = peer(gaussians, camera)
            except ImportError:
                print(f"{'':>16} {name:>18} not installed")
        errors = {name: np.abs(draw() - expected) for name, draw in candidates.items()}
        times = taking_turns(candidates)
        limit = useful_blends(gaussians, size) * CYCLES_PER_BLEND / (speed * 1e6)
        for name, ms in times.items():
            quality = f"{psnr(errors[name], np.zeros(1)):7.1f} {errors[name].max():9.5f}"
            ratio, share = ms / times["nopo"], 100 * limit / ms
            print(f"{f'{count // 1000} k, {size}²':>16} {name:>18} {ms:8.1f} {ratio:10.1f} {share:11.1f}% {quality}")


def backward(scenes: list[tuple[int, int]]) -> None:
    """Gradients of everything, against a frame."""
    print("\nBackward, all gradients, one thread")
    for count, size in scenes:
        leaves = standing_figure(count)
        names = ("means", "covars", "opacities", "sh")
        inputs = [getattr(leaves, name).requires_grad_() for name in names]
        camera = front_camera(size)
        incoming = torch.randn(1, size, size, 3)
        held: dict[str, torch.Tensor] = {}

        def forward() -> None:
            held["rgb"] = render(leaves, camera, WHITE, threads=1).rgb  # noqa: B023

        def both() -> None:
            forward()  # noqa: B023
            torch.autograd.grad(held["rgb"], inputs, incoming)  # noqa: B023

        both()
        times = taking_turns({"forward": forward, "both": both})
        back = times["both"] - times["forward"]
        print(f"  {count // 1000} k, {size}²: forward {times['forward']:.1f} ms, backward {back:.1f} ms, "
              f"ratio {back / times['forward']:.2f}")  # fmt: skip


def threads(scenes: list[tuple[int, int]]) -> None:
    """Two threads in a frame, and a frame for each of two workers; wall time."""
    print("\nTwo threads, wall time")
    for count, size in scenes:
        gaussians, camera = standing_figure(count), front_camera(size)
        pool = ThreadPoolExecutor(2)

        def frames(threads: int) -> None:
            for _ in range(4):
                render(gaussians, camera, WHITE, threads=threads)  # noqa: B023

        def a_frame_per_worker() -> None:
            list(pool.map(lambda _: frames(1), range(2)))  # noqa: B023

        a_frame_per_worker()
        times = taking_turns(
            {"one": lambda: frames(1), "two": lambda: frames(2), "each": a_frame_per_worker}, wall_ms
        )  # fmt: skip
        print(f"  {count // 1000} k, {size}²: inside a frame {times['one'] / times['two']:.2f} times one, "
              f"a frame per worker {2 * times['one'] / times['each']:.2f}")  # fmt: skip


def startup() -> None:
    """Compilation in a fresh process without and with kept code, after torch is imported."""
    code = (
        "import torch, time; torch.set_num_threads(1); from nopo.render import warm_up; t, c = time.perf_counter(), "
        "time.process_time(); warm_up(gradients={}); print(time.perf_counter() - t, time.process_time() - c)"
    )
    print("\nFirst frame in a fresh process, seconds (of CPU)")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        for name, gradients in (("compiling", False), ("kept code", False), ("compiling gradients", True)):
            command = [sys.executable, "-c", code.format(gradients)]
            output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            wall, cpu = map(float, output.split())
            print(f"  {name}: {wall:.2f} ({cpu:.2f})")


def video() -> None:
    """Skinning, rendering and encoding together, as the page does it; and each part alone."""
    from nopo import show
    from nopo.articulate import Articulator
    from nopo.avatar import Avatar
    from nopo.body.open import load_open_body
    from nopo.export.video import write_mp4
    from nopo.motion import Motion

    count, size, frames = 100_000, 512, 120
    joints = load_open_body().rest_joints()
    gaussians = standing_figure(count)
    nearest = torch.cdist(gaussians.means, joints).softmax(1)[:, :54]
    weights = torch.cat([nearest, torch.zeros(count, 15)], 1)
    avatar = Avatar(gaussians, weights / weights.sum(1, keepdim=True), joints, "benchmark")
    swing = 0.3 * torch.sin(torch.arange(frames)[:, None, None] * 0.2 + torch.arange(55)[:, None])
    motion = Motion(swing * torch.tensor([0.2, 0.1, 1.0]), torch.zeros(frames, 3), 30.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        whole = wall_ms(lambda: write_mp4(path, show.animate(avatar, motion, size=size), 30))
        pictures = list(show.animate(avatar, motion, size=size))
        encoding = wall_ms(lambda: write_mp4(path, pictures, 30)) / frames
    person, camera = Articulator(avatar), front_camera(size)
    posed = person.pose(motion[3])
    parts = taking_turns(
        {"skinning": lambda: person.pose(motion[3]), "rendering": lambda: render(posed, camera, WHITE, threads=1)}
    )  # fmt: skip
    print(f"\nVideo, {count // 1000} k Gaussians, {size}², skinning + rendering + H.264, {os.cpu_count()} cores: "
          f"{1e3 * frames / whole:.1f} frames a second")  # fmt: skip
    print(f"  parts, ms: skinning {parts['skinning']:.1f}, rendering {parts['rendering']:.1f} (one thread), "
          f"encoding alone {encoding:.1f} (all cores)")  # fmt: skip


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=len(SCENES), help="how many of the scenes")
    parser.add_argument("--only", choices=["pictures", "backward", "threads", "startup", "video"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    scenes = SCENES[: options.scenes]
    warm_up(gradients=True)
    parts = {
        "pictures": lambda: pictures(scenes),
        "backward": lambda: backward(scenes),
        "threads": lambda: threads(scenes),
        "startup": startup,
        "video": video,
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
