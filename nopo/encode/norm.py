"""The norm between the levels of the open model's convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUPS = 8


class GroupNorm(nn.GroupNorm):
    """Of `GROUPS` groups, in its weights' precision: on a CPU, bfloat16 takes four times as long backwards."""

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, h, w] -> the same, in the dtype that it came in."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype)).to(input.dtype)
