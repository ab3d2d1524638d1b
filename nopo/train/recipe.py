"""How the open model is trained: every number that shapes a run, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from nopo.synthetic.things import SHARE
from nopo.train.losses import LossWeights


@dataclass(frozen=True)
class Stage:
    """One part of the curriculum, until `until` photos have been seen.

    Attributes:
        until: photos seen when the stage ends.
        size: side of the square photos, pixels.
        frontal: share of the first photos that show the person from the front (±45°); the rest come from all around.
        views: chances of 1, 2, 3… photos a person.
        taken: photos that are taken of a person who is learned from one photo at a time: the second and the third cost
            half of the first.
    """

    until: float
    size: int
    frontal: float
    views: tuple[float, ...] = (0.5, 0.2, 0.2, 0.1)
    taken: int = 3


@dataclass(frozen=True)
class Recipe:
    """Settings of a run. They are not saved with its state: a resumed run goes by today's.

    Attributes:
        seed: of the initial weights and of the endless stream of people.
        photos: photos in one step, about, half of them mirror images.
        learning_rate: peak, after `warmup` steps; from step `decay_after` on it falls with their inverse square root.
        weight_decay: of matrices and convolutions, times the learning rate.
        clip_norm: longest gradient.
        ema: decay of the averaged weights, which are the ones that are shipped.
        told: share of the photos whose true facing direction the network is told; for the rest it goes by its own.
        remembered: people from the memory that the shape head reads in each step besides.
        things: share of the photos in which something that is not the person is before them, see `make_batch`.
        stages: one photo at a time first.
        loss: what the terms of the loss count.
    """

    seed: int = 0
    photos: int = 32
    learning_rate: float = 1.2e-3
    warmup: int = 100
    decay_after: int = 3000
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    ema: float = 0.996
    told: float = 0.3
    remembered: int = 128
    things: float = SHARE
    stages: tuple[Stage, ...] = (
        Stage(20_000, 128, 0.3, views=(1.0,)),
        Stage(290_000, 128, 0.3, views=(0.75, 0.1, 0.1, 0.05)),
        Stage(400_000, 160, 0.3, views=(0.75, 0.1, 0.1, 0.05)),
        Stage(math.inf, 192, 0.3, views=(0.75, 0.1, 0.1, 0.05)),
    )
    loss: LossWeights = field(default_factory=LossWeights)

    def stage(self, seen: int) -> Stage:
        """The stage that a run is in after `seen` photos."""
        return next(stage for stage in self.stages if seen < stage.until)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        decay = (self.decay_after / max(step, self.decay_after)) ** 0.5
        return self.learning_rate * min((step + 1) / self.warmup, decay)
