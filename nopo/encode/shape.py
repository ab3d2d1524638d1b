"""The subject's body, dressed: joints and a surface, from where the body's places lie in the photos.

The original's template stream draws its surface with dense heads, texel by texel. Photos say little of the surface that
they do not show but how stout, how tall, how wide the skirt: a few numbers for the whole body. So here they are asked
for outright, as coefficients of the principal components of people's joints and surfaces. Our own addition.

Two things tell them. Lengths and widths, as far as poses let them be seen: a small network reads them off each photo's
landmarks (see `landmarks`), and says how far it trusts the photo. And whether this is a man or a woman, a child or
somebody old: hair, face, the cut of the clothes, each in a few cells of the picture. So the cells are not averaged;
each of some questions looks for its answer where it likes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nopo.body.skeleton import NUM_BONES, NUM_JOINTS
from nopo.encode import landmarks
from nopo.encode.attention import NORM_EPS

HIDDEN = 256
TRAITS = 6
"""Sex, age, muscle, weight, height and proportions: asked for while training, so that what tells them is looked for."""
QUESTIONS = 8
JOINT_COMPONENTS = 16
"""What is left of the joints' variety beyond these is below a millimetre."""


class LandmarkReader(nn.Module):
    """What V photos' landmarks say of one body."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.look = nn.Linear(landmarks.SIZE, HIDDEN)
        self.think = nn.Linear(HIDDEN, HIDDEN // 2)
        self.trust = nn.Linear(HIDDEN // 2, 1, bias=False)
        self.say = nn.Linear(HIDDEN // 2, out)

    def forward(self, found: Tensor) -> Tensor:
        """[B, V, SIZE] -> [B, out]: photos that show more count more."""
        thought = F.gelu(self.think(F.gelu(self.look(found))))
        return self.say((self.trust(thought).softmax(1) * thought).sum(1))


class ShapeHead(nn.Module):
    """Rest joints, and every texel's place.

    Attributes:
        template_joints: [55, 3] metres, of the body that the template was made from.
        joint_mean: [55, 3] metres, what the average person adds to these.
        joint_basis: [JOINT_COMPONENTS, 55, 3] metres, principal components of what else people add, each one standard
            deviation long.
        mean: [S·S, 3] metres, what the average surface adds to the template's positions.
        basis: [K, S·S, 3] metres, principal components of what else people add, likewise.
        bone_weights: [S·S, 69] of the texels.
        places: [COUNT, 3] metres, the landmarks on the template.
    """

    template_joints: Tensor
    joint_mean: Tensor
    joint_basis: Tensor
    mean: Tensor
    basis: Tensor
    bone_weights: Tensor
    places: Tensor

    def __init__(self, channels: int, components: int, template_size: int) -> None:
        """Sizes.

        Args:
            channels: of the photos' cells.
            components: K.
            template_size: S.
        """
        super().__init__()
        coefficients = JOINT_COMPONENTS + components
        self.reader = LandmarkReader(coefficients)
        self.gather = nn.Linear(channels, HIDDEN)
        self.ask = nn.Linear(HIDDEN, QUESTIONS)
        self.answer_norm = nn.LayerNorm(HIDDEN, eps=NORM_EPS)
        self.weigh = nn.Linear(QUESTIONS * HIDDEN, HIDDEN)
        self.add = nn.Linear(HIDDEN, coefficients)
        self.traits = nn.Linear(HIDDEN, TRAITS)
        texels = template_size**2
        self.register_buffer("template_joints", torch.zeros(NUM_JOINTS, 3))
        self.register_buffer("joint_mean", torch.zeros(NUM_JOINTS, 3))
        self.register_buffer("joint_basis", torch.zeros(JOINT_COMPONENTS, NUM_JOINTS, 3))
        self.register_buffer("mean", torch.zeros(texels, 3))
        self.register_buffer("basis", torch.zeros(components, texels, 3))
        self.register_buffer("bone_weights", torch.zeros(texels, NUM_BONES))
        self.register_buffer("places", torch.zeros(landmarks.COUNT, 3))

    def start(self) -> None:
        """Begin with everybody average."""
        for layer in (self.reader.say, self.add):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, found: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks and photos' cells -> joints and a surface.

        Args:
            found: [B, V, SIZE], see `landmarks.find_landmarks`.
            cells: [B, V·n, channels], see `unet.PhotoMaps`.

        Returns:
            rest joints [B, 55, 3] and texel offsets [B, S·S, 3], metres, and log odds of the traits [B, TRAITS].
        """
        seen = F.gelu(self.gather(cells))
        asked = self.ask(seen)
        with torch.autocast(cells.device.type, enabled=False):
            asked, seen, found = (x.to(self.add.weight.dtype) for x in (asked, seen, found))
            answers = self.answer_norm(asked.softmax(1).mT @ seen)  # [B, QUESTIONS, HIDDEN]
            weighed = F.gelu(self.weigh(answers.flatten(1)))
            return *self.body(self.reader(found) + self.add(weighed)), self.traits(weighed)

    def body(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [B, JOINT_COMPONENTS + K], standard deviations -> joints and offsets, see `forward`."""
        of_joints, of_surface = coefficients.split([len(self.joint_basis), len(self.basis)], -1)
        joints = self.template_joints + self.joint_mean + torch.einsum("bk,kjc->bjc", of_joints, self.joint_basis)
        return joints, self.mean + torch.einsum("bk,kxc->bxc", of_surface, self.basis)
