"""A small person with every kind of Gaussian, to be written and read back."""

import pytest
import torch

from nopo.avatar import Avatar
from nopo.gaussians import Gaussians
from nopo.harmonics import rgb_to_dc
from nopo.rotations import quaternion_to_matrix

HIDDEN = 7
"""The first so many Gaussians of `person` cannot be seen."""


@pytest.fixture(scope="session")
def person(body_avatar: Avatar) -> Avatar:
    """Ellipsoids of all shapes and opacities on the open body, with harmonics of degree 4."""
    make = torch.Generator().manual_seed(0)
    pick = torch.arange(0, len(body_avatar.gaussians), 11)
    n = len(pick)
    turns = quaternion_to_matrix(torch.randn(n, 4, generator=make))
    scales = torch.empty(n, 3).uniform_(-7, -3, generator=make).exp()  # 1 to 50 mm
    covars = turns @ torch.diag_embed(scales**2) @ turns.mT
    opacities = torch.rand(n, generator=make).clamp(0.02, 1)
    opacities[:HIDDEN] = 0
    opacities[HIDDEN] = 1
    sh = torch.randn(n, 25, 3, generator=make) * 0.2
    sh[:, 0] = rgb_to_dc(torch.rand(n, 3, generator=make))
    gaussians = Gaussians(body_avatar.gaussians.means[pick], (covars + covars.mT) / 2, opacities, sh)
    return Avatar(gaussians, body_avatar.bone_weights[pick], body_avatar.rest_joints, "test")


@pytest.fixture(scope="session")
def ghost(person: Avatar) -> Avatar:
    """Nobody: no Gaussian can be seen."""
    g = person.gaussians
    unseen = Gaussians(g.means, g.covars, torch.zeros_like(g.opacities), g.sh)
    return Avatar(unseen, person.bone_weights, person.rest_joints, "test")


@pytest.fixture(scope="session")
def seen(person: Avatar) -> Gaussians:
    """What files hold of `person`, in its order."""
    return person.gaussians.select(torch.arange(HIDDEN, len(person.gaussians)))
