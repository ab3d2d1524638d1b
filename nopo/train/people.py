"""Who is learned from: the people of every step, made ahead while the network learns from those before."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import torch

from nopo.synthetic.dataset import Batch, make_batch
from nopo.synthetic.dice import seeded
from nopo.synthetic.mirror import with_mirrored
from nopo.train.recipe import Recipe

STEPS_AHEAD = 3
"""People are made for so many steps to come: whoever waits for somebody else makes people meanwhile."""


def dice(recipe: Recipe, seen: int) -> torch.Generator:
    """What decides about one step: a function of seed and photos seen, so that a resumed run goes on alike."""
    return seeded(recipe.seed * 1_000_000_007 + seen, held_out=False)


def next_batch(recipe: Recipe, seen: int, uv_size: int, device: str) -> Batch:
    """The people of the step after `seen` photos, and the same in a mirror."""
    generator = dice(recipe, seen)
    stage = recipe.stage(seen)
    views = 1 + int(torch.multinomial(torch.tensor(stage.views), 1, generator=generator))
    taken = stage.taken if views == 1 else views
    people = max(1, round(recipe.photos / taken / 2))
    batch = make_batch(
        generator, people, taken, stage.size, device=device, frontal=stage.frontal, same_pose=0.3,
        things=recipe.things, uv_size=uv_size, uv_truth=False,
    )  # fmt: skip
    return with_mirrored(batch.singles() if views == 1 else batch)


def photos_of(batch: Batch) -> int:
    """How many photos a batch has."""
    return batch.images.shape[0] * batch.images.shape[1]


def people_ahead(recipe: Recipe, seen: int, uv_size: int, device: str) -> Generator[Batch, None, None]:
    """The batches of all steps after `seen` photos, for ever, as `next_batch` makes them; close it when done."""

    def make() -> Batch:
        nonlocal seen
        batch = next_batch(recipe, seen, uv_size, device)
        seen += photos_of(batch)
        return batch

    with ThreadPoolExecutor(1, "nopo-people") as maker:
        coming = deque(maker.submit(make) for _ in range(STEPS_AHEAD))
        try:
            while True:
                batch = coming.popleft().result()
                coming.append(maker.submit(make))
                yield batch
        finally:
            maker.shutdown(cancel_futures=True)  # nobody waits for people whom nobody will see
