"""What the open model is taught: dense truth for every pixel of every photo, and for every texel of the template.

Synthetic people come with exact canonical positions, skinning weights and visibility, so nothing needs to be rendered
to learn them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from nopo.body.skeleton import JOINT_NAMES
from nopo.encode.facing import CELL
from nopo.encode.prediction import Prediction

if TYPE_CHECKING:
    from nopo.synthetic.dataset import Batch

EDGE_METRES = 0.3  # an L1 error beyond this counts by its square root: depth edges may land on either side
HEAD_PARTS = (JOINT_NAMES.index("neck"), JOINT_NAMES.index("head"))


@dataclass(frozen=True)
class LossWeights:
    """Factor of every term in the total."""

    canonical: float = 3.0  # metres
    uncertainty: float = 0.05
    skinning: float = 0.15  # nats
    opacity: float = 0.1  # nats
    template: float = 6.0  # metres
    joints: float = 8.0  # metres
    traits: float = 0.15  # nats
    facing: float = 1.0  # squared length of a difference of unit vectors
    head: float = 0.3  # nats


def losses(prediction: Prediction, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Every term of the training loss, already weighted; their sum is what is minimised.

    Args:
        prediction: of `Network.forward_batch`, B people with V photos of H×W pixels each.
        batch: the truth of the same people.
        weights: factor of every term.
    """
    image, template = prediction.image, prediction.template
    assert image.uncertainty is not None and prediction.rest_joints is not None
    valid = batch.valid.flatten(1)  # [B, M] pixels that truly show the person
    truth = batch.canonical.permute(0, 1, 3, 4, 2).flatten(1, 3)  # [B, M, 3]
    error = (image.means - truth).abs().sum(-1)[valid]  # [K] m
    log_scale = image.uncertainty[valid].clamp(-6, 2)  # [K]
    terms = {
        "canonical": weights.canonical * _soft(error).mean(),
        "uncertainty": weights.uncertainty * (error.detach() * (-log_scale).exp() + log_scale).mean(),
        "skinning": weights.skinning * _skinning(image.bone_logits, batch),
        "opacity": weights.opacity * _opacity(image.opacities, image.mask, valid),
        "joints": weights.joints * (prediction.rest_joints - batch.rest_joints).norm(dim=-1).mean(),
    }
    if prediction.traits is not None:
        wrong = F.binary_cross_entropy_with_logits(prediction.traits, batch.traits, reduction="none")  # [B, TRAITS]
        terms["traits"] = weights.traits * wrong.sum(-1).mean()
    if prediction.facing is not None:
        known = batch.facing.square().sum(-1) > 0.5  # [B, V] not for people who lie or look up
        wrong = (prediction.facing - batch.facing)[known].square().sum(-1)  # [K]
        terms["facing"] = weights.facing * wrong.sum() / max(1, len(wrong))
        terms["head"] = weights.head * _head(prediction.head, batch.parts)
    texels = batch.uv_mask.flatten()  # [S·S], the same for everybody
    offset = (template.means[:, texels] - batch.uv_positions.flatten(1, 2)[:, texels]).abs().sum(-1)  # [B, K]
    terms["template"] = weights.template * _soft(offset).mean()
    return terms


def _soft(error: Tensor) -> Tensor:
    """L1 that grows like a square root beyond EDGE_METRES (same value and slope there)."""
    beyond = 2 * (EDGE_METRES * error.clamp_min(EDGE_METRES)).sqrt() - EDGE_METRES
    return torch.where(error < EDGE_METRES, error, beyond)


def _skinning(bone_logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of bone weights: [B, V·h·w, 69] of cells of pixels against the sparse truth of each one's first."""
    pixels = batch.valid[0].numel()
    side = round((pixels / bone_logits.shape[1]) ** 0.5)
    valid, index, share = (x[:, :, ::side, ::side] for x in (batch.valid, batch.bone_index, batch.bone_weight))
    log_weights = bone_logits[valid.flatten(1)].log_softmax(-1)  # [K, 69]
    return -(share[valid] * log_weights.gather(-1, index[valid].long())).sum(-1).mean()


def _head(log_odds: Tensor | None, parts: Tensor) -> Tensor:
    """Cross-entropy of where the head is: [B, V, h, w] against the parts [B, V, H, W] of the pixels."""
    assert log_odds is not None
    pixels = torch.isin(parts, parts.new_tensor(HEAD_PARTS)).flatten(0, 1)[:, None].float()
    cells = F.avg_pool2d(pixels, CELL).flatten(1)  # [B·V, h·w]
    shown = cells.sum(1, keepdim=True)
    share = cells / shown.clamp_min(1e-6)
    entropy = -(share * log_odds.flatten(0, 1).flatten(1).log_softmax(-1)).sum(-1)
    return entropy.sum() / (shown > 0).sum().clamp_min(1)


def _opacity(opacities: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
    """The matte may lie: pixels of the person should be opaque, what else the matte kept should vanish. [B, M] each."""
    kept = mask > 0.1
    bare = (opacities / mask.clamp_min(0.1)).clamp(1e-4, 1 - 1e-4)[kept]
    return F.binary_cross_entropy(bare, valid[kept].to(bare))
