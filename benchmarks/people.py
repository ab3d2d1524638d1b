"""How fast synthetic people are made: milliseconds a photo, on one or more threads, and where they go.

On a CPU processor time is counted, so that other work on the machine does not spoil the figures.

python benchmarks/people.py [--device cpu] [--threads 1] [--views 3] [--people 4]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

import torch

from nopo.synthetic.dataset import make_batch

STAGES = {
    "person": "sample_person",
    "pose": "pose_person",
    "rasterize": "rasterize",
    "paint": "paint",
    "truth": "_truth",
    "uv": "uv_surface",
    "film": "expose_film",
    "matte": "spoil_matte",
}


def main() -> None:
    """Print a table: size, milliseconds and photos a second, then the share of each stage at that size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.people} people, {options.views} photos each, {options.device}, {options.threads} thread(s)")
    print("size  samples  ms/photo  photos/s   share of stages, %")
    for size in options.sizes:
        for supersample in (1, 2):
            seconds = min(_run(options, size, supersample) for _ in range(3))
            photos = options.people * options.views
            profile = cProfile.Profile()
            profile.runcall(_run, options, size, supersample)
            figures = f"{1e3 * seconds / photos:8.1f}  {photos / seconds:8.1f}"
            print(f"{size:4d}  {supersample}x{supersample}      {figures}   {_shares(profile)}")


def _run(options: argparse.Namespace, size: int, supersample: int) -> float:
    """Seconds that one batch takes, of all threads on a CPU; always the same people."""
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    generator = torch.Generator().manual_seed(1)
    start = clock()
    make_batch(generator, options.people, options.views, size, device=options.device, supersample=supersample)
    if options.device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def _shares(profile: cProfile.Profile) -> str:
    rows = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = max(row[3] for row in rows.values())
    spent = {name: sum(row[3] for key, row in rows.items() if key[2] == function) for name, function in STAGES.items()}
    return "  ".join(f"{name} {100 * seconds / total:.0f}" for name, seconds in spent.items())


if __name__ == "__main__":
    main()
