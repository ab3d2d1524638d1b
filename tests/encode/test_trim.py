import torch

from nopo.encode.activations import tangent_covars
from nopo.encode.branch import Branch
from nopo.encode.trim import trim


def surface(places: torch.Tensor) -> Branch:
    """A template branch of this surface [H, W, 3]."""
    height, width, _ = places.shape
    count = height * width
    covars = tangent_covars(places[None], torch.zeros(1, height, width, 3))[0].flatten(0, 1)
    ones = torch.ones(count)
    return Branch((1, height, width), places.flatten(0, 1), covars, ones, ones.view(-1, 1, 1), ones[:, None], ones)


def lowest(branch: Branch) -> torch.Tensor:
    """Where each splat ends below, 1.5 standard deviations from its centre."""
    return branch.means[:, 1] - 1.5 * branch.covars[:, 1, 1].sqrt()


def shoe() -> Branch:
    """Two charts: a wall of 3 cm texels, rows 0-3, above the edge of a sole of 8 mm texels; the floor is y = 0."""
    along = (10 - torch.arange(20)) * 0.008
    wall = [torch.stack([along, torch.full_like(along, 0.03 * k + 0.012), torch.zeros(20)], -1) for k in (3, 2, 1, 0)]
    sole = [torch.stack([along, torch.zeros(20), torch.full_like(along, -0.008 * k)], -1) for k in range(8)]
    branch = surface(torch.stack([*wall, torch.full((20, 3), 9.0), *sole]))
    branch.mask[80:100] = 0  # between the charts
    return branch


def test_a_plane_stays_as_it_is():
    y, x = torch.meshgrid(torch.arange(10) * 0.01, torch.arange(12) * 0.01, indexing="ij")
    plane = surface(torch.stack([x, -y, torch.zeros_like(x)], -1))
    after = trim(plane)
    assert torch.allclose(after.means, plane.means, atol=1e-6)
    assert torch.allclose(after.covars, plane.covars, atol=1e-9)


def test_a_shoe_has_no_whiskers_below_its_sole():
    before = shoe()
    after = trim(before)
    last, upper = slice(60, 80), slice(0, 40)  # rows of the wall
    assert float(lowest(before)[last].max()) < -0.008
    assert float(lowest(after)[last].min()) > -0.006
    assert torch.allclose(after.covars[upper], before.covars[upper], atol=1e-8)
    highest = [(branch.means[last, 1] + 1.5 * branch.covars[last, 1, 1].sqrt()).mean() for branch in (before, after)]
    assert abs(float(highest[1] - highest[0])) < 0.001  # what lies on the wall is covered as before


def test_nothing_happens_to_what_the_map_leaves_out():
    branch = shoe()
    branch.mask[:60] = 0
    after = trim(branch)
    assert torch.equal(after.means[:60], branch.means[:60])
    assert torch.equal(after.covars[:60], branch.covars[:60])
