"""Where pictures are shaded: once for each pixel, and once more where a second surface takes part of it.

The z-buffer is finer than the picture, so that outlines are smooth; colour and light, which vary slowly over one
surface, are worked out for one of its samples only (as multisampling does on graphics cards).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.synthetic.rasterize import Fragments, face_of, fragments_at, inverse_depth_of

_OTHER_SURFACE_M = 0.03


@dataclass(frozen=True, eq=False)
class Samples:
    """The shaded places of N pictures of S×S pixels; the first Q of them are one for each covered pixel, in order.

    Attributes:
        fragments: [P] places in the finer pictures.
        pixel: [P] flat index into (N, S, S).
        share: [P] the part of the pixel that looks like this.
        covered: [Q] the part of each covered pixel where anything is.
        shape: (N, S, S).
    """

    fragments: Fragments
    pixel: Tensor
    share: Tensor
    covered: Tensor
    shape: tuple[int, int, int]

    def coverage(self) -> Tensor:
        """[N, S, S] from 0 to 1."""
        out = self.covered.new_zeros(self.shape)
        out.view(-1)[self.pixel[: len(self.covered)]] = self.covered
        return out

    def picture(self, values: Tensor) -> Tensor:
        """Values [P, C] averaged over each pixel, zero where nothing is: [N, C, S, S]."""
        n, size, _ = self.shape
        first, channels = len(self.covered), values.shape[1]
        parts = values.T * self.share  # [C, P]
        out = parts.new_zeros(channels, n * size * size)
        out[:, self.pixel[:first]] = parts[:, :first]
        out.index_add_(1, self.pixel[first:], parts[:, first:])
        return out.view(channels, n, size, size).transpose(0, 1)


def choose_samples(
    keys: Tensor, points: Tensor, faces: Tensor, piece: Tensor, supersample: int, lean: Tensor
) -> Samples:
    """Where to shade.

    Args:
        keys: [N, s·S, s·S] from `zbuffer`.
        points: [N, V, 3] as given to it.
        faces: [F, 3] likewise.
        piece: [F] int64, pieces are surfaces of their own.
        supersample: s.
        lean: [N] int64, 0 to 3: which of the four samples around the middle of a pixel comes first, if s is even. It
            is off by half a sample; always the same one would move all that is seen, and all truth, one way.
    """
    n, fine, _ = keys.shape
    s, size = supersample, fine // supersample
    grid = keys.view(n, size, s, size, s)
    anything = grid[:, :, 0, :, 0]
    for k in range(1, s * s):
        anything = anything | grid[:, :, k // s, :, k % s]
    pixel = anything.flatten().nonzero()[:, 0]  # [Q]
    row = pixel // size  # of the picture, pictures below each other
    corner = row * (s * fine) + (pixel - row * size) * s
    offset = torch.arange(s * s, device=keys.device)
    offset = offset // s * fine + offset % s
    block = keys.flatten()[corner[:, None] + offset]  # [Q, s²]
    covered = block > 0
    rank = torch.arange(1, s * s + 1, device=keys.device)
    rank[s // 2 * s + s // 2] = s * s + 1  # nearest to the middle
    rank = rank.view(s, s)
    leaning = torch.stack([rank, rank.flip(1), rank.flip(0), rank.flip(0, 1)]).view(4, s * s)
    rank = leaning.index_select(0, lean).index_select(0, row // size)  # [Q, s²]
    first = (covered * rank).argmax(1, keepdim=True)
    depth = 1 / inverse_depth_of(block).clamp_min(1e-6)
    surface = piece[face_of(block)]
    other = ((depth - depth.gather(1, first)).abs() > _OTHER_SURFACE_M) | (surface != surface.gather(1, first))
    other &= covered
    more = other.any(1).nonzero()[:, 0]
    elsewhere = other[more]
    second = (elsewhere * rank[more]).argmax(1)

    owner = torch.cat([pixel, pixel[more]])
    at = torch.cat([corner + offset[first[:, 0]], corner[more] + offset[second]])
    number = covered.sum(1)
    taken = elsewhere.sum(1)
    share = torch.cat([number, taken]).float()
    share[more] -= taken
    fragments = fragments_at(keys, at, points, faces)
    return Samples(fragments, owner, share / (s * s), number / (s * s), (n, size, size))
