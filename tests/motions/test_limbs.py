"""Inverse kinematics by its forward kinematics, and hands by where the fingers go."""

import pytest
import torch

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.open import load_open_body
from nopo.body.skeleton import JOINT_FLIP, JOINT_NAMES
from nopo.motions.hands import SHAPES, left_hand, mirrored
from nopo.motions.limbs import longest_reach, reach
from nopo.rotations import axis_angle_to_matrix

UPPER = torch.tensor([0.02, -0.40, 0.0], dtype=torch.float64)
LOWER = torch.tensor([0.03, -0.42, -0.02], dtype=torch.float64)
HINGE = torch.tensor([1.0, 0, 0], dtype=torch.float64)
FORWARD = torch.tensor([0, 0, 1.0], dtype=torch.float64)


def targets(count=200):
    generator = torch.Generator().manual_seed(1)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    far = torch.rand(count, 1, generator=generator, dtype=torch.float64) * 0.6 + 0.2
    toward = torch.linalg.cross(direction, torch.randn(count, 3, generator=generator, dtype=torch.float64))
    return direction * far, toward


def test_the_end_is_where_it_was_wanted_and_the_middle_points_there():
    target, toward = targets()
    root, bend = reach(UPPER, LOWER, HINGE, FORWARD, target, toward)
    middle = root @ UPPER
    end = middle + (root @ bend) @ LOWER
    assert torch.allclose(end, target, atol=1e-9)
    assert ((middle - 0.5 * end) * toward).sum(-1).min() > 0
    assert torch.allclose(torch.linalg.det(root), torch.ones(len(root), dtype=root.dtype))
    assert (bend @ HINGE - HINGE).abs().max() < 1e-12


def test_too_far_is_reached_for():
    target, toward = targets(5)
    root, bend = reach(UPPER, LOWER, HINGE, FORWARD, 10 * target, toward)
    end = root @ UPPER + (root @ bend) @ LOWER
    assert torch.allclose(torch.nn.functional.cosine_similarity(end, target), torch.ones(5, dtype=end.dtype))
    assert end.norm(dim=-1).max() <= longest_reach(UPPER, LOWER) + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_hands_are_mirror_images(shape):
    rest = load_open_body().rest_joints()
    rotations = torch.zeros(55, 3)
    rotations[25:40] = left_hand(shape).float()
    rotations[40:55] = mirrored(left_hand(shape)).float()
    joints = move_points(forward_kinematics(axis_angle_to_matrix(rotations), rest), rest)
    assert torch.allclose(joints[list(JOINT_FLIP)] * torch.tensor([-1.0, 1, 1]), joints, atol=1e-4)


def test_a_fist_closes_towards_the_palm():
    rest = load_open_body().rest_joints()
    rotations = torch.zeros(55, 3)
    rotations[25:40] = left_hand("fist").float()
    joints = move_points(forward_kinematics(axis_angle_to_matrix(rotations), rest), rest)
    for finger in ("index", "middle", "ring", "pinky"):
        last = JOINT_NAMES.index(f"left_{finger}3")
        assert joints[last, 1] < rest[last, 1] - 0.015, "the palm faces down in the T-pose"
        assert joints[last, 0] < rest[last, 0] - 0.02
