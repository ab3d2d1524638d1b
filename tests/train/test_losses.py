"""What the open model is taught counts as `LossWeights` says."""

from dataclasses import replace

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.synthetic.dataset import PART_OF_BONE, make_batch
from nopo.train.losses import ARM_PARTS, LossWeights, losses


def test_arms_count_more_than_the_rest_of_the_body():
    torch.manual_seed(0)
    config = replace(ModelConfig.open(), template_size=32, unet=(8, 16, 32, 64), unet_blocks=(1, 1, 1, 1))
    batch = make_batch(torch.Generator().manual_seed(3), 2, 1, 64, uv_size=32, truncated=False)
    template = load_open_body().template(32)
    with torch.no_grad():
        prediction = Network(config).forward_batch(batch.images, batch.masks, template, render=False)

    def canonical(arms: float) -> float:
        return float(losses(prediction, batch, LossWeights(canonical=1.0, arms=arms))["canonical"])

    strongest = batch.bone_index.gather(-1, batch.bone_weight.argmax(-1, keepdim=True))[..., 0].long()
    is_arm = torch.isin(torch.tensor(PART_OF_BONE)[strongest], torch.tensor(ARM_PARTS)) & batch.valid
    assert 0.01 < is_arm.sum() / batch.valid.sum() < 0.3
    x = batch.canonical[:, :, 0][is_arm].abs()
    assert x.min() > 0.3  # beyond the elbows, in the T-pose
    only_arms, nothing_else = canonical(2.0) - canonical(1.0), canonical(0.0)
    assert only_arms + nothing_else == pytest.approx(canonical(1.0), rel=1e-4)
    assert canonical(4.0) == pytest.approx(nothing_else + 4 * only_arms, rel=1e-4) and only_arms > 0
