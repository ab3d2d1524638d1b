"""What the network says of one person, and the avatar that it makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.avatar import Avatar
from nopo.encode.branch import MASK_THRESHOLD, Branch
from nopo.encode.completion import complete_template, share_cover
from nopo.encode.config import ModelConfig
from nopo.encode.settle import settle
from nopo.encode.trim import trim
from nopo.errors import NopoError
from nopo.gaussians import Gaussians
from nopo.render.settings import MIN_ALPHA

TRACE = 1e-4
"""Bone weights of the open model up to this are zero in an avatar: 0.01 % of a Gaussian's on average, and all but a few
numbers of a file."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Both branches of one person (or, while training, of a batch).

    Attributes:
        config: of the network that said it.
        template: one Gaussian per texel of the template maps.
        image: one Gaussian per pixel of each photo.
        template_joints: (55, 3) joints of the template's T-pose, metres, if the network carries them.
        rest_joints: (55, 3) predicted joints of the subject's own T-pose, metres, if the network predicts them.
        facing: (V, 2) direction that the person seems to face in each photo, if the network predicts it (see `Facing`).
        head: log odds of where the head is, if it does: an eighth of the photos as the network looks at them, shrunk
            to `ModelConfig.sees` and cut to the columns of its window.
        landmarks: (V, SIZE) what proportions are read off (see `landmarks`), if it does.
        traits: (TRAITS,) log odds of what shapes the body most (see `shape`), if it does.
    """

    config: ModelConfig
    template: Branch
    image: Branch
    template_joints: Tensor | None = None
    rest_joints: Tensor | None = None
    facing: Tensor | None = None
    head: Tensor | None = None
    landmarks: Tensor | None = None
    traits: Tensor | None = None

    def __getitem__(self, index: int) -> Prediction:
        """One person of a batch."""
        extras = (self.rest_joints, self.facing, self.head, self.landmarks, self.traits)
        own = (None if x is None else x[index] for x in extras)
        template, image = (branch.map(lambda tensor: tensor[index]) for branch in (self.template, self.image))
        return Prediction(self.config, template, image, self.template_joints, *own)

    def to(self, device: torch.device | str) -> Prediction:
        """The same on another device."""
        extras = (self.template_joints, self.rest_joints, self.facing, self.head, self.landmarks, self.traits)
        moved = (None if x is None else x.to(device) for x in extras)
        template, image = (branch.map(lambda tensor: tensor.to(device)) for branch in (self.template, self.image))
        return Prediction(self.config, template, image, *moved)

    def avatar(self, template_joints: Tensor | None = None, *, complete: bool | None = None) -> Avatar:
        """Keep what is foreground: the template's Gaussians, then each photo's, row-major.

        Of the open model's, what is too faint to be drawn is left out as well.
        The avatar stands in the *template's* proportions; warping it to `rest_joints` is the articulation's work.

        Args:
            template_joints: (55, 3) joints of the template's T-pose, metres; needed if the network carries none.
            complete: fill the template's unseen texels from seen colours, and settle the photos' Gaussians on its
                surface; by default as the model's config says.

        Raises:
            NopoError: no template joints.
        """
        joints = self.template_joints if template_joints is None else template_joints
        if joints is None:
            raise NopoError("This network carries no rest joints: pass those of the body its template was made from.")
        template, image = self.template, self.image
        if self.config.complete if complete is None else complete:
            completed = trim(complete_template(template, image, joints))
            template, image = completed, share_cover(settle(template, image))
        clouds, weights = [], []
        for branch in (template, image):
            keep = branch.mask > MASK_THRESHOLD  # [M]
            if self.config.unet is not None:  # the original's are kept to the last bit
                keep &= branch.opacities >= MIN_ALPHA
            clouds.append(branch.gaussians().select(keep))
            weights.append(branch.bone_logits[keep].softmax(-1))
        gaussians, bone_weights = Gaussians.cat(clouds), torch.cat(weights)
        if self.config.unet is not None:
            bone_weights = torch.where(bone_weights > TRACE, bone_weights, 0.0)
            bone_weights /= bone_weights.sum(1, keepdim=True)
        return Avatar(gaussians, bone_weights, joints.to(gaussians.means), self.config.name)
