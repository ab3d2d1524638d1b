"""The photos' Gaussians move with the surface that they lie on."""

import math

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.encode import Branch
from nopo.encode.settle import LIMBS, limb_of, nearest_points, settle

LEFT, RIGHT = (
    BONES.index((JOINT_NAMES.index(f"{side}_knee"), JOINT_NAMES.index(f"{side}_ankle"))) for side in ("left", "right")
)


def branch(means: Tensor, bone: int, uncertainty: float | None = None, mask: Tensor | None = None) -> Branch:
    n = len(means)
    logits = torch.full((n, 69), -14.0)
    logits[:, bone] = 0
    return Branch(
        grid=(1, 1, n),
        means=means,
        covars=torch.eye(3).expand(n, 3, 3) * 1e-6,
        opacities=torch.full((n,), 0.9),
        sh=torch.zeros(n, 1, 3),
        bone_logits=logits,
        mask=torch.ones(n) if mask is None else mask,
        uncertainty=None if uncertainty is None else torch.full((n,), math.log(uncertainty)),
    )


def legs() -> Branch:
    """Lines down the insides of two legs, 20 cm apart, one texel a centimetre."""
    steps = torch.arange(20) * 0.01
    left = branch(torch.stack([torch.full((20,), 0.1), -0.5 - steps, torch.zeros(20)], 1), LEFT)
    right = branch(left.means * torch.tensor([-1.0, 1, 1]), RIGHT)
    names = ("means", "covars", "opacities", "sh", "bone_logits", "mask")
    return Branch(grid=(1, 1, 40), **{name: torch.cat([getattr(left, name), getattr(right, name)]) for name in names})


def weights(settled: Branch) -> Tensor:
    return settled.bone_logits.softmax(-1)


def test_what_lies_on_a_leg_moves_with_it_whatever_was_said():
    settled = settle(legs(), branch(torch.tensor([[0.1, -0.6, 0.02]]), RIGHT, uncertainty=0.3))
    assert weights(settled)[0, LEFT] > 0.999
    assert torch.equal(settled.opacities, torch.tensor([0.9])), "on the surface, unsure places stay"


def test_cloth_far_from_the_body_moves_as_the_network_says():
    settled = settle(legs(), branch(torch.tensor([[0.1, -0.6, 0.2]]), RIGHT, uncertainty=0.03))
    assert weights(settled)[0, RIGHT] > 0.999
    assert torch.equal(settled.opacities, torch.tensor([0.9]))


def test_a_face_before_the_face_stays():
    """The depth is off, but there is no other limb that it could belong to."""
    settled = settle(legs(), branch(torch.tensor([[0.1, -0.6, 0.08], [0.19, -0.6, 0.0]]), LEFT, uncertainty=0.15))
    assert torch.equal(settled.opacities, torch.tensor([0.9, 0.9]))


def test_a_skirt_between_the_legs_stays_where_the_network_is_sure():
    settled = settle(legs(), branch(torch.tensor([[0.0, -0.6, 0.0]]), RIGHT, uncertainty=0.04))
    assert torch.equal(settled.opacities, torch.tensor([0.9]))


def test_every_bone_is_part_of_one_limb():
    limbs = limb_of(torch.eye(69))
    sides = {"left": 0, "right": 0}
    for (near, _), limb in zip(BONES, limbs.tolist(), strict=True):
        name = JOINT_NAMES[near]
        for side in sides:
            sides[side] += LIMBS[limb].startswith(side)
            assert LIMBS[limb].startswith(side) <= name.startswith(side)
    assert sides["left"] == sides["right"] > 20
    assert LIMBS[limbs[LEFT]] == "left leg"


def test_a_guess_between_the_legs_is_gone():
    settled = settle(legs(), branch(torch.tensor([[0.0, -0.6, 0.0]]), RIGHT, uncertainty=0.15))
    assert settled.opacities.item() == 0


def test_a_network_that_says_nothing_of_errors_keeps_everything():
    settled = settle(legs(), branch(torch.tensor([[0.0, -0.6, 0.0]]), RIGHT))
    assert settled.opacities.item() == torch.tensor(0.9).item()


def test_halfway_it_moves_with_both():
    both = weights(settle(legs(), branch(torch.tensor([[0.1, -0.6, 0.07]]), RIGHT)))[0]
    torch.testing.assert_close(both[[LEFT, RIGHT]], torch.tensor([0.5, 0.5]), atol=0.01, rtol=0)


def test_nobody_in_the_photo_changes_nothing():
    image = branch(torch.rand(3, 3), RIGHT, uncertainty=0.5, mask=torch.zeros(3))
    assert settle(legs(), image) is image


def test_nearest_points_are_those_of_the_definition():
    generator = torch.Generator().manual_seed(0)
    queries, points = torch.rand(50, 3, generator=generator), torch.rand(30, 3, generator=generator)
    distance, index = nearest_points(queries, points)
    wanted = torch.cdist(queries, points).min(1)
    assert torch.equal(index, wanted.indices)
    torch.testing.assert_close(distance, wanted.values, atol=1e-6, rtol=0)
