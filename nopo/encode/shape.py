"""The subject's body, dressed: joints and a surface, from what all tokens of all photos saw.

The original's template stream draws its surface with dense heads, texel by texel. Photos say little of the surface that
they do not show but how stout, how tall, how wide the skirt: a few numbers for the whole body. So here they are asked
for outright, as coefficients of the principal components of people's surfaces. Our own addition.

What tells most is not lengths, which poses hide, but whether this is a man or a woman, a child or somebody old
(docs/OPEN_MODEL.md): hair, face, the cut of the clothes, each in a few cells of the picture. So the cells are not
averaged; each of some questions looks for its answer where it likes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nopo.body.skeleton import NUM_BONES, NUM_JOINTS

HIDDEN = 256
QUESTIONS = 8


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

    def __init__(self, channels: int, width: int, components: int, template_size: int) -> None:
        """Sizes.

        Args:
            channels: of the photos' cells.
            width: of the template's tokens.
            components: K.
            template_size: S.
        """
        super().__init__()
        self.gather = nn.Linear(channels, HIDDEN)
        self.ask = nn.Linear(HIDDEN, QUESTIONS)
        self.weigh = nn.Linear(QUESTIONS * HIDDEN + width, HIDDEN)
        self.say = nn.Linear(HIDDEN, NUM_JOINTS * 3 + components)
        texels = template_size**2
        self.register_buffer("template_joints", torch.zeros(NUM_JOINTS, 3))
        self.register_buffer("mean", torch.zeros(texels, 3))
        self.register_buffer("basis", torch.zeros(components, texels, 3))
        self.register_buffer("bone_weights", torch.zeros(texels, NUM_BONES))

    def start(self) -> None:
        """Begin with everybody average."""
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)

    def forward(self, template: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Template tokens and photos' cells -> joints and a surface.

        Args:
            template: [B, m, width].
            cells: [B, V·n, channels], see `cells_of`.

        Returns:
            rest joints [B, 55, 3] and texel offsets [B, S·S, 3], metres.
        """
        seen = F.gelu(self.gather(cells))
        asked = self.ask(seen)
        with torch.autocast(cells.device.type, enabled=False):
            asked, seen, template = (x.to(self.say.weight.dtype) for x in (asked, seen, template))
            answers = asked.softmax(1).mT @ seen  # [B, QUESTIONS, HIDDEN]
            said = self.say(F.gelu(self.weigh(torch.cat([answers.flatten(1), template.mean(1)], -1))))
            joints, coefficients = said.split([NUM_JOINTS * 3, len(self.basis)], -1)
            offsets = self.mean + torch.einsum("bk,kxc->bxc", coefficients, self.basis)
        return self.template_joints + joints.unflatten(-1, (NUM_JOINTS, 3)), offsets


def cells_of(tokens: Sequence[Tensor], eighth: Tensor, views: int) -> Tensor:
    """Everything that is known of each cell of 16×16 pixels.

    Args:
        tokens: of the encoder and of the last decoder layer, [B·V, n, C] each.
        eighth: [B·V, C, 2h, 2w] the U-Net's map at 1/8, n = h·w.
        views: V.

    Returns:
        [B, V·n, sum of the C, the map's counting four times].
    """
    fine = F.pixel_unshuffle(eighth, 2).flatten(2).mT  # [B·V, n, 4 C]
    return torch.cat([*tokens, fine], -1).unflatten(0, (-1, views)).flatten(1, 2)
