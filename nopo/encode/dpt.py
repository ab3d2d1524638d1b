"""Dense prediction heads (DPT, Ranftl et al., 2021): from tokens of four layers to maps of full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nopo.encode.config import ModelConfig


def upsample(x: Tensor) -> Tensor:
    """Bilinear × 2 with aligned corners: [N, C, H, W] -> [N, C, 2H, 2W]."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def _conv3(channels_in: int, channels_out: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)


class Pointwise(nn.Linear):
    """A 1×1 convolution, as the matrix product that it is when channels come last in memory."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', H, W]."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Readout(Pointwise):
    """The last layer, in its weights' precision also under autocast: a metre in bfloat16 has steps of 4 mm."""

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C', H, W] in the dtype of the weights."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


def _merge(image_channels: int, width: int, kernel: int) -> nn.Module:
    if kernel == 1:
        return Pointwise(image_channels, width)
    return nn.Conv2d(image_channels, width, kernel, padding=kernel // 2)


class ResidualUnit(nn.Module):
    """x + conv(ReLU(conv(ReLU(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, channels)
        self.conv2 = _conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x)), inplace=True))


class Fusion(nn.Module):
    """Adds a finer level to what came from the coarser ones, and doubles the resolution."""

    def __init__(self, channels: int, has_skip: bool) -> None:
        super().__init__()
        self.skip_unit = ResidualUnit(channels) if has_skip else None
        self.unit = ResidualUnit(channels)
        self.out = Pointwise(channels, channels)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """[N, C, H, W] with a skip of the same shape -> [N, C, 2H, 2W]."""
        if self.skip_unit is not None and skip is not None:
            x = x + self.skip_unit(skip)
        # The definition upsamples first; a 1×1 convolution commutes with interpolation and is 4 × cheaper before it.
        return upsample(self.out(self.unit(x)))


class Trunk(nn.Module):
    """Four token maps, brought to 4, 2, 1 and 1/2 times the token grid and fused from coarse to fine."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, levels = config.dpt_trunk, config.dpt_levels
        inputs = [config.encoder_width if hook == 0 else config.decoder_width for hook in config.hooks]
        self.project = nn.ModuleList(Pointwise(i, c) for i, c in zip(inputs, levels, strict=True))
        self.resize = nn.ModuleList(
            [
                nn.ConvTranspose2d(levels[0], levels[0], 4, stride=4),
                nn.ConvTranspose2d(levels[1], levels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(levels[3], levels[3], 3, stride=2, padding=1),
            ]
        )
        self.levels = nn.ModuleList(_conv3(c, width, bias=False) for c in levels)
        self.fusions = nn.ModuleList(Fusion(width, level < 3) for level in range(4))

    def forward(self, tokens: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """Tokens of the four hooked layers, each [N, h·w, C].

        Returns:
            [N, trunk width, 8h, 8w].
        """
        rows, columns = grid
        maps = [x.transpose(1, 2).unflatten(2, (rows, columns)) for x in tokens]  # each [N, C, h, w]
        levels = [
            level(resize(project(x)))
            for x, project, resize, level in zip(maps, self.project, self.resize, self.levels, strict=True)
        ]
        x = self.fusions[3](levels[3])[:, :, :rows, :columns]  # odd grids come back one row or column too large
        for i in (2, 1, 0):
            x = self.fusions[i](x, levels[i])
        return x


class PointsHead(nn.Module):
    """Three raw coordinates a pixel."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.points_hidden
        self.narrow = _conv3(config.dpt_trunk, hidden)
        self.hidden = _conv3(hidden, hidden)
        self.out = Readout(hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Trunk output [N, C, H/2, W/2] -> [N, 3, H, W]."""
        return self.out(F.relu(self.hidden(upsample(self.narrow(x))), inplace=True))


class GaussianHead(nn.Module):
    """Raw opacity, shape, colour and bone logits a pixel (channels: `ModelConfig.gaussian_channels`)."""

    def __init__(self, config: ModelConfig, image_channels: int, kernel: int) -> None:
        super().__init__()
        width = config.merge_width
        self.narrow = nn.Identity() if width == config.dpt_trunk else Pointwise(config.dpt_trunk, width)
        self.merge = _merge(image_channels, width, kernel)
        self.hidden = _conv3(width, width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.out = Readout(width, sum(config.gaussian_channels.values()))

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Trunk output [N, C, H/2, W/2], image [N or 1, C, H, W] -> [N, channels, H, W]."""
        x = upsample(self.narrow(x)) + F.relu(self.merge(image), inplace=True)
        return self.out(self.dropout(F.relu(self.hidden(x), inplace=True)))


class StreamHeads(nn.Module):
    """The two heads of one stream, photos or template, on a trunk each."""

    def __init__(self, config: ModelConfig, image_channels: int, kernel: int) -> None:
        super().__init__()
        self.layout = config.gaussian_channels
        self.points_trunk = Trunk(config)
        self.gaussian_trunk = Trunk(config)
        self.points = PointsHead(config)
        self.gaussians = GaussianHead(config, image_channels, kernel)

    def forward(
        self, tokens: Sequence[Tensor], grid: tuple[int, int], image: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Hooked tokens, each [N, h·w, C], and the stream's image [N or 1, C, H, W].

        Returns:
            raw points [N, 3, H, W] and raw Gaussian channels by name, [N, channels, H, W] each.
        """
        points = self.points(self.points_trunk(tokens, grid))
        channels = self.gaussians(self.gaussian_trunk(tokens, grid), image)
        return points, dict(zip(self.layout, channels.split(list(self.layout.values()), 1), strict=True))
