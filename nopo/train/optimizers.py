"""Which optimizer teaches which part of the open model."""

from __future__ import annotations

import torch
from torch import nn

from nopo.encode.dpt import Pointwise, Readout
from nopo.encode.network import Network
from nopo.train.muon import Muon
from nopo.train.recipe import Recipe


def optimizers_of(network: Network, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for what lies within the U-Net and behind its cells; AdamW for all else, above all for what is said last."""
    assert network.unet is not None and network.shape is not None
    hidden = [
        module.weight
        for module in network.unet.modules()
        if isinstance(module, (nn.Conv2d, Pointwise)) and not isinstance(module, Readout)
    ]
    hidden += [network.shape.gather.weight, network.shape.weigh.weight]
    ours = {id(parameter) for parameter in hidden}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ours]
    groups = [
        {"params": [parameter for parameter in others if parameter.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [parameter for parameter in others if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return [
        Muon(hidden, recipe.learning_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99), eps=1e-8, fused=True),
    ]
