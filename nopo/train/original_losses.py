"""What the original network is taught with, besides pictures that look right (LPIPS): NoPo-Avatar's training losses.

Unlike the open model's (`nopo.train.losses`) they need no truth of where a pixel lies on the body, only photos with the
pose and the camera of each, and rendered skinning weights. Every definition is compared with the original's values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 4096  # points whose distances to all others are held at once


@dataclass(frozen=True)
class OriginalWeights:
    """Factor of every term in the original's total."""

    picture: float = 1.0
    """Mean squared error of rendered target views, and once more of the context views by image Gaussians alone."""
    perceptual: float = 0.05
    """LPIPS (VGG) of the same pictures."""
    chamfer: float = 0.1  # square metres
    projection: float = 1.0  # square pictures
    skinning: float = 0.01  # nats


def picture_loss(rendered: Tensor, photos: Tensor) -> Tensor:
    """Mean squared error of pictures in sRGB, neither clamped: [..., 3, H, W] each."""
    return (rendered - photos).square().mean()


def chamfer_loss(image_means: Tensor, template_means: Tensor, *, both_ways: bool = True) -> Tensor:
    """Both branches should make one surface: mean squared distance to the nearest Gaussian of the other, m².

    Args:
        image_means: [P, 3] of the photos' foreground, canonical, metres.
        template_means: [Q, 3] of the template, canonical, metres. Taken as given: no gradient.
        both_ways: add the distances from the template to the photos.
    """
    template_means = template_means.detach()
    loss = _nearest(image_means, template_means)
    return loss + _nearest(template_means, image_means) if both_ways else loss


def _nearest(points: Tensor, others: Tensor) -> Tensor:
    """Mean squared distance of [P, 3] to the nearest of [Q, 3]."""
    with torch.no_grad():
        nearest = torch.cat([torch.cdist(chunk, others).argmin(1) for chunk in points.split(CHUNK)])  # [P]
    return (points - others[nearest]).square().sum(-1).mean()


def projection_loss(
    means: Tensor,
    bone_weights: Tensor,
    joint_weights: Tensor,
    pixels: Tensor,
    bone_transforms: Tensor,
    joint_transforms: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """A pixel's Gaussian, posed as its photo and seen by its camera, should come back to that pixel.

    The original's target is the pixel's corner, column / W and row / H, although it renders with centres.

    Args:
        means: [M, 3] canonical, of one person's photos, metres.
        bone_weights: [M, 69], rows sum to 1.
        joint_weights: [M, 55], see `nopo.body.skeleton.joint_weights_from_bones`.
        pixels: [M, 3] photo, row and column of each.
        bone_transforms: [69, 3, 4] into the person's proportions, see `nopo.body.kinematics.bone_shape_warp`.
        joint_transforms: [V, 55, 3, 4] into the pose of each photo, see `nopo.body.kinematics.forward_kinematics`.
        viewmats: [V, 4, 4] world -> camera.
        Ks: [V, 3, 3] in pixels.
        size: (H, W) of the photos, pixels.

    Returns:
        Mean squared distance in both coordinates as a share of the picture's sides, at most 1.
    """
    shaped = _move(means, bone_weights, bone_transforms)
    view, row, column = pixels.unbind(-1)
    sides = means.new_tensor([size[1], size[0]])
    corners = torch.stack([column, row], -1) / sides
    errors = []
    for k, (transforms, viewmat, K) in enumerate(zip(joint_transforms, viewmats, Ks, strict=True)):
        own = view == k
        posed = _move(shaped[own], joint_weights[own], transforms)
        seen = (posed @ viewmat[:3, :3].mT + viewmat[:3, 3]) @ K.mT  # [m, 3]
        errors.append((seen[:, :2] / seen[:, 2:] / sides - corners[own]).square())
    return torch.cat(errors).mean().clamp_max(1)


def _move(points: Tensor, weights: Tensor, transforms: Tensor) -> Tensor:
    """Linear blend skinning of points [M, 3] by weights [M, K] of transforms [K, 3, 4]."""
    blended = (weights @ transforms.flatten(1)).unflatten(1, (3, 4))  # [M, 3, 4]
    return (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]


def skinning_loss(joint_weights: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of joint weights, in nats; of the Gaussians of both branches, before any are left out.

    The original divides the truth by its Euclidean norm, not by its sum, so its rows weigh more the more joints share
    them.

    Args:
        joint_weights: [M, 55] predicted, rows sum to 1.
        truth: [M, 55] rendered skinning weights of the pixels, the template's own for its texels; zero where unknown.
        mask: [M] foreground in [0, 1].
    """
    truth = truth.clamp_min(0)
    share = truth / truth.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    entropy = -(share * joint_weights.log()).sum(-1)  # [M]
    weight = mask * (truth.sum(-1) > 0)
    return (entropy * weight).sum() / (weight.sum() + 1e-5)
