import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nopo.body import kinematics
from nopo.body.skeleton import BONES, JOINT_NAMES, NUM_JOINTS, PARENTS
from nopo.rotations import axis_angle_to_matrix

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture
def joints():
    generator = torch.Generator().manual_seed(1)
    steps = 0.2 * torch.randn(NUM_JOINTS, 3, generator=generator)
    places = [steps[0]]
    for j in range(1, NUM_JOINTS):
        places.append(places[PARENTS[j]] + steps[j])
    return torch.stack(places)


def chain_by_hand(matrices, joints, transl):
    """Forward kinematics joint by joint with 4x4 matrices: the slow, obvious twin."""
    world = []
    for j in range(NUM_JOINTS):
        local = torch.eye(4, dtype=torch.float64)
        local[:3, :3] = matrices[j]
        local[:3, 3] = joints[j] - joints[PARENTS[j]] if j else joints[0] + transl
        world.append(local if j == 0 else world[PARENTS[j]] @ local)
    rest_inverse = torch.eye(4, dtype=torch.float64).repeat(NUM_JOINTS, 1, 1)
    rest_inverse[:, :3, 3] = -joints
    return (torch.stack(world) @ rest_inverse)[:, :3]


@pytest.mark.parametrize(
    ("to_matrix", "linear", "shift"),
    [
        (kinematics.published_axis_angle_to_matrix, "global_Rs", "global_Ts"),
        (axis_angle_to_matrix, "tensor_global_Rs", "tensor_global_Ts"),
    ],
)
def test_forward_kinematics_matches_the_original(golden_lbs, to_matrix, linear, shift):
    transforms = kinematics.forward_kinematics(to_matrix(golden_lbs["poses"]), golden_lbs["subject_joints"])
    torch.testing.assert_close(transforms[..., :3], golden_lbs[linear], atol=5e-6, rtol=0)
    torch.testing.assert_close(transforms[..., 3], golden_lbs[shift], atol=5e-6, rtol=0)


def test_axis_angle_variants_match_the_original(golden_lbs):
    published = kinematics.published_axis_angle_to_matrix(golden_lbs["axis_angle"])
    torch.testing.assert_close(published, golden_lbs["axis_angle_published"], atol=5e-6, rtol=0)
    exact = axis_angle_to_matrix(golden_lbs["axis_angle"])
    torch.testing.assert_close(exact, golden_lbs["axis_angle_exact"], atol=5e-6, rtol=0)


def test_forward_kinematics_equals_the_chain_by_hand(joints):
    generator = torch.Generator().manual_seed(2)
    matrices = axis_angle_to_matrix(torch.randn(2, 3, NUM_JOINTS, 3, generator=generator).double())
    transl = torch.randn(2, 3, 3, generator=generator).double()
    batched = kinematics.forward_kinematics(matrices, joints.double(), transl)
    for i in range(2):
        for t in range(3):
            torch.testing.assert_close(batched[i, t], chain_by_hand(matrices[i, t], joints.double(), transl[i, t]))


def test_rest_pose_moves_nothing_and_translation_moves_all(joints):
    matrices = torch.eye(3).expand(NUM_JOINTS, 3, 3)
    still = kinematics.forward_kinematics(matrices, joints)
    torch.testing.assert_close(kinematics.move_points(still, joints), joints)
    transl = torch.tensor([0.3, -0.2, 1.0])
    moved = kinematics.forward_kinematics(matrices, joints, transl)
    torch.testing.assert_close(kinematics.move_points(moved, joints), joints + transl)


def test_global_orientation_turns_about_the_pelvis(joints):
    matrices = torch.eye(3).repeat(NUM_JOINTS, 1, 1)
    matrices[0] = axis_angle_to_matrix(torch.tensor([0.0, math.pi / 2, 0.0]))
    transl = torch.tensor([1.0, 2.0, 3.0])
    posed = kinematics.move_points(kinematics.forward_kinematics(matrices, joints, transl), joints)
    torch.testing.assert_close(posed[0], joints[0] + transl)
    torch.testing.assert_close(posed - posed[0], (joints - joints[0]) @ matrices[0].T)


def test_forward_kinematics_is_differentiable_at_the_rest_pose(joints):
    pose = torch.zeros(NUM_JOINTS, 3, requires_grad=True)
    transforms = kinematics.forward_kinematics(axis_angle_to_matrix(pose), joints)
    kinematics.move_points(transforms, joints).square().sum().backward()
    assert torch.isfinite(pose.grad).all() and pose.grad.abs().sum() > 0


def test_removing_the_root_matches_the_original():
    with np.load(DATA / "golden_samples.npz") as archive:
        viewmats, turns, shifts, expected = (
            torch.from_numpy(archive[f"cam.{name}"]).double() for name in ("w2c", "Rh", "Th", "w2c_root_removed")
        )
    moved = kinematics.remove_root(viewmats, axis_angle_to_matrix(turns), shifts, torch.zeros(3).double())
    torch.testing.assert_close(moved, expected, atol=5e-6, rtol=0)


def test_without_the_root_the_camera_sees_the_same(joints):
    generator = torch.Generator().manual_seed(6)
    matrices = axis_angle_to_matrix(torch.randn(2, NUM_JOINTS, 3, generator=generator))
    transl = torch.randn(2, 3, generator=generator)
    viewmat = torch.eye(4)
    viewmat[:3, :3] = axis_angle_to_matrix(torch.tensor([0.3, 2.0, -0.4]))
    viewmat[:3, 3] = torch.tensor([0.1, -0.2, 3.0])
    whole = kinematics.move_points(kinematics.forward_kinematics(matrices, joints, transl), joints)  # [2, 55, 3]
    seen = whole @ viewmat[:3, :3].T + viewmat[:3, 3]

    moved = kinematics.remove_root(viewmat, matrices[:, 0], transl, joints[0])  # [2, 4, 4]
    matrices[:, 0] = torch.eye(3)
    still = kinematics.move_points(kinematics.forward_kinematics(matrices, joints), joints)
    torch.testing.assert_close(still @ moved[:, :3, :3].mT + moved[:, None, :3, 3], seen, atol=1e-5, rtol=1e-5)


def test_bone_shape_warp_matches_the_original(golden_lbs):
    warp = kinematics.bone_shape_warp(golden_lbs["template_joints"], golden_lbs["subject_joints"], "identity")
    torch.testing.assert_close(warp[..., :3], golden_lbs["cnl_Rs"], atol=5e-6, rtol=0)
    torch.testing.assert_close(warp[..., 3], golden_lbs["cnl_Ts"], atol=5e-6, rtol=0)


@pytest.mark.parametrize("leaf_bones", ["identity", "inherit"])
def test_bone_shape_warp_to_itself_is_the_identity(joints, leaf_bones):
    warp = kinematics.bone_shape_warp(joints, joints, leaf_bones)
    torch.testing.assert_close(warp, torch.eye(3, 4).expand(69, 3, 4), atol=1e-6, rtol=0)


def test_bone_shape_warp_takes_both_ends_of_every_bone_to_their_places(joints):
    target = joints * torch.tensor([1.2, 0.9, 1.1]) + torch.tensor([0.1, 0.0, -0.2])
    warp = kinematics.bone_shape_warp(joints, target, "inherit")
    near = [a for a, _ in BONES]
    torch.testing.assert_close(kinematics.move_points(warp, joints[near]), target[near], atol=1e-5, rtol=0)
    far = [b for _, b in BONES if b is not None]
    torch.testing.assert_close(kinematics.move_points(warp[:54], joints[far]), target[far], atol=1e-5, rtol=0)


def test_warp_broadcasts_one_person_to_many(joints):
    many = joints * torch.tensor([[[1.0]], [[1.1]], [[0.8]]])
    for leaf_bones in ("identity", "inherit"):
        warp = kinematics.bone_shape_warp(joints, many, leaf_bones)
        torch.testing.assert_close(warp[2], kinematics.bone_shape_warp(joints, many[2], leaf_bones))
        assert kinematics.bone_shape_warp(many, joints, leaf_bones).shape == (3, 69, 3, 4)


def test_inherited_leaf_scales_like_the_bone_before_it(joints):
    warp = kinematics.bone_shape_warp(joints, 1.3 * joints, "inherit")
    torch.testing.assert_close(warp[..., :3], 1.3 * torch.eye(3).expand(69, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(warp[..., 3], torch.zeros(69, 3), atol=1e-5, rtol=0)


def test_warp_survives_parallel_opposite_and_vanishing_edges(joints):
    target = joints.clone()
    knee, hip = JOINT_NAMES.index("left_knee"), JOINT_NAMES.index("left_hip")
    target[knee] = 2 * joints[hip] - joints[knee]
    source = joints.clone()
    source[22] = source[15]
    source.requires_grad_()
    warp = kinematics.bone_shape_warp(source, target)
    assert torch.isfinite(warp).all()
    rotation = warp[knee - 1, :, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(rotation.det(), torch.tensor(1.0))
    torch.testing.assert_close(rotation @ (joints[knee] - joints[hip]), joints[hip] - joints[knee])
    warp.sum().backward()
    assert torch.isfinite(source.grad).all()
