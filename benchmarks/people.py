"""How fast synthetic people are made: photos a second on one thread and by two workers, and where the time goes.

On a CPU the time of one thread is its processor time; that of two workers is the wall's, so other work on the machine
counts there.

python benchmarks/people.py [--device cpu] [--views 3] [--people 4] [--supersample 2]
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from nopo.synthetic.dataset import make_batch

STAGES = {
    "person": "sample_person",
    "poses": "_sample_poses",
    "framing": "_sample_view",
    "skinning": "pose_person",
    "z-buffer": "zbuffer",
    "samples": "choose_samples",
    "paint": "paint",
    "film": "expose_film",
    "matte": "spoil_matte",
    "background": "sample_background",
    "truth": "_truth",
    "uv": "uv_visible",
}
WORKERS = 2
ROUNDS = 3


def main() -> None:
    """Print a table: size, milliseconds and photos a second, then the share of each stage at that size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--supersample", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos = options.people * options.views
    print(f"{options.people} people, {options.views} photos each, {options.device}")
    print(f"size  ms/photo  photos/s  by {WORKERS} workers   share of stages, %")
    for size in options.sizes:
        _run(options, size)
        seconds = min(_run(options, size) for _ in range(ROUNDS))
        together = f"{_run_workers(options, size):8.1f}" if options.device == "cpu" else ""
        profile = cProfile.Profile(time.thread_time)
        profile.runcall(_run, options, size)
        print(f"{size:4d}  {1e3 * seconds / photos:8.1f}  {photos / seconds:8.1f}  {together:>12}   {_shares(profile)}")


def _run(options: argparse.Namespace, size: int) -> float:
    """Seconds that one batch takes; always the same people."""
    clock = time.thread_time if options.device == "cpu" else time.perf_counter
    generator = torch.Generator().manual_seed(1)
    start = clock()
    make_batch(generator, options.people, options.views, size, device=options.device, supersample=options.supersample)
    if options.device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def _run_workers(options: argparse.Namespace, size: int) -> float:
    """Photos a second of all workers together, on the wall."""
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(_work, [options] * WORKERS, [size] * WORKERS))


def _work(options: argparse.Namespace, size: int) -> float:
    torch.set_num_threads(1)
    _run(options, size)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        _run(options, size)
    return ROUNDS * options.people * options.views / (time.perf_counter() - start)


def _shares(profile: cProfile.Profile) -> str:
    rows = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = max(row[3] for row in rows.values())
    spent = {name: sum(row[3] for key, row in rows.items() if key[2] == function) for name, function in STAGES.items()}
    return "  ".join(f"{name} {100 * seconds / total:.0f}" for name, seconds in spent.items())


if __name__ == "__main__":
    main()
