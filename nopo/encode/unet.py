"""The open model's network of the photos: convolutions down to an eighth of a person, and back to a point a pixel.

A U-Net (Ronneberger et al., 2015). Where on the body a pixel lies is mostly a matter of what is near it, which
convolutions learn from several times fewer photos than the original's transformer does; inside this network a
transformer had no say at all (docs/OPEN_MODEL.md). The original has none of this.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nopo.encode.attention import NORM_EPS
from nopo.encode.config import ModelConfig
from nopo.encode.dpt import Pointwise, Readout
from nopo.encode.facing import Facing, glance
from nopo.encode.norm import GroupNorm

BEARINGS = 6
SUBPIXELS = 2
"""The finest level has half the photo's resolution; each of its cells speaks for so many pixels a side."""


@dataclass(frozen=True, eq=False)
class PhotoMaps:
    """What the U-Net says of N photos.

    Attributes:
        points: raw, [N, 3 or 4, H, W]: metres, and the log of their error's scale.
        opacity: raw, [N, 1, H, W].
        bone_logits: of every cell of 2×2 pixels, [N, 69, H/2, W/2].
        cells: everything that is known of each cell of 16×16 pixels, about 1 in size, [N, H/16·W/16, C].
        facing: the direction that each person seems to face, [N, 2] (see `Facing`).
        head: log odds of where the head is, [N, H/8, W/8].
        known: the directions that the layers went by, [N, 2], told or found; without gradients.
    """

    points: Tensor
    opacity: Tensor
    bone_logits: Tensor
    cells: Tensor
    facing: Tensor
    head: Tensor
    known: Tensor


class ResidualBlock(nn.Module):
    """x + conv(SiLU(conv(SiLU(x)))); starts as the identity. Norms stand between the levels only: half the time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, C, h, w]."""
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Down(nn.Module):
    """To half the resolution."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.norm = GroupNorm(channels_out)
        self.blocks = nn.Sequential(*(ResidualBlock(channels_out) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, C', h/2, w/2]."""
        return self.blocks(F.silu(self.norm(self.shrink(x))))


class Up(nn.Module):
    """To double the resolution, where the way down left its map."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int) -> None:
        super().__init__()
        self.narrow = Pointwise(channels_in, channels_out, bias=False)
        self.norm = GroupNorm(channels_out)
        self.blocks = nn.Sequential(*(ResidualBlock(channels_out) for _ in range(blocks)))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[N, C, h, w] and the map [N, C', 2h, 2w] of the way down -> [N, C', 2h, 2w]."""
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.blocks(F.silu(self.norm(x + skip)))


def bearings(masks: Tensor, direction: Tensor) -> Tensor:
    """Which side of the picture is whose side: what a network cannot see from the colours near a pixel.

    Seen by somebody who faces the camera, the picture's left is their right; seen from behind it is their left. The
    product says it outright, else it takes a network thousands of photos to find that it has to multiply.

    Args:
        masks: [N, H, W] foreground in [0, 1].
        direction: [N, 2] sine and cosine, see `nopo.encode.facing.Facing`.

    Returns:
        [N, 6, H, W]: column and row from the middle of the person, half the photo's height being 1; column × cosine,
        column × sine, cosine, sine.
    """
    n, height, width = masks.shape
    row = (torch.arange(height).to(masks) + 0.5) * (2 / height) - 1
    column = ((torch.arange(width).to(masks) + 0.5) * 2 - width) / height
    weight = masks.sum((1, 2)).clamp_min(1e-3)
    middle_row, middle_column = ((masks.sum(k) * at).sum(1) / weight for k, at in ((2, row), (1, column)))  # [N] each
    rows = (row - middle_row[:, None])[:, :, None].expand(n, height, width)
    columns = (column - middle_column[:, None])[:, None].expand(n, height, width)
    sine, cosine = (part[:, None, None].expand_as(rows) for part in direction.unbind(-1))
    return torch.stack([columns, rows, columns * cosine, columns * sine, cosine, sine], 1)


class UNet(nn.Module):
    """Photos to raw maps at their own resolution.

    Every pixel has its own point, error and opacity; the four pixels of a cell share their skinning.

    Attributes:
        cell_channels: C of `PhotoMaps.cells`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.unet is not None and config.facing is not None
        channels, blocks = config.unet, config.unet_blocks
        sizes = zip((config.input_channels + BEARINGS, *channels), channels, blocks, strict=False)
        self.down = nn.ModuleList(Down(before, after, count) for before, after, count in sizes)
        self.norm = nn.LayerNorm(channels[-1], eps=NORM_EPS)
        self.facing = Facing(config.input_channels, config.facing, channels[-1])
        self.told_norm = nn.LayerNorm(channels[-1], eps=NORM_EPS)
        sizes = zip(channels[:0:-1], channels[-2::-1], blocks[-2::-1], strict=True)
        self.up = nn.ModuleList(Up(before, after, (count + 1) // 2) for before, after, count in sizes)
        # A cell of 16×16 pixels, the four of 8×8 that it is made of, and what a network of its own sees of them, which
        # learns from what the cells are asked for; to the U-Net that would be noise (docs/OPEN_MODEL.md), it learns
        # nothing from it. Norms, because the levels' sizes differ a hundredfold, and grow: what reads the cells fell
        # silent without.
        self.glance = glance(config.input_channels, config.facing)
        widths = (channels[-1], 4 * channels[-2], 4 * config.facing[-1])
        self.cell_norms = nn.ModuleList(nn.LayerNorm(width, eps=NORM_EPS) for width in widths)
        self.cell_channels = sum(widths)
        finest = channels[0]
        self.points = Readout(finest, SUBPIXELS**2 * (3 + config.uncertainty))
        self.opacity = Readout(finest, SUBPIXELS**2)
        self.bones = Readout(finest, config.gaussian_channels["bone_logits"])

    def start(self, opacity: float, log_error: float) -> None:
        """Begin with photos collapsed to within two metres, of these log odds of opacity and log error in metres."""
        nn.init.zeros_(self.opacity.weight)
        # The points' own weights stay about as large as they are: with small ones everybody is an average for 10,000
        # photos.
        with torch.no_grad():
            self.points.weight[: 3 * SUBPIXELS**2] *= 0.75
            self.points.weight[3 * SUBPIXELS**2 :] = 0
            self.points.bias[3 * SUBPIXELS**2 :] = log_error
            self.opacity.bias[:] = opacity

    def forward(self, photos: Tensor, told_facing: Tensor | None = None) -> PhotoMaps:
        """Photos with their mattes [N, 4, H, W] in [-1, 1] to everything that is said of them.

        `told_facing` [N, 2] takes the place of the directions that `Facing` finds; rows of NaN are found.
        """
        facing, head = self.facing.ask(photos)
        known = facing.detach()  # it learns from the truth alone
        if told_facing is not None:
            known = torch.where(told_facing.isnan(), known, told_facing)
        return self.look(photos, known, facing, head)

    def look(self, photos: Tensor, known: Tensor, facing: Tensor, head: Tensor) -> PhotoMaps:
        """`forward`, where the directions to go by are known; facing and head are handed on."""
        x = torch.cat([photos, bearings((photos[:, 3] + 1) / 2, known)], 1)
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        # Blocks without norms let values grow without end; what is told has to be as large as what it is added to.
        tokens = self.norm(skips.pop().flatten(2).mT)
        x = self.told_norm(self.facing.tell(tokens, known)).mT.unflatten(2, x.shape[2:])
        known_of_cells = (
            x.detach(), F.pixel_unshuffle(skips[-1].detach(), 2), F.pixel_unshuffle(self.glance(photos), 2)
        )  # fmt: skip
        cells = torch.cat(
            [norm(part.flatten(2).mT) for norm, part in zip(self.cell_norms, known_of_cells, strict=True)], -1
        )  # fmt: skip
        for level in self.up:
            x = level(x, skips.pop())
        points, opacity = (F.pixel_shuffle(readout(x), SUBPIXELS) for readout in (self.points, self.opacity))
        return PhotoMaps(points, opacity, self.bones(x), cells, facing, head, known)
