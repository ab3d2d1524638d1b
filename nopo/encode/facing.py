"""Which way the person in each photo faces: a back looks much like a front, so it is asked outright and told onwards.

Without this the network takes every photo for a front: the error of a wrong guess is the same for all pixels, and no
single pixel shows the answer. The head is our own addition (the original has none); docs/OPEN_MODEL.md measures it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HIDDEN = 64
HARMONICS = 4  # sine and cosine of the angle and of twice the angle


class Facing(nn.Module):
    """Every token votes for the direction; the answer then scales and shifts all tokens of its photo."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, HIDDEN)
        self.votes = nn.Linear(HIDDEN, 3)
        self.heard = nn.Linear(HARMONICS, HIDDEN)
        self.modulation = nn.Linear(HIDDEN, 2 * width)
        if not self.modulation.weight.is_meta:  # tokens pass unchanged at first
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, told: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Find the direction and tell it to the tokens.

        Args:
            tokens: [N, n, C] of N photos.
            told: [N, 2] directions to go on with in place of those that were found; rows of NaN are left as found.

        Returns:
            tokens [N, n, C] and the direction that was found [N, 2]: (sin, cos) of the angle between the person's front
            and the way to the camera, (0, 1) for a front and (1, 0) for one who looks to the picture's right; shorter
            than 1 the less certain it is.
        """
        votes = self.votes(nn.functional.gelu(self.hidden(tokens))).float()  # [N, n, 3]
        found = (votes[..., 2:].softmax(1) * votes[..., :2]).sum(1)  # [N, 2]
        found = found / found.norm(dim=-1, keepdim=True).clamp_min(1)
        known = found.detach()  # the head learns from its own loss alone
        if told is not None:
            known = torch.where(told.isnan(), known, told)
        sine, cosine = known.unbind(-1)
        angle = torch.stack([sine, cosine, 2 * sine * cosine, cosine.square() - sine.square()], -1)  # [N, 4]
        scale, shift = self.modulation(nn.functional.gelu(self.heard(angle.to(tokens.dtype))))[:, None].chunk(2, -1)
        return tokens * (1 + scale) + shift, found
