"""What bodies and their clothes have in common: the principal components that the shape head speaks in."""

from __future__ import annotations

import logging

import torch

from nopo.body.open import load_open_body
from nopo.encode.network import Network
from nopo.synthetic.dice import Dice
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
    dice = Dice.of(torch.Generator().manual_seed(seed))
    people = PEOPLE_A_COMPONENT * components
    LOGGER.info("Looking at %d people for what their surfaces have in common.", people)
    rows = [interpolate(sample_person(figure, dice).canonical, atlas.corners, atlas.bary) for _ in range(people)]
    surfaces = torch.stack(rows)  # [people, P, 3]
    mean = surfaces.mean(0)
    torch.manual_seed(seed)
    _, lengths, basis = torch.svd_lowrank((surfaces - mean).flatten(1), components, POWER_ITERATIONS)  # [3P, K]
    deviations = basis * lengths / people**0.5
    body = load_open_body()
    template = body.template(size).positions.flatten(0, 1)[atlas.pixel]  # [P, 3]
    head.template_joints.copy_(body.rest_joints())
    head.mean[atlas.pixel] = mean - template
    head.basis[:, atlas.pixel] = deviations.T.unflatten(1, (-1, 3))
    head.bone_weights.copy_(atlas.bone_weights.flatten(0, 1))
