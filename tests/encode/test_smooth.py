from dataclasses import replace

import torch
from torch import Tensor

from nopo.encode import Branch
from nopo.encode.activations import tangent_covars
from nopo.encode.smooth import smooth_surface

WIDTH = 0.01
"""Metres between neighbours."""


def surfaces(noise: float) -> tuple[Branch, Tensor]:
    """A chest, 20 pixels wide, and beside it a hand 30 cm away, 12 wide: the branch, and its true places."""
    x, y = torch.meshgrid(torch.arange(32.0) * WIDTH, torch.arange(40.0) * WIDTH, indexing="xy")
    places = torch.stack([x, y, 2 * (x - 0.1).square()], -1)
    places[:, 20:, 0] += 0.3
    drawn = places + noise * torch.randn(places.shape, generator=torch.Generator().manual_seed(0))
    n = 32 * 40
    branch = Branch(
        grid=(1, 40, 32), means=drawn.view(n, 3), covars=torch.zeros(n, 3, 3), opacities=torch.ones(n),
        sh=torch.zeros(n, 1, 3), bone_logits=torch.zeros(n, 69), mask=torch.ones(n),
    )  # fmt: skip
    return branch, places


def test_noise_goes_and_a_depth_edge_stays():
    branch, places = surfaces(0.004)
    smooth = smooth_surface(branch).means.view_as(places)
    before, after = ((x - places).norm(dim=-1)[3:-3, 3:-3] for x in (branch.means.view_as(places), smooth))
    assert after.mean() < 0.45 * before.mean()
    assert (after[:, 13:20] < 0.012).all(), "nothing lies between the chest and the hand"


def test_splats_lie_in_the_smooth_surface():
    rough, smooth = surfaces(0.004)[0], smooth_surface(surfaces(0.004)[0])
    maps = rough.means.view(1, 40, 32, 3)
    rough = replace(rough, covars=tangent_covars(maps, torch.zeros_like(maps)).flatten(0, 2))

    def upright(branch: Branch) -> Tensor:
        """How far splats of the chest lean out of its plane, in widths."""
        chest = branch.covars.view(40, 32, 3, 3)[4:-4, 4:16]
        return (chest[..., 2, 2] / chest[..., 1, 1]).sqrt().mean()

    assert upright(smooth) < 0.7 * upright(rough)


def test_what_is_not_the_person_pulls_nobody():
    branch, places = surfaces(0.0)
    mask = torch.ones(40, 32)
    mask[:, 10:] = 0
    means = branch.means.view(40, 32, 3).clone()
    means[:, 10:, 2] += 0.03  # near enough to count as the same surface
    smooth = smooth_surface(replace(branch, means=means.view(-1, 3), mask=mask.flatten())).means.view_as(places)
    assert (smooth[4:-4, 9] - means[4:-4, 9])[:, 2].abs().max() < 1e-3
