"""The subject's body, dressed: joints and a surface, from what the template's tokens saw in the photos.

The original's template stream draws its surface with dense heads, texel by texel. Photos say little of the surface that
they do not show but how stout, how tall, how wide the skirt: a few numbers for the whole body. So here they are asked
for outright, as coefficients of the principal components of people's surfaces. Our own addition.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nopo.body.skeleton import NUM_BONES, NUM_JOINTS

HIDDEN = 256


class ShapeHead(nn.Module):
    """Rest joints, and every texel's place.

    Attributes:
        template_joints: [55, 3] metres, of the body that the template was made from.
        mean: [S·S, 3] metres, what the average surface adds to the template's positions.
        basis: [K, S·S, 3] metres, principal components of what else people add, each one standard deviation long.
        bone_weights: [S·S, 69] of the texels.
    """

    template_joints: Tensor
    mean: Tensor
    basis: Tensor
    bone_weights: Tensor

    def __init__(self, width: int, components: int, template_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * width, HIDDEN)
        self.out = nn.Linear(HIDDEN, NUM_JOINTS * 3 + components)
        texels = template_size**2
        self.register_buffer("template_joints", torch.zeros(NUM_JOINTS, 3))
        self.register_buffer("mean", torch.zeros(texels, 3))
        self.register_buffer("basis", torch.zeros(components, texels, 3))
        self.register_buffer("bone_weights", torch.zeros(texels, NUM_BONES))

    def forward(self, template: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, m, C] and [B, V·n, C] -> rest joints [B, 55, 3] and texel offsets [B, S·S, 3], metres."""
        pooled = torch.cat([template.mean(1), image.mean(1)], -1)
        with torch.autocast(pooled.device.type, enabled=False):
            said = self.out(nn.functional.gelu(self.hidden(pooled.to(self.out.weight.dtype))))
            joints, coefficients = said.split([NUM_JOINTS * 3, len(self.basis)], -1)
            offsets = self.mean + torch.einsum("bk,kxc->bxc", coefficients, self.basis)
        return self.template_joints + joints.unflatten(-1, (NUM_JOINTS, 3)), offsets
