"""Which way the person in each photo faces: a back looks much like a front, so it is asked outright and told onwards.

Without this the network takes every photo for a front: only the few pixels of the head show the answer, and what they
are worth all over the body is found out last. So a small convolutional network of its own is taught first where the
head is, then what it says, and its answer reaches every token. Our own addition (the original has none);
docs/OPEN_MODEL.md measures it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nopo.encode.norm import GroupNorm
from nopo.errors import NopoError

CELL = 8
"""Pixels on a side of one cell of the map in which the head is looked for."""

DIRECTIONS: dict[str, tuple[float, float]] = {
    "front": (0.0, 1.0), "back": (0.0, -1.0), "left": (-1.0, 0.0), "right": (1.0, 0.0),
}  # fmt: skip
"""Ways to face by name: left and right are those of the picture."""

DEPTH = 1
"""Further blocks at the coarsest level; two more had learned nothing after 40,000 photos."""

HIDDEN = 64
HARMONICS = 4  # sine and cosine of the angle and of twice the angle


def directions(names: Sequence[str | None]) -> Tensor:
    """What a user says of each photo [V, 2]; NaN for "auto" or None, which leave it to the network.

    Raises:
        NopoError: no such direction.
    """
    rows = []
    for name in names:
        if name not in (None, "auto", *DIRECTIONS):
            raise NopoError(f"A person faces {', '.join(DIRECTIONS)} or auto, not {name}.")
        rows.append(DIRECTIONS.get(name or "auto", (torch.nan, torch.nan)))
    return torch.tensor(rows)


class Residual(nn.Module):
    """x + two convolutions with norms; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = GroupNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = GroupNorm(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, C, h, w]."""
        return x + self.norm2(self.conv2(F.silu(self.norm1(self.conv1(x)))))


def glance(inputs: int, channels: tuple[int, int, int]) -> nn.Sequential:
    """A small convolutional network that looks at a photo: [N, inputs, H, W] -> [N, channels[-1], H/8, W/8]."""
    layers: list[nn.Module] = []
    for before, after in zip((inputs, *channels), channels, strict=False):
        shrink = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        layers += [shrink, GroupNorm(after), nn.SiLU(inplace=True), Residual(after)]
    return nn.Sequential(*layers, *(Residual(channels[-1]) for _ in range(DEPTH)))


class Facing(nn.Module):
    """Two votes, one where the head is and one wherever it helps; the answer scales and shifts all tokens.

    Args:
        inputs: channels of the photos.
        channels: of the maps at 1/2, 1/4 and 1/8 of their size.
        width: C of the tokens.
    """

    def __init__(self, inputs: int, channels: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.look = glance(inputs, channels)
        self.hidden = nn.Linear(channels[-1], HIDDEN)
        self.votes = nn.Linear(HIDDEN, 6)
        self.heard = nn.Linear(HARMONICS, HIDDEN)
        self.modulation = nn.Linear(HIDDEN, 2 * width)
        nn.init.zeros_(self.modulation.weight)  # tokens pass unchanged at first
        nn.init.zeros_(self.modulation.bias)

    def ask(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Find the direction.

        Args:
            photos: [N, channels, H, W] in [-1, 1].

        Returns:
            the direction [N, 2]: (sin, cos) of the angle between the person's front and the way to the camera, (0, 1)
            for a front and (1, 0) for one who looks to the picture's right; the shorter the less certain. And log odds
            [N, H/8, W/8] of where the head is.
        """
        seen = self.look(photos)  # [N, C, h, w]
        cells = seen.flatten(2).transpose(1, 2)
        votes = self.votes(F.gelu(self.hidden(cells))).to(self.votes.weight)  # [N, h·w, 6] also under autocast
        head, elsewhere = votes.split(3, -1)
        found = sum((part[..., 2:].softmax(1) * part[..., :2]).sum(1) for part in (head, elsewhere))
        assert isinstance(found, Tensor)
        found = found / found.norm(dim=-1, keepdim=True).clamp_min(1)
        return found, head[..., 2].unflatten(1, seen.shape[-2:])

    def tell(self, tokens: Tensor, direction: Tensor) -> Tensor:
        """Tokens [N, n, C] that know the direction [N, 2] of their photo."""
        sine, cosine = direction.unbind(-1)
        angle = torch.stack([sine, cosine, 2 * sine * cosine, cosine.square() - sine.square()], -1)  # [N, 4]
        scale, shift = self.modulation(F.gelu(self.heard(angle)))[:, None].chunk(2, -1)
        return tokens * (1 + scale) + shift
