"""`nopo train open`: an endless run on synthetic people that can be killed and resumed at any moment."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.body.template import Template
from nopo.encode.checkpoint import load_network, read_metadata, save_network
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.errors import TrainingError
from nopo.synthetic.dataset import Batch
from nopo.train.gradients import gradients_of
from nopo.train.memory import Memory
from nopo.train.optimizers import optimizers_of
from nopo.train.people import dice, people_ahead, photos_of
from nopo.train.recipe import Recipe
from nopo.train.shapes import know_people
from nopo.train.state import HISTORY, append_history, load_state, save_state
from nopo.weights import resolve

LOGGER = logging.getLogger(__name__)

SAVE_SECONDS = 60.0
REPORT_STEPS = 50
CHECKPOINT = "open.safetensors"
COOLED, COOLED_HISTORY = "cooled.safetensors", "cooled.jsonl"
"""What a cooldown writes: the run that goes on overwrites neither the better checkpoint nor this branch's history."""

PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass
class Run:
    """Everything that a resumed run needs; tensors live on the training device.

    Attributes:
        step: optimiser steps done.
        seen: photos seen.
        seconds: time spent training, over all sittings.
        memory: the last people's landmarks.
        pace: factor on the learning rate; not saved.
    """

    network: Network
    ema: dict[str, Tensor]
    optimizers: list[torch.optim.Optimizer]
    memory: Memory
    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    pace: float = 1.0

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for `save_state`."""
        return {
            "config": self.network.config.to_dict(), "network": self.network.state_dict(), "ema": self.ema,
            "optimizers": [one.state_dict() for one in self.optimizers], "memory": self.memory.state(),
            "step": self.step, "seen": self.seen, "seconds": self.seconds,
        }  # fmt: skip


def train_open(
    out: Path,
    minutes: float,
    device: str = "cpu",
    precision: str = "fp32",
    *,
    resume: bool = False,
    scratch: bool = False,
    cooldown: bool = False,
    pace: float = 1.0,
    recipe: Recipe | None = None,
    config: ModelConfig | None = None,
    sheet_minutes: float = 20.0,
    threads: int | None = None,
    max_steps: int | None = None,
) -> Path:
    """Train the open model for some minutes.

    Args:
        out: folder of the run: state, history, checkpoint and sample sheets; a cooldown's checkpoint and history have
            names of their own there.
        minutes: wall-clock time to spend in this call.
        device: "cpu" or "cuda".
        precision: "fp32", "bf16" (autocast) or, on CUDA only, "tf32".
        resume: go on from the folder's state; without one, from the shipped checkpoint.
        scratch: with no state, start from random weights rather than from the shipped checkpoint.
        cooldown: let the learning rate fall to zero over these minutes, and leave the folder's state as it was: the
            checkpoint is better than the run's own average, and the run can still go on at full rate.
        pace: factor on the recipe's learning rate: a checkpoint that has cooled down already gets worse at full rate
            before it gets better.
        recipe: other than the default one.
        config: of a new network; the preset `open` by default.
        sheet_minutes: time between sample sheets; 0 draws none.
        threads: of the CPU that learn, each from its share of a step's people; one more makes the next people. All
            cores if None, and always one where the learning is done on a GPU.
        max_steps: stop after so many optimiser steps of this call, if the time does not end first.

    Returns:
        The written checkpoint (averaged weights, fp16 safetensors).

    Raises:
        TrainingError: the folder holds another run, no such device, or the disk is full.
        WeightsError: the shipped checkpoint is missing; start with `scratch`.
    """
    recipe = recipe or Recipe()
    _check(device, precision)
    learners = 1 if device == "cuda" else threads or torch.get_num_threads()
    seconds = max(60 * minutes, 1e-3)
    out.mkdir(parents=True, exist_ok=True)
    with _torch_set_for(device, precision):
        run = _start(out, device, recipe, config or ModelConfig.open(), resume, scratch)
        run.pace = pace
        template = load_open_body().template(run.network.config.template_size)
        started = saved = drawn = time.monotonic()
        before, last = run.seconds, math.inf if max_steps is None else run.step + max_steps
        for report in _steps(run, template, recipe, device, precision, learners):
            now = time.monotonic()
            run.seconds = before + now - started
            done = now - started > seconds or run.step >= last
            run.pace = pace * (max(0.0, 1 - (now - started) / seconds) if cooldown else 1.0)
            if report:
                append_history(out, report, COOLED_HISTORY if cooldown else HISTORY)
            if not cooldown and (done or now - saved > SAVE_SECONDS):
                save_state(out, run.state())
                saved = now
            if sheet_minutes and (done or now - drawn > 60 * sheet_minutes):
                _draw(out, run, template)
                drawn = time.monotonic()
            if done:
                break
    return write_checkpoint(out, run, COOLED if cooldown else CHECKPOINT)


@contextmanager
def _torch_set_for(device: str, precision: str) -> Iterator[None]:
    """Torch as this run wants it: on a CPU one thread for each learner, TF32 only if it was asked for."""
    threads = torch.get_num_threads()
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def write_checkpoint(out: Path, run: Run, name: str = CHECKPOINT) -> Path:
    """The averaged weights as fp16 safetensors, ready to be evaluated and shipped."""
    network = averaged(run)
    path = out / name
    save_network(network, path, metadata={"step": str(run.step), "photos_seen": str(run.seen)})
    return path


def averaged(run: Run) -> Network:
    """A copy of the network with the averaged weights, on the CPU, in eval mode."""
    network = Network(run.network.config)
    network.load_state_dict({name: tensor.cpu() for name, tensor in run.ema.items()})
    return network.eval()


def _check(device: str, precision: str) -> None:
    if precision not in PRECISIONS:
        raise TrainingError(f"Precision must be one of {', '.join(PRECISIONS)}, not {precision}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("No CUDA device was found; train with --device cpu, or install a CUDA build of torch.")
    if device == "cpu" and precision == "tf32":
        raise TrainingError("Precision tf32 needs --device cuda; on the CPU there are fp32 and bf16.")
    if device == "cpu" and precision == "bf16" and "AVX512" not in torch.backends.cpu.get_cpu_capability():
        LOGGER.warning("This processor computes bf16 in software, about ten times slower than fp32: use fp32 here.")


def _start(out: Path, device: str, recipe: Recipe, config: ModelConfig, resume: bool, scratch: bool) -> Run:
    """Resume the folder's run, or begin one from the shipped checkpoint or from random weights."""
    state = load_state(out)
    if state is not None and not resume:
        raise TrainingError(f"{out.name} already holds a run; add --resume to go on, or choose another folder.")
    torch.manual_seed(recipe.seed)
    seen = 0
    if state is not None:
        network = Network(ModelConfig.from_dict(state["config"]))
        if not {"optimizers", "memory"} <= state.keys() or state["network"].keys() != network.state_dict().keys():
            raise TrainingError(
                f"{out.name} holds a run of another version of nopo, whose network had other parts; start a new one in "
                "another folder."
            )
        network.load_state_dict(state["network"])
        LOGGER.info("Resuming from step %d (%d photos seen).", state["step"], state["seen"])
    elif not scratch:
        shipped = resolve("open")
        network, grown = _grown(load_network(shipped), config)
        seen = int(read_metadata(shipped).get("photos_seen", 0))  # the curriculum goes on where it was
        LOGGER.info("Starting from the shipped checkpoint, step 0 of a new run; new in the network: %d tensors.", grown)
    else:
        network = Network(config)
        know_people(network, recipe.seed)
        LOGGER.info("Starting from random weights (seed %d), step 0.", recipe.seed)
    network = network.to(device).train()
    optimizers, memory = optimizers_of(network, recipe), Memory(network)
    if state is None:
        ema = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        return Run(network, ema, optimizers, memory, seen=seen)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        today = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
        optimizer.load_state_dict(saved)
        for group, settings in zip(optimizer.param_groups, today, strict=True):
            group.update(settings)  # a resumed run goes by today's recipe
    memory.load(state["memory"])
    ema = {name: tensor.to(device) for name, tensor in state["ema"].items()}
    return Run(network, ema, optimizers, memory, state["step"], state["seen"], state["seconds"])


def _grown(network: Network, config: ModelConfig) -> tuple[Network, int]:
    """The network in today's configuration, and how many of its tensors are new: parts that it did not have yet."""
    larger = Network(config)
    try:
        unfit = larger.load_state_dict(network.state_dict(), strict=False)
    except RuntimeError as error:  # shapes differ
        raise TrainingError(
            "The shipped checkpoint has other sizes than the network that is to be trained; start with --scratch."
        ) from error
    return larger, len(unfit.missing_keys)


def _steps(
    run: Run, template: Template, recipe: Recipe, device: str, precision: str, learners: int = 1
) -> Iterator[dict[str, float] | None]:
    """Train for ever; after each step yield None, or a report every REPORT_STEPS."""
    sums: dict[str, tuple[float, int]] = {}
    clock, seen = time.monotonic(), run.seen
    with closing(people_ahead(recipe, run.seen, run.network.config.template_size, device)) as coming:
        for batch in coming:
            terms = _step(run, batch, template, recipe, device, precision, learners)
            run.step, run.seen = run.step + 1, run.seen + photos_of(batch)
            for name, value in terms.items():
                total, count = sums.get(name, (0.0, 0))
                sums[name] = total + value, count + 1
            if run.step % REPORT_STEPS:
                yield None
                continue
            now = time.monotonic()
            means = {name: total / count for name, (total, count) in sums.items()}
            report = {"step": run.step, "seen": run.seen, "size": batch.images.shape[-1],
                      "photos_per_second": (run.seen - seen) / (now - clock), **means}  # fmt: skip
            LOGGER.info("%s", "  ".join(f"{name} {value:.4g}" for name, value in report.items()))
            yield report
            sums, clock, seen = {}, time.monotonic(), run.seen


def _step(
    run: Run, batch: Batch, template: Template, recipe: Recipe, device: str, precision: str, learners: int = 1
) -> dict[str, float]:
    """One optimiser step; returns the loss terms and the canonical error in centimetres."""
    told = _told(batch, recipe, run.seen)
    gradients, figures, landmarks = gradients_of(
        run.network, batch, told, template, recipe.loss, device, precision, learners
    )  # fmt: skip
    for parameter, gradient in zip(run.network.parameters(), gradients, strict=True):
        parameter.grad = torch.empty_like(parameter)  # laid out in memory like the weights: the optimiser pairs them so
        parameter.grad.copy_(gradient)
    run.memory.add(landmarks, batch, template)
    read = run.memory.add_gradients(recipe.loss, recipe.remembered, dice(recipe, run.seen))
    _update(run, recipe)
    return read | figures


def _update(run: Run, recipe: Recipe) -> None:
    """Go along the gradients at hand, and take the new weights into the average."""
    for group in (group for optimizer in run.optimizers for group in optimizer.param_groups):
        group["lr"] = recipe.rate(run.step) * run.pace
    norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip_norm)
    if math.isfinite(float(norm)):  # a single bad person must not end a run of days
        for optimizer in run.optimizers:
            optimizer.step()
    decay = min(recipe.ema, (run.step + 1) / (run.step + 10))
    with torch.no_grad():
        torch._foreach_lerp_(list(run.ema.values()), list(run.network.state_dict().values()), 1 - decay)


def _told(batch: Batch, recipe: Recipe, seen: int) -> Tensor:
    """The directions that the network is told [B, V, 2]: a share of the photos' true ones, NaN for the others."""
    told = torch.rand(batch.facing.shape[:2], generator=dice(recipe, seen)).to(batch.facing.device) < recipe.told
    return torch.where(told[..., None], batch.facing, torch.nan)


def _draw(out: Path, run: Run, template: Template) -> None:
    from nopo.evaluate.sheet import write_sheet
    from nopo.pipeline import Pipeline

    write_sheet(out / f"sheet_{run.seen:08d}.png", Pipeline(averaged(run), template, torch.device("cpu")))
