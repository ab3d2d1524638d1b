"""Transformer blocks: attention with two-dimensional rotary positions (RoPE2D)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nopo.encode.config import HEAD_WIDTH

ROPE_BASE = 100.0
NORM_EPS = 1e-6


@dataclass(frozen=True, eq=False)
class Rotary:
    """Rotation angles of a token grid, as RoFormer's (Su et al., 2021) in each of two directions.

    Attributes:
        cos: (n, 2, 1, 16) cosines: token, (row, column), 1, frequency.
        sin: (n, 2, 1, 16) sines.
    """

    cos: Tensor
    sin: Tensor

    @staticmethod
    def grid(rows: int, columns: int, like: Tensor) -> Rotary:
        """Angles of the row-major grid of integer positions, in the dtype and on the device of `like`."""
        steps = torch.arange(HEAD_WIDTH // 4, dtype=torch.float64, device=like.device)
        frequencies = ROPE_BASE ** (-steps / steps.numel())  # [16]
        r, c = torch.meshgrid(
            torch.arange(rows, dtype=torch.float64, device=like.device),
            torch.arange(columns, dtype=torch.float64, device=like.device),
            indexing="ij",
        )
        angles = torch.stack([r, c], -1).reshape(-1, 2, 1, 1) * frequencies  # [n, 2, 1, 16]
        return Rotary(angles.cos().to(like.dtype), angles.sin().to(like.dtype))

    def turn(self, x: Tensor) -> Tensor:
        """Rotate queries or keys [..., n, 64]: channels (k, k + 16) of each half form a pair."""
        first, second = x.unflatten(-1, (2, 2, -1)).split(1, dim=-2)  # each [..., n, 2, 1, 16]
        turned = torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], -2)
        return turned.flatten(-3).to(x.dtype)  # under autocast x is shorter than the angles


def _split_heads(x: Tensor) -> Tensor:
    """[N, n, heads · 64] -> [N, heads, n, 64]."""
    return x.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of [N, heads, n, 64] over [N, heads, m, 64] -> [N, n, heads · 64]."""
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)


class SelfAttention(nn.Module):
    """Every token looks at every token of its own sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        """[N, n, width] -> [N, n, width]."""
        q, k, v = (_split_heads(part) for part in self.qkv(x).chunk(3, dim=-1))
        return self.out(_attend(rotary.turn(q), rotary.turn(k), v))


class CrossAttention(nn.Module):
    """Tokens look at the tokens of other sequences, whose keys and values are made once and may be shared."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def memory(self, y: Tensor, rotary: Rotary) -> Tensor:
        """Keys and values of [N, m, width], stacked: [2, N, heads, m, 64]."""
        return torch.stack([rotary.turn(_split_heads(self.k(y))), _split_heads(self.v(y))])

    def forward(self, x: Tensor, rotary: Rotary, memory: Tensor) -> Tensor:
        """[N, n, width] over memory [2, N, heads, m, 64] -> [N, n, width]."""
        return self.out(_attend(rotary.turn(_split_heads(self.q(x))), memory[0], memory[1]))


class MLP(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]."""
        return self.fc2(F.gelu(self.fc1(x)))


class EncoderBlock(nn.Module):
    """Pre-norm ViT block."""

    def __init__(self, width: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = MLP(width, mlp_ratio)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        """[N, n, width] -> [N, n, width]."""
        x = x + self.attention(self.norm1(x), rotary)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """Pre-norm block: attention to its own sequence, then to a memory of other sequences, then the MLP."""

    def __init__(self, width: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.norm_memory = nn.LayerNorm(width, eps=NORM_EPS)
        self.cross = CrossAttention(width)
        self.norm3 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = MLP(width, mlp_ratio)

    def memory(self, y: Tensor, rotary: Rotary) -> Tensor:
        """What this block will see of the tokens y [N, m, width]: [2, N, heads, m, 64]."""
        return self.cross.memory(self.norm_memory(y), rotary)

    def forward(self, x: Tensor, rotary: Rotary, memory: Tensor) -> Tensor:
        """[N, n, width] with memory [2, N, heads, m, 64] -> [N, n, width]."""
        x = x + self.attention(self.norm1(x), rotary)
        x = x + self.cross(self.norm2(x), rotary, memory)
        return x + self.mlp(self.norm3(x))
