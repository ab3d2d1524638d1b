"""Splats grow with the surface where a joint draws it out."""

import math

import pytest
import torch

from nopo.articulate import articulate
from nopo.avatar import Avatar
from nopo.body.skeleton import BONES, JOINT_NAMES, joint_weights_from_bones
from nopo.camera import orbit
from nopo.gaussians import Gaussians
from nopo.motion import Pose
from nopo.render import render
from nopo.stretch import Stretch

NAMES = [JOINT_NAMES[near] for near, _ in BONES]
UPPER, LOWER = NAMES.index("left_hip"), NAMES.index("left_knee")
SPACING_M = 0.01


@pytest.fixture
def strip():
    """The front of a straight leg, 6 cm before the bone; the knee's share rises over 12 cm."""
    x, y = torch.meshgrid(torch.arange(-6, 7) * SPACING_M, torch.arange(-25, 26) * SPACING_M, indexing="xy")
    means = torch.stack([x, y, torch.full_like(x, 0.06)], -1).reshape(-1, 3)
    lower = (0.5 - means[:, 1] / 0.12).clamp(0, 1)
    weights = torch.zeros(len(means), 69)
    weights[:, UPPER], weights[:, LOWER] = 1 - lower, lower
    covars = torch.diag(torch.tensor([(SPACING_M / 2) ** 2, (SPACING_M / 2) ** 2, 1e-6])).expand(len(means), 3, 3)
    joints = torch.zeros(55, 3)
    joints[JOINT_NAMES.index("left_hip"), 1] = 0.4
    for name, height in (("left_ankle", -0.4), ("left_foot", -0.45)):
        joints[JOINT_NAMES.index(name), 1] = height
    gaussians = Gaussians(means, covars.clone(), torch.full((len(means),), 0.95), torch.zeros(len(means), 1, 3))
    return Avatar(gaussians, weights, joints, "open")


def bent(degrees):
    rotations = torch.zeros(55, 3)
    rotations[JOINT_NAMES.index("left_knee"), 0] = math.radians(degrees)
    return Pose(rotations, torch.zeros(3))


def test_avatars_of_published_models_move_as_in_the_paper(strip):
    published = Avatar(strip.gaussians, strip.bone_weights, strip.rest_joints, "nopo-avatar-test")
    assert torch.equal(articulate(published, bent(100)).covars, articulate(strip, bent(100), stretch=False).covars)
    assert not torch.allclose(articulate(strip, bent(100)).covars, articulate(published, bent(100)).covars, atol=1e-5)


def test_no_gaps_open_over_a_bent_knee(strip):
    def least_cover(stretch):
        posed = articulate(strip, bent(100), stretch=stretch)
        alpha = render(posed, orbit(posed.means[331], 0.5, 0, -40, size=(128, 128))).alpha[0, ..., 0]
        return float(alpha[54:74, 54:74].min())  # around the middle of the strip

    assert least_cover(False) < 0.3  # stripes
    assert least_cover(True) > 0.8


def test_splats_are_drawn_out_as_far_as_their_neighbours_move_apart(strip):
    posed = articulate(strip, bent(100))
    means = posed.means.view(51, 13, 3)
    apart = (means[2:] - means[:-2]).norm(dim=-1)[:, 6] / (2 * SPACING_M)  # how far along the leg
    longest = torch.linalg.eigvalsh(posed.covars.view(51, 13, 3, 3)[1:-1, 6])[:, -1].sqrt() / (SPACING_M / 2)
    assert apart.max() > 1.5
    middle = apart > 1.3
    torch.testing.assert_close(longest[middle], apart[middle], atol=0, rtol=0.2)


def test_what_moves_together_is_left_alone(strip):
    rotations = torch.zeros(55, 3)
    rotations[0] = torch.tensor([0.3, -0.5, 0.8])
    whole = Pose(rotations, torch.tensor([0.1, 0.2, 0.3]))
    stretched, plain = (articulate(strip, whole, stretch=stretch).covars for stretch in (True, False))
    torch.testing.assert_close(stretched, plain, atol=1e-9, rtol=1e-4)


def test_another_part_that_lies_near_does_not_pull():
    """Two thighs that touch: each moves with its own joint, and nothing spans the gap when they part."""
    y = torch.arange(-10, 11) * SPACING_M
    sides = [torch.stack([torch.full_like(y, side), y, torch.zeros_like(y)], 1) for side in (-0.004, 0.004)]
    weights = torch.zeros(42, 69)
    weights[:21, NAMES.index("right_hip")] = weights[21:, NAMES.index("left_hip")] = 1
    stretch = Stretch(torch.cat(sides), joint_weights_from_bones(weights))
    assert not len(stretch.rows)


def test_the_compiled_loop_does_what_the_tensors_do(strip):
    weights = joint_weights_from_bones(strip.bone_weights)
    stretch = Stretch(strip.gaussians.means, weights)
    generator = torch.Generator().manual_seed(0)
    moved = strip.gaussians.means.T + 0.01 * torch.randn(3, len(weights), generator=generator)
    linear = torch.randn(3, 3, len(weights), generator=generator)
    before = linear.clone()
    torch.testing.assert_close(stretch(moved, linear), stretch.by_tensors(moved, linear), atol=1e-5, rtol=1e-5)
    assert torch.equal(linear, before)


def test_gradients_pass(strip):
    rotations = bent(60).rotations.requires_grad_()
    articulate(strip, Pose(rotations, torch.zeros(3))).covars.sum().backward()
    assert rotations.grad.isfinite().all() and rotations.grad[JOINT_NAMES.index("left_knee")].abs().max() > 0


def test_an_avatar_of_one_gaussian_can_be_posed():
    one = Gaussians(torch.zeros(1, 3), torch.eye(3)[None] * 1e-4, torch.ones(1), torch.zeros(1, 1, 3))
    weights = torch.zeros(1, 69)
    weights[0, UPPER] = 1
    posed = articulate(Avatar(one, weights, torch.zeros(55, 3), "open"), bent(30))
    assert posed.covars.isfinite().all()
