"""The last people's landmarks: a hundred numbers a photo can be learned from again and again.

Photos are made anew for every step and looked at once, which is right for pixels: there are thousands in each. A photo
tells one thing about proportions, and what tells it is small. So the shape head's reader learns from everybody several
times; that landmarks found some hundred steps ago are a little off from what today's network says does no harm.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nopo.body.template import Template
from nopo.encode import landmarks
from nopo.encode.network import Network
from nopo.encode.shape import ShapeHead
from nopo.synthetic.dataset import Batch
from nopo.synthetic.uv import uv_atlas
from nopo.train.losses import LossWeights

PEOPLE = 2000
"""Remembered; then the oldest are forgotten."""

PHOTOS = 4
"""Remembered of one person."""

TEXELS_SHARE = 40
"""One texel of so many tells how far surfaces are apart."""


class Reading:
    """What a `ShapeHead`'s reader should say of somebody, and how wrong it is."""

    def __init__(self, head: ShapeHead, size: int) -> None:
        """Sizes.

        Args:
            head: that knows people, see `shapes.know_people`.
            size: S of the template maps.
        """
        self.head = head
        self.texels = uv_atlas(size).pixel
        basis = head.basis[:, self.texels]  # [K, P, 3]
        self._project = torch.linalg.pinv(basis.flatten(1))  # [3P, K]
        self._apart = basis[:, ::TEXELS_SHARE].flatten(1)

    def joints(self, rest_joints: Tensor) -> Tensor:
        """Rest joints [..., 55, 3] -> how they differ from the average person's, metres."""
        return rest_joints - self.head.template_joints - self.head.joint_mean

    def surface(self, offsets: Tensor) -> Tensor:
        """What texels [B, P, 3] add to the template, metres -> coefficients [B, K]."""
        return (offsets - self.head.mean[self.texels]).flatten(1) @ self._project

    def errors(self, found: Tensor, joints: Tensor, surfaces: Tensor) -> tuple[Tensor, Tensor]:
        """Of what is read off landmarks.

        Args:
            found: [B, V, SIZE].
            joints: [B, 55, 3], as of `joints`.
            surfaces: [B, K], as of `surface`.

        Returns:
            mean error of joints and of the surface, metres.
        """
        said = self.head.reader(found)
        of_joints, of_surface = said.split([len(self.head.joint_basis), len(self.head.basis)], -1)
        wrong = torch.einsum("bk,kjc->bjc", of_joints, self.head.joint_basis) - joints
        off = ((of_surface - surfaces) @ self._apart).unflatten(-1, (-1, 3))
        return wrong.norm(dim=-1).mean(), off.norm(dim=-1).mean()


class Memory:
    """Up to PHOTOS photos' landmarks of each of the last PEOPLE people, and the truth about them."""

    def __init__(self, network: Network) -> None:
        head, size = network.shape, network.config.template_size
        assert head is not None
        self.reading = Reading(head, size)
        like = head.basis
        self.found = like.new_zeros(PEOPLE, PHOTOS, landmarks.SIZE)
        self.photos = torch.zeros(PEOPLE, dtype=torch.int64)
        self.joints = like.new_zeros(PEOPLE, *head.template_joints.shape)
        self.surfaces = like.new_zeros(PEOPLE, len(head.basis))
        self.count = 0

    def add_gradients(self, weights: LossWeights, count: int, generator: torch.Generator) -> dict[str, float]:
        """Let the reader learn from the photos of `count` people, see `draw`: added to the gradients that it has.

        Returns:
            what was wrong, centimetres.
        """
        joints, surface = self.reading.errors(*self.draw(count, generator))
        parameters = list(self.reading.head.reader.parameters())
        grads = torch.autograd.grad(weights.joints * joints + weights.template * surface, parameters)
        for parameter, grad in zip(parameters, grads, strict=True):
            assert parameter.grad is not None
            parameter.grad.add_(grad)
        return {"read_joints_cm": 100 * float(joints.detach()), "read_surface_cm": 100 * float(surface.detach())}

    def add(self, found: Tensor, batch: Batch, template: Template) -> None:
        """Remember a step's people; neighbours in a batch that show the same person count as photos of one.

        Args:
            found: [B, V, SIZE].
            batch: the truth about them.
            template: that the network was given.
        """
        texels = self.reading.texels
        offsets = (batch.uv_positions - template.positions.to(batch.uv_positions)).flatten(1, 2)[:, texels]
        surfaces, joints = self.reading.surface(offsets), self.reading.joints(batch.rest_joints)
        last = None
        for number, person in enumerate(batch.people):
            if person is not last:
                last, row = person, self.count % PEOPLE
                self.count += 1
                self.photos[row], self.joints[row], self.surfaces[row] = 0, joints[number], surfaces[number]
            for photo in found[number].nan_to_num():  # a single bad person must not be remembered as one
                if self.photos[row] < PHOTOS:
                    self.found[row, self.photos[row]] = photo
                    self.photos[row] += 1

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Somebody's photos: landmarks [count, V, SIZE], joints [count, 55, 3] and surfaces [count, K].

        Args:
            count: of people; V is random, and all of them have as many photos.
            generator: on the CPU.
        """
        known = self.photos[: self.count]
        views = 1 + int(torch.randint(int(known.max()), (), generator=generator))
        rows = (known >= views).nonzero()[:, 0]
        rows = rows[torch.randint(len(rows), (count,), generator=generator)]
        order = torch.rand(count, PHOTOS, generator=generator).masked_fill(
            torch.arange(PHOTOS) >= self.photos[rows, None], 2.0
        )  # fmt: skip
        chosen = order.argsort(1)[:, :views]
        return self.found[rows[:, None], chosen], self.joints[rows], self.surfaces[rows]

    def state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        rows = min(self.count, PEOPLE)
        tensors = {name: getattr(self, name)[:rows] for name in ("found", "photos", "joints", "surfaces")}
        return {"count": self.count, **tensors}

    def load(self, state: dict[str, Any]) -> None:
        """Remember what `state` said."""
        self.count = state["count"]
        for name in ("found", "photos", "joints", "surfaces"):
            getattr(self, name)[: len(state[name])] = state[name]
