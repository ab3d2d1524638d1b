"""Rotations by their algebra: each form goes to each other one and back, gradients stay finite at zero and at pi."""

import math

import pytest
import torch

from nopo.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
    skew,
    slerp,
)


def axis_angles(limit, count=500, dtype=torch.float64):
    """Random axes, angles spread over [0, limit], among them tiny ones."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=dtype), dim=-1)
    angle = torch.rand(count, 1, generator=generator, dtype=dtype) * limit
    angle[:20] = torch.logspace(-12, -2, 20, dtype=dtype)[:, None]
    return axis * angle


def test_skew_is_the_cross_product():
    a, b = axis_angles(3.0)[:10], axis_angles(2.0)[10:20]
    assert torch.allclose((skew(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


def test_exponential_map_is_that_of_the_matrix():
    v = axis_angles(3 * math.pi)
    assert torch.allclose(axis_angle_to_matrix(v), torch.matrix_exp(skew(v)), atol=1e-10)


def test_matrices_are_rotations():
    m = axis_angle_to_matrix(axis_angles(10.0))
    assert torch.allclose(m @ m.mT, torch.eye(3, dtype=m.dtype).expand_as(m), atol=1e-12)
    assert torch.allclose(torch.linalg.det(m), torch.ones(len(m), dtype=m.dtype))


def test_axis_angle_there_and_back():
    v = axis_angles(math.pi - 1e-3)
    assert torch.allclose(matrix_to_axis_angle(axis_angle_to_matrix(v)), v, atol=1e-7)
    assert torch.allclose(quaternion_to_axis_angle(axis_angle_to_quaternion(v)), v, atol=1e-9)


def test_quaternions_agree_with_matrices():
    v = axis_angles(2 * math.pi)
    quats = axis_angle_to_quaternion(v)
    assert torch.allclose(quats.norm(dim=-1), torch.ones(len(v), dtype=v.dtype))
    assert torch.allclose(quaternion_to_matrix(quats), axis_angle_to_matrix(v), atol=1e-9)
    back = matrix_to_quaternion(quaternion_to_matrix(3 * quats))
    assert (back[:, 0] >= 0).all()
    assert torch.allclose((back * quats).sum(-1).abs(), torch.ones(len(v), dtype=v.dtype))


@pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.6, -0.8, 0), (-0.48, 0.6, 0.64)])
def test_half_turns(axis):
    """Where the trace gives nothing: the axis comes back up to its sign."""
    v = math.pi * torch.tensor(axis, dtype=torch.float64)
    back = matrix_to_axis_angle(axis_angle_to_matrix(v))
    assert torch.allclose(back.norm(), torch.tensor(math.pi, dtype=torch.float64))
    assert torch.allclose(axis_angle_to_matrix(back), axis_angle_to_matrix(v), atol=1e-7)


@pytest.mark.parametrize("convert", [axis_angle_to_matrix, axis_angle_to_quaternion])
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-5, 1e-4, 1.0])
def test_gradients(convert, scale):
    v = (scale * torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(convert, (v,), eps=1e-7, atol=1e-5)


def test_gradients_through_the_round_trip_at_rest():
    v = torch.zeros(55, 3, requires_grad=True)
    matrix_to_axis_angle(axis_angle_to_matrix(v)).sum().backward()
    assert torch.isfinite(v.grad).all()


def test_slerp_turns_evenly_the_short_way():
    start = axis_angle_to_quaternion(torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64))
    turn = torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    end = matrix_to_quaternion(quaternion_to_matrix(start) @ axis_angle_to_matrix(turn))
    for far in (end, -end):
        for fraction in (0.0, 0.25, 0.5, 1.0):
            between = quaternion_to_matrix(slerp(start, far, torch.tensor(fraction, dtype=torch.float64)))
            wanted = quaternion_to_matrix(start) @ axis_angle_to_matrix(fraction * turn)
            assert torch.allclose(between, wanted, atol=1e-6)


def test_slerp_between_equal_rotations():
    quat = axis_angle_to_quaternion(torch.tensor([[0.4, 0.0, 0.2]]))
    assert torch.allclose(slerp(quat, quat, torch.tensor([0.3])), quat, atol=1e-6)
