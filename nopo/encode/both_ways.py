"""Every photo is looked at twice, as it is and in a mirror, and the two answers are averaged.

Training shows the network people and their mirror images, so the second answer is as good as the first, and what is
wrong with it is partly something else: test-time augmentation. The original has none; docs/OPEN_MODEL.md measures it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.body.skeleton import ACROSS, BONE_FLIP
from nopo.encode.unet import PhotoMaps, UNet


def look_both_ways(unet: UNet, photos: Tensor, told_facing: Tensor | None = None) -> PhotoMaps:
    """What the U-Net says of photos, averaged with what it says of their mirror images.

    Args:
        unet: that is asked.
        photos: see `UNet.forward`.
        told_facing: likewise.

    Returns:
        maps of the photos; `cells` has those of the mirror images behind the photos' own.
    """
    across = photos.new_tensor(ACROSS)
    reflected = photos.flip(-1)
    (facing, head), (other_facing, other_head) = unet.facing.ask(photos), unet.facing.ask(reflected)
    facing, head = (facing + other_facing * across[:2]) / 2, (head + other_head.flip(-1)) / 2
    known = facing if told_facing is None else torch.where(told_facing.isnan(), facing, told_facing)
    one = unet.look(photos, known, facing, head)
    other = unet.look(reflected, known * across[:2], facing, head)

    def both(name: str) -> tuple[Tensor, Tensor]:
        return getattr(one, name), getattr(other, name).flip(-1)

    (points, others), (bones, other_bones), (opacity, other_opacity) = map(both, ("points", "bone_logits", "opacity"))
    others = torch.cat([others[:, :3] * across[:, None, None], others[:, 3:]], 1)
    trust = (others[:, 3:] - points[:, 3:]).sigmoid() if points.shape[1] > 3 else 0.5  # inverse to the expected error
    other_bones = other_bones[:, list(BONE_FLIP)]
    return PhotoMaps(
        points=trust * points + (1 - trust) * others,
        opacity=(opacity + other_opacity) / 2,
        bone_logits=(bones.log_softmax(1) + other_bones.log_softmax(1)) / 2,
        cells=torch.cat([one.cells, other.cells], 1),
        facing=facing,
        head=head,
        known=known,
    )
