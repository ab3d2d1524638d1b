"""Time and memory of the vitl network, per part, beside what was recorded of the original.

    python benchmarks/encoder.py                       # CPU, one thread, 256², 1 and 3 views
    python benchmarks/encoder.py --checkpoint X.ckpt   # and how long loading takes, before and after `convert`
    python benchmarks/encoder.py --device cuda         # 1 × 896×640 and 3 × 1024², also in TF32 and bfloat16

Each row is measured in a fresh process, with random weights: values do not change the work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from nopo.body.template import Template
from nopo.encode import ModelConfig, Network, load_network
from nopo.encode.branch import Branch
from nopo.encode.checkpoint import convert

RECORDED_CPU = {1: "14-15 s, 3.4 GiB", 3: "31 s, 4.0 GiB"}
"""The original's forward at 256², float32, one thread of this kind of machine."""

REPORTED_CUDA = {(1, 896, 640): "0.32 s, 11 GB", (3, 1024, 1024): "1.32 s, 24 GB"}
"""From the original's paper."""


def peak_gib() -> float:
    """The most memory this process ever held (Linux), mapped files included."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 2**20


def random_vitl(template_size: int, device: str) -> Network:
    """The network with weights of the usual scale, made tensor by tensor."""
    with torch.device("meta"):
        network = Network(ModelConfig.vitl(template_size))
    state = {}
    for name, tensor in network.state_dict().items():
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        state[name] = torch.empty(tensor.shape, device=device).normal_(std=fan**-0.5 if tensor.ndim > 1 else 0.1)
    network.load_state_dict(state, assign=True)
    return network.channels_last().eval()


def inputs(views: int, height: int, width: int, size: int, device: str) -> tuple[torch.Tensor, torch.Tensor, Template]:
    """Random photos, all foreground, and a random template."""
    weights = torch.rand(size, size, 55).softmax(-1)
    template = Template(torch.rand(size, size, 3), weights, torch.ones(size, size, dtype=torch.bool))
    images, masks = torch.rand(views, 3, height, width), torch.ones(views, height, width)
    return images.to(device), masks.to(device), template.to(device)


class Stopwatch:
    """CPU seconds spent inside modules, by label."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def watch(self, module: nn.Module, label: str) -> None:
        """Count what `module` takes as `label`."""
        started: list[float] = []
        module.register_forward_pre_hook(lambda *_: started.append(time.process_time()))

        def stop(*_: object) -> None:
            self.seconds[label] += time.process_time() - started.pop()

        module.register_forward_hook(stop)


def measure_cpu(views: int) -> None:
    """Print one forward at 256² on one thread: seconds, peak memory, and where the time goes."""
    torch.set_num_threads(1)
    network = random_vitl(256, "cpu")
    stopwatch = Stopwatch()
    for block in network.backbone.encoder:
        stopwatch.watch(block, "encoder")
    stopwatch.watch(network.backbone, "encoder and decoders")
    for heads, stream in ((network.template_heads, "template"), (network.image_heads, "photos")):
        for part in ("points_trunk", "points", "gaussian_trunk", "gaussians"):
            stopwatch.watch(getattr(heads, part), f"{stream}: {part}")
    arguments = inputs(views, 256, 256, 256, "cpu")
    start, wall = time.process_time(), time.perf_counter()
    network(*arguments)
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = peak_gib()
    print(
        f"{views} view(s) 256²: {seconds:.1f} CPU s ({wall:.1f} s), peak {peak:.2f} GiB;"
        f" the original: {RECORDED_CPU[views]}"
    )
    parts = dict(stopwatch.seconds)
    parts["decoders"] = parts.pop("encoder and decoders") - parts["encoder"]
    for label, spent in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"    {label:24s}{spent:7.2f} s")
    print(f"    {'activations':24s}{seconds - sum(parts.values()):7.2f} s")


def measure_cuda(views: int, height: int, width: int) -> None:
    """Print one warm forward in each precision, and what the faster ones change."""
    network = random_vitl(1024, "cuda")
    arguments = inputs(views, height, width, 1024, "cuda")
    reported = REPORTED_CUDA[views, height, width]
    exact: Branch | None = None
    for name in ("float32", "TF32", "bfloat16"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "TF32"
        with torch.autocast("cuda", torch.bfloat16, enabled=name == "bfloat16"):
            network(*arguments)
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            photos = network(*arguments).image
            torch.cuda.synchronize()
        seconds, peak = time.perf_counter() - start, torch.cuda.max_memory_allocated() / 1e9
        print(f"{views} × {height}×{width} {name}: {seconds:.2f} s, {peak:.1f} GB; the paper: {reported}")
        if exact is None:
            exact = photos.map(Tensor.cpu)
        else:
            print(f"    against float32: {changes(exact, photos.map(Tensor.cpu))}")


def changes(exact: Branch, other: Branch) -> str:
    """Mean absolute difference of every output over its mean size, in words."""
    pairs = {name: (getattr(exact, name), getattr(other, name)) for name in ("means", "covars", "opacities", "sh")}
    return ", ".join(f"{name} {float((b - a).abs().mean() / a.abs().mean()):.1e}" for name, (a, b) in pairs.items())


def measure_loading(path: Path) -> None:
    """Print how long a network takes to load from `path`, with what memory."""
    before = peak_gib()
    start, cpu = time.perf_counter(), time.process_time()
    network = load_network(path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    touched = sum(float(parameter.detach().sum()) for parameter in network.parameters())  # maps are read on first use
    used = time.perf_counter() - start
    peak = peak_gib() - before
    weights = sum(parameter.nbytes for parameter in network.parameters()) / 2**30
    print(
        f"{path.suffix}: loaded in {seconds:.2f} s ({cpu:.2f} CPU s), every weight read by {used:.2f} s,"
        f" {peak / weights:.2f} × the weights' {weights:.2f} GiB (sum {touched:.3g})"
    )


def compare_starts(published: Path, converted: Path, repeats: int = 5) -> None:
    """Print the median time that `load_network` takes for either file, in turn, the file in the page cache."""
    wall: dict[Path, list[float]] = {published: [], converted: []}
    cpu: dict[Path, list[float]] = {published: [], converted: []}
    for path in (published, converted) * repeats:
        start, spent = time.perf_counter(), time.process_time()
        network = load_network(path)
        wall[path].append(time.perf_counter() - start)
        cpu[path].append(time.process_time() - spent)
        del network
    for what, seconds in (("CPU", cpu), ("wall", wall)):
        slow, fast = median(seconds[published]), median(seconds[converted])
        print(f"{what}: {published.suffix} {slow:.2f} s, {converted.suffix} {fast:.2f} s: {slow / fast:.1f} × faster")


def fresh(*arguments: str) -> None:
    """Run one measurement of this file in its own process, so that peaks do not add up."""
    subprocess.run([sys.executable, __file__, "--one", *arguments], check=True)


ONE: dict[str, Callable[..., None]] = {
    "cpu": lambda views: measure_cpu(int(views)),
    "cuda": lambda *sizes: measure_cuda(*map(int, sizes)),
    "load": lambda path: measure_loading(Path(path)),
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--views", type=int, nargs="*", choices=sorted(RECORDED_CPU), default=sorted(RECORDED_CPU))
    parser.add_argument("--checkpoint", type=Path, help="a published checkpoint: time its loading")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        ONE[options.one[0]](*options.one[1:])
    elif options.checkpoint:
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder) / "model.safetensors"
            convert(options.checkpoint, converted)
            for path in (options.checkpoint, converted):
                fresh("load", str(path))
            compare_starts(options.checkpoint, converted)
    elif options.device == "cuda":
        for sizes in REPORTED_CUDA:
            fresh("cuda", *map(str, sizes))
    else:
        for views in options.views:
            fresh("cpu", str(views))


if __name__ == "__main__":
    main()
