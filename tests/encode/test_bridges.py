from dataclasses import replace

import torch
from encode.test_detail import branch_of, plane

from nopo.body.skeleton import BONES, JOINT_NAMES, NUM_BONES
from nopo.encode.bridges import APART, fade_bridges, limbs_apart


def test_a_surface_stays_opaque_and_a_bridge_between_two_vanishes():
    means = plane(16, 24)
    means[:, 10:13, 0] = torch.tensor([0.2, 0.35, 0.5])  # three pixels on the way from the trunk ...
    means[:, 13:, 0] += 0.5  # ... to an arm
    before = branch_of(means, torch.ones(16, 24))
    after = fade_bridges(before).opacities.view(16, 24)
    assert torch.equal(after[:, :9], before.opacities.view(16, 24)[:, :9])
    assert torch.equal(after[:, 14:], before.opacities.view(16, 24)[:, 14:])
    assert float(after[:, 10:12].max()) == 0


def test_a_sharp_depth_edge_costs_nothing():
    means = plane(16, 24)
    means[:, 12:, 0] += 0.5
    before = branch_of(means, torch.ones(16, 24))
    assert torch.equal(fade_bridges(before).opacities, before.opacities)


def test_a_point_between_two_limbs_is_told_from_one_on_a_joint_or_a_skirt():
    def apart(**shares: float) -> float:
        weights = torch.zeros(1, NUM_BONES)
        for name, share in shares.items():
            weights[0, [JOINT_NAMES[near] for near, _ in BONES].index(name)] = share
        return float(limbs_apart(weights))

    assert apart(left_elbow=1) == 0
    assert apart(left_elbow=0.5, left_shoulder=0.5) == 0.5
    assert apart(left_index1=0.3, left_ring3=0.3, left_wrist=0.4) == 0  # all one hand
    assert apart(left_hip=0.25, right_hip=0.25, left_knee=0.25, right_knee=0.25) == 1.75 < APART[0]
    assert apart(left_ankle=0.5, right_ankle=0.5) > APART[1]
    assert apart(left_wrist=0.5, left_hip=0.5) > APART[1]


def test_gaussians_between_two_limbs_vanish():
    before = branch_of(plane(4, 4), torch.ones(4, 4))
    logits = torch.full_like(before.bone_logits, -20)
    logits[:, BONES.index((JOINT_NAMES.index("left_knee"), JOINT_NAMES.index("left_ankle")))] = 5
    one_limb = replace(before, bone_logits=logits.clone())
    logits[:8, BONES.index((JOINT_NAMES.index("right_knee"), JOINT_NAMES.index("right_ankle")))] = 5
    logits[:8, BONES.index((JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("left_index1")))] = 5
    both = fade_bridges(replace(before, bone_logits=logits))
    assert float(both.opacities[:8].max()) == 0
    assert torch.equal(both.opacities[8:], fade_bridges(one_limb).opacities[8:])
    assert torch.equal(fade_bridges(one_limb).opacities, before.opacities)


def test_a_place_that_the_network_does_not_know_is_left_to_the_template():
    before = branch_of(plane(4, 4), torch.ones(4, 4))
    sure = torch.full_like(before.mask, 0.02)
    sure[3:5] = 0.5
    after = fade_bridges(replace(before, uncertainty=sure.log()))
    assert not after.opacities[3:5].any()
    assert torch.equal(after.opacities[5:], before.opacities[5:])
