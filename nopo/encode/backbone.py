"""Image encoder and the two decoder streams: photos and template look at each other, nobody knows a pose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nopo.encode.attention import NORM_EPS, DecoderBlock, EncoderBlock, Rotary
from nopo.encode.config import PATCH, ModelConfig


@dataclass(frozen=True, eq=False)
class Features:
    """What the heads read.

    Attributes:
        template: token features of the hooked layers, each [B, s·s, C].
        image: token features of the hooked layers, each [B·V, h·w, C].
    """

    template: list[Tensor]
    image: list[Tensor]


class Patchify(nn.Module):
    """Tokens from one strided convolution over 16 × 16 patches."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.input_channels, config.encoder_width, PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> tokens [N, h·w, width]."""
        return self.proj(images).flatten(2).transpose(1, 2)


class Backbone(nn.Module):
    """SPEC of NoPo-Avatar: ViT over each photo, then layers in which template and photos attend to each other."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = Patchify(config)
        self.encoder = nn.ModuleList(
            EncoderBlock(config.encoder_width, config.mlp_ratio) for _ in range(config.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(config.encoder_width, eps=NORM_EPS)
        self.template_tokens = nn.Parameter(torch.empty(config.template_tokens, config.encoder_width))
        nn.init.normal_(self.template_tokens)
        self.to_decoder = nn.Linear(config.encoder_width, config.decoder_width)
        self.template_decoder, self.image_decoder = (
            nn.ModuleList(DecoderBlock(config.decoder_width, config.mlp_ratio) for _ in range(config.decoder_layers))
            for _ in range(2)
        )
        self.decoder_norm = nn.LayerNorm(config.decoder_width, eps=NORM_EPS)

    def forward(self, images: Tensor) -> Features:
        """Normalised images [B, V, C, H, W] in [-1, 1] -> features of the hooked layers."""
        b, v, _, height, width = images.shape
        side = self.config.template_size // PATCH
        image_rotary = Rotary.grid(height // PATCH, width // PATCH, images)
        template_rotary = Rotary.grid(side, side, images)

        image = self.patches(images.flatten(0, 1))  # [B·V, n, C]
        for block in self.encoder:
            image = block(image, image_rotary)
        image = self.encoder_norm(image)
        template = self.template_tokens.expand(b, -1, -1)  # [B, m, C]

        # The heads' feature 0 is the encoder's output: normalised for the photos, the raw embedding for the template.
        templates, images_ = [template], [image]
        template, image = self.to_decoder(template), self.to_decoder(image)
        for template_block, image_block in zip(self.template_decoder, self.image_decoder, strict=True):
            assert isinstance(template_block, DecoderBlock) and isinstance(image_block, DecoderBlock)
            # Both streams read the previous layer of both.
            memory = _all_views(template_block.memory(image, image_rotary), v)
            next_template = template_block(template, template_rotary, memory)
            image = _look_around(image_block, image, template, v, image_rotary, template_rotary)
            template = next_template
            templates.append(template)
            images_.append(image)
        templates[-1], images_[-1] = self.decoder_norm(template), self.decoder_norm(image)
        hooks = self.config.hooks
        return Features([templates[i] for i in hooks], [images_[i] for i in hooks])


def _all_views(memory: Tensor, views: int) -> Tensor:
    """Memories of single views [2, B·V, heads, n, 64] -> one of them all [2, B, heads, V·n, 64]."""
    return memory.unflatten(1, (-1, views)).transpose(2, 3).flatten(3, 4)


def _look_around(
    block: DecoderBlock, image: Tensor, template: Tensor, views: int, image_rotary: Rotary, template_rotary: Rotary
) -> Tensor:
    """One decoder layer of the image streams: each view's memory is the template and all other views.

    Args:
        block: the layer.
        image: [B·V, n, C].
        template: [B, m, C].
        views: V.
        image_rotary: angles of the n image tokens.
        template_rotary: angles of the m template tokens.

    Returns:
        [B·V, n, C].
    """
    template_memory = block.memory(template, template_rotary)  # [2, B, heads, m, 64]
    if views == 1:
        return block(image, image_rotary, template_memory)
    own = block.memory(image, image_rotary).unflatten(1, (-1, views))  # [2, B, V, heads, n, 64]
    memories = [
        torch.cat([template_memory, *(own[:, :, other] for other in range(views) if other != view)], dim=3)
        for view in range(views)
    ]
    memory = torch.stack(memories, dim=2).flatten(1, 2)  # [2, B·V, heads, m + (V-1)·n, 64]
    return block(image, image_rotary, memory)
