"""The open model's way in and out: convolutions down to the tokens, and back up to one surface point a pixel.

A U-Net (Ronneberger et al., 2015) with the transformer at its bottom. Where on the body a pixel lies is mostly a matter
of what is near it, which convolutions learn from several times fewer photos than a transformer with dense heads of the
same size (docs/OPEN_MODEL.md). The original has neither half.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nopo.encode.attention import NORM_EPS
from nopo.encode.config import ModelConfig
from nopo.encode.dpt import Pointwise, Readout

GROUPS = 8
BEARINGS = 6
SUBPIXELS = 2
"""The finest level has half the photo's resolution; each of its cells speaks for so many pixels a side."""


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
        self.norm = nn.GroupNorm(GROUPS, channels_out)
        self.blocks = nn.Sequential(*(ResidualBlock(channels_out) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] -> [N, C', h/2, w/2]."""
        return self.blocks(F.silu(self.norm(self.shrink(x))))


class Up(nn.Module):
    """To double the resolution, where the way down left its map."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.narrow = Pointwise(channels_in, channels_out, bias=False)
        self.block = ResidualBlock(channels_out)
        self.norm = nn.GroupNorm(GROUPS, channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[N, C, h, w] and the map [N, C', 2h, 2w] of the way down -> [N, C', 2h, 2w]."""
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.block(F.silu(self.norm(x + skip)))


class UNetEncoder(nn.Module):
    """Photos to tokens of 16×16 pixels, and the maps that the way up needs."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.unet is not None
        half, quarter, eighth = config.unet
        self.to_half = Down(config.input_channels + BEARINGS, half, 1)
        self.to_quarter = Down(half, quarter, 1)
        self.to_eighth = Down(quarter, eighth, 2)
        self.to_sixteenth = Down(eighth, config.encoder_width, 2)
        self.norm = nn.LayerNorm(config.encoder_width, eps=NORM_EPS)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Photos with their `bearings` [N, C + 6, H, W] -> tokens [N, h·w, width] and maps at 1/2, 1/4 and 1/8."""
        half = self.to_half(images)
        quarter = self.to_quarter(half)
        eighth = self.to_eighth(quarter)
        tokens = self.to_sixteenth(eighth).flatten(2).transpose(1, 2)
        # Blocks without norms let values grow without end, and the transformer adds to what it is given: it has to be
        # given values of its own size. Without this it had no say at all (docs/OPEN_MODEL.md).
        return self.norm(tokens), [half, quarter, eighth]


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


class UNetHeads(nn.Module):
    """Tokens to raw maps at the photo's resolution, like `nopo.encode.dpt.StreamHeads`.

    Every pixel has its own point, error and opacity; the four pixels of a cell share their skinning.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.unet is not None
        half, quarter, eighth = config.unet
        self.consult = Pointwise(config.decoder_width, config.encoder_width)
        self.to_eighth = Up(config.encoder_width, eighth)
        self.to_quarter = Up(eighth, quarter)
        self.to_half = Up(quarter, half)
        self.points = Readout(half, SUBPIXELS**2 * (3 + config.uncertainty))
        self.opacity = Readout(half, SUBPIXELS**2)
        self.bones = Readout(half, config.gaussian_channels["bone_logits"])

    def start(self, opacity: float, log_error: float) -> None:
        """Begin with photos collapsed to within two metres, of these log odds of opacity and log error in metres."""
        for layer in (self.consult, self.opacity):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        # The points' own weights stay as large as they are: with small ones everybody is an average for 10,000 photos.
        with torch.no_grad():
            self.points.weight[3 * SUBPIXELS**2 :] = 0
            self.points.bias[3 * SUBPIXELS**2 :] = log_error
            self.opacity.bias[:] = opacity

    def forward(
        self, tokens: Sequence[Tensor], grid: tuple[int, int], image: Tensor, skips: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Tokens of the hooked layers, each [N, h·w, C], and the maps of `UNetEncoder`.

        Returns:
            raw points [N, 3 or 4, H, W], raw opacity [N, 1, H, W] and, for every cell, bone logits [N, 69, H/2, W/2].
        """
        own, consulted = (x.transpose(1, 2).unflatten(2, grid) for x in (tokens[0], tokens[-1]))
        half, quarter, eighth = skips
        x = self.to_half(self.to_quarter(self.to_eighth(own + self.consult(consulted), eighth), quarter), half)
        points, opacity = (F.pixel_shuffle(readout(x), SUBPIXELS) for readout in (self.points, self.opacity))
        return points, {"opacity": opacity, "bone_logits": self.bones(x)}
