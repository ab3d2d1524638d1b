"""Settling: the photos' Gaussians against the body's surface, where the two should agree and do not.

A pixel's place on the body is off by centimetres, its skinning is said apart from it, and both are averages where the
network cannot tell left from right. In the T-pose that hardly shows. When a leg is lifted, what lies on one thigh but
moves with the other is drawn out into splinters, and the averages hang between the legs as a sheet.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.encode.branch import MASK_THRESHOLD, Branch

LIMBS = ("trunk", "left arm", "right arm", "left leg", "right leg")


def _limb(joint: str) -> int:
    side, _, name = joint.partition("_")
    if side not in ("left", "right") or name in ("collar", "eye"):
        return 0
    leg = name in ("hip", "knee", "ankle", "foot")
    return LIMBS.index(f"{side} {'leg' if leg else 'arm'}")


_LIMB_OF_BONE = [_limb(JOINT_NAMES[near]) for near, _ in BONES]

ON_SURFACE_M = (0.04, 0.10)
"""Up to the first distance from the template's surface a Gaussian moves as the surface does, from the second on, as a
wide skirt or loose hair may, as the network says."""

OFF_SURFACE_M = (0.03, 0.05)
BETWEEN_M = (0.06, 0.10)
"""A Gaussian lies between two limbs if it is farther than OFF_SURFACE_M from both and the distances differ by less."""

SURE_M = (0.05, 0.10)
"""Expected error of a place: a Gaussian between two limbs stays, as a skirt's should, where the network is surer than
the first, and is gone where it is less sure than the second."""


def settle(template: Branch, image: Branch) -> Branch:
    """The photos' Gaussians of one person, moving with the surface that they lie on; guesses between limbs are gone.

    Args:
        template: one person's template branch.
        image: the same person's image branch.
    """
    chosen = (image.mask > MASK_THRESHOLD).nonzero()[:, 0]  # [K]
    texels = (template.mask > 0).nonzero()[:, 0]
    if not len(chosen) or not len(texels):
        return image
    surface_weights = template.bone_logits[texels].softmax(-1)  # [P, 69]
    limbs = limb_of(surface_weights)  # [P]
    means, places = image.means[chosen], template.means[texels]
    distances = means.new_full((len(LIMBS), len(chosen)), torch.inf)
    nearest = torch.zeros(len(LIMBS), len(chosen), dtype=torch.int64, device=means.device)
    for number in range(len(LIMBS)):
        own = (limbs == number).nonzero()[:, 0]
        if len(own):
            distances[number], index = nearest_points(means, places[own])
            nearest[number] = own[index]
    first, limb = distances.min(0)  # [K]
    on = nearness(first, ON_SURFACE_M)[:, None]
    said, surface = image.bone_logits[chosen].softmax(-1), surface_weights[nearest.gather(0, limb[None])[0]]
    logits = image.bone_logits.clone()
    logits[chosen] = ((1 - on) * said + on * surface).clamp_min(1e-6).log()
    opacities = image.opacities
    if image.uncertainty is not None:
        second = distances.scatter(0, limb[None], torch.inf).amin(0)
        between = (1 - nearness(first, OFF_SURFACE_M)) * nearness(second - first, BETWEEN_M)
        opacities = opacities.clone()
        opacities[chosen] *= 1 - between * (1 - nearness(image.uncertainty[chosen].exp(), SURE_M))
    return replace(image, bone_logits=logits, opacities=opacities)


def limb_of(bone_weights: Tensor) -> Tensor:
    """Which of LIMBS a point belongs to mostly: [N, 69] -> [N]; the trunk and the head count as one."""
    bones = torch.tensor(_LIMB_OF_BONE, device=bone_weights.device)
    sums = bone_weights.new_zeros(len(bone_weights), len(LIMBS)).index_add_(1, bones, bone_weights)
    return sums.argmax(1)


def nearest_points(queries: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """For each of [K, 3] the nearest of [P, 3]: distances [K] and indices [K]; found on the CPU."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(points.detach().cpu().numpy()).query(queries.detach().cpu().numpy())
    return torch.from_numpy(distance).to(queries), torch.from_numpy(index).to(queries.device)


def nearness(distance: Tensor, bounds: tuple[float, float]) -> Tensor:
    """1 up to the first bound, 0 from the second on, linear between."""
    return ((bounds[1] - distance) / (bounds[1] - bounds[0])).clamp(0, 1)
