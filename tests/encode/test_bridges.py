import torch
from encode.test_detail import branch_of, plane

from nopo.encode.bridges import fade_bridges


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
