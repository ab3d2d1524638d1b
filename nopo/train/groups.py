"""Who learns from whom in one step: people whose photos fit into windows of one width make a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.encode.config import PATCH, ModelConfig
from nopo.encode.window import window_columns
from nopo.synthetic.dataset import Batch


@dataclass(frozen=True, eq=False)
class Group:
    """People whose photos are looked at through windows of one width: their numbers, and first columns [n, V]."""

    people: list[int]
    starts: Tensor
    width: int

    def look_at(self, batch: Batch) -> Batch:
        """These people, seen through the windows."""
        some = batch.people_in(self.people)
        return some if self.width == batch.masks.shape[-1] else some.columns_in(self.starts, self.width)


def share_out(batch: Batch, config: ModelConfig, learners: int) -> list[list[Group]]:
    """Who learns from whom: for every learner groups of about equal work, the same for the same batch."""
    people, full = list(range(len(batch.people))), batch.masks.shape[-1]
    if not config.windowed:
        starts = torch.zeros(batch.masks.shape[:2], dtype=torch.int64)
        return [[Group(share, starts[share], full)] for k in range(learners) if (share := people[k::learners])]
    windows = [window_columns(batch.masks[one], PATCH) for one in people]
    shares: list[list[Group]] = [[] for _ in range(learners)]
    work = [0] * learners
    for width in sorted({width for _, width in windows}, reverse=True):
        alike = [one for one in people if windows[one][1] == width]
        order = sorted(range(learners), key=work.__getitem__)  # the least busy first: it gets the odd one
        for k, learner in enumerate(order):
            mine = alike[k::learners]
            if mine:
                shares[learner].append(Group(mine, torch.stack([windows[one][0] for one in mine]), width))
                work[learner] += width * len(mine)
    return [share for share in shares if share]
