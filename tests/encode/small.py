"""Small networks and inputs for tests."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from nopo.body.template import Template
from nopo.encode import ModelConfig, Network

SIZES = {
    "template_size": 32,
    "encoder_width": 64,
    "encoder_layers": 2,
    "decoder_width": 64,
    "decoder_layers": 3,
    "hooks": (0, 1, 2, 3),
    "dpt_levels": (8, 8, 16, 16),
    "dpt_trunk": 16,
}


def small_network(preset: str, seed: int = 0) -> Network:
    """The preset's switches at small sizes, every parameter random, so that nothing hides behind a zero."""
    torch.manual_seed(seed)
    if preset == "vitl":
        config = replace(ModelConfig.vitl(), **SIZES, merge_width=16, points_hidden=8)
    else:
        plain = {
            "sees": None,
            "fade_bridges": False,
            "smooth": False,
        }  # what happens after the network has tests of its own
        config = replace(
            ModelConfig.open(), template_size=32, **plain, unet=(8, 16, 32, 64), unet_blocks=(1, 1, 2, 1),
            facing=(8, 8, 16), shape_components=4,
        )  # fmt: skip
    network = Network(config).eval()
    for buffer in network.buffers():
        nn.init.uniform_(buffer, 0.0, 0.1)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=(1.0 / parameter[0].numel()) ** 0.5)
        else:
            nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.1)
    return network.channels_last()


def small_template(size: int = 32) -> Template:
    generator = torch.Generator().manual_seed(5)
    mask = torch.zeros(size, size)
    mask[2:-2, 3:-3] = 1
    weights = torch.rand(size, size, 55, generator=generator)
    return Template(
        positions=torch.rand(size, size, 3, generator=generator) * mask[..., None],
        joint_weights=weights / weights.sum(-1, keepdim=True) * mask[..., None],
        mask=mask,
    )


def small_views(views: int, height: int = 48, width: int = 32, seed: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(views, 3, height, width, generator=generator), torch.rand(
        views, height, width, generator=generator
    )
