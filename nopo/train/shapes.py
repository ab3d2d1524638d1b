"""What bodies and their clothes have in common: the principal components that the shape head speaks in."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.encode.landmarks import spread_landmarks
from nopo.encode.network import Network
from nopo.encode.shape import JOINT_COMPONENTS
from nopo.synthetic.dice import Dice, seeded
from nopo.synthetic.figure import load_figure
from nopo.synthetic.person import sample_person
from nopo.synthetic.rasterize import interpolate
from nopo.synthetic.uv import uv_atlas

LOGGER = logging.getLogger(__name__)

PEOPLE_A_COMPONENT = 60
POWER_ITERATIONS = 4


@torch.no_grad()
def know_people(network: Network, seed: int) -> None:
    """Fill the buffers of a new network's `ShapeHead` from clothed people, of the bodies that training may use.

    Args:
        network: of the open model.
        seed: of the people.
    """
    head = network.shape
    assert head is not None
    size, components = network.config.template_size, len(head.basis)
    atlas, figure = uv_atlas(size), load_figure()
    dice = Dice.of(seeded(seed, held_out=False))
    count = PEOPLE_A_COMPONENT * components
    LOGGER.info("Looking at %d people for what their bodies have in common.", count)
    surfaces, joints = [], []
    for _ in range(count):
        person = sample_person(figure, dice)
        surfaces.append(interpolate(person.canonical, atlas.corners, atlas.bary))
        joints.append(person.rest_joints)
    body = load_open_body()
    template = body.template(size).positions.flatten(0, 1)[atlas.pixel]  # [P, 3]
    torch.manual_seed(seed)
    mean, basis = _components(torch.stack(surfaces), components)
    head.mean[atlas.pixel] = mean - template
    head.basis[:, atlas.pixel] = basis
    mean, basis = _components(torch.stack(joints), JOINT_COMPONENTS)
    head.template_joints.copy_(body.rest_joints())
    head.joint_mean.copy_(mean - head.template_joints)
    head.joint_basis.copy_(basis)
    head.bone_weights.copy_(atlas.bone_weights.flatten(0, 1))
    head.places.copy_(spread_landmarks(template))


def _components(samples: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Samples [N, P, 3] -> their mean [P, 3] and principal components [count, P, 3], one standard deviation long."""
    mean = samples.mean(0)
    _, lengths, basis = torch.svd_lowrank((samples - mean).flatten(1), count, POWER_ITERATIONS)  # [3P, count]
    deviations = basis * lengths / len(samples) ** 0.5
    return mean, deviations.T.unflatten(1, (-1, 3))
