"""Random choices in plain Python numbers, drawn from a seed that comes out of a torch generator."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")

HALF = 2**31


def seeded(seed: int, held_out: bool) -> torch.Generator:
    """A CPU generator for training, or one whose numbers training never draws.

    Of a seed these generators take 32 bits; the highest of them tells the two apart.
    """
    return torch.Generator().manual_seed(seed % HALF + (0 if held_out else HALF))


class Dice:
    """Random numbers that are the same on every device: seeded once from a CPU `torch.Generator`.

    A person takes a few hundred choices; a Python generator makes each of them in a tenth of the time of a tensor.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    @staticmethod
    def of(generator: torch.Generator) -> Dice:
        """New dice from the next number of a CPU generator."""
        return Dice(int(torch.randint(2**62, (), generator=generator)))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._random.random()

    def normal(self, sigma: float = 1.0, mean: float = 0.0) -> float:
        """A Gaussian number, cut at 2.5 sigma."""
        return mean + sigma * max(-2.5, min(2.5, self._random.gauss(0, 1)))

    def log_uniform(self, low: float, high: float) -> float:
        """A number in [low, high) whose logarithm is uniform."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def integer(self, below: int) -> int:
        """A whole number in [0, below)."""
        return self._random.randrange(below)

    def choose(self, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the items."""
        return self._random.choices(items, weights)[0]

    def vector(self, length: int, sigma: float = 1.0) -> list[float]:
        """Independent Gaussian numbers."""
        return [self._random.gauss(0, sigma) for _ in range(length)]

    def generator(self) -> torch.Generator:
        """A CPU torch generator, for whole tensors of noise."""
        return torch.Generator().manual_seed(self.seed())

    def seed(self) -> int:
        """A number to start other dice from."""
        return self._random.getrandbits(62)
