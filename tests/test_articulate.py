from pathlib import Path

import numpy as np
import pytest
import torch

from nopo.articulate import Articulator, articulate, skin, warp_shape
from nopo.avatar import Avatar
from nopo.body.kinematics import forward_kinematics, published_axis_angle_to_matrix
from nopo.body.skeleton import joint_weights_from_bones
from nopo.gaussians import Gaussians
from nopo.motion import Motion, Pose

ATOL = 5e-6


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "data" / "golden_lbs.npz") as archive:
        return {name: torch.from_numpy(array) for name, array in archive.items()}


@pytest.fixture(scope="module")
def avatar(golden):
    n = len(golden["means"])
    gaussians = Gaussians(golden["means"], golden["covariances"], torch.full((n,), 0.5), torch.zeros(n, 1, 3))
    return Avatar(gaussians, golden["bone_logits"].softmax(-1), golden["template_joints"], "test")


def skin_by_hand(means, covars, weights, transforms):
    """One Gaussian after the other, as the formula is written: the slow twin."""
    moved, turned = [], []
    for mean, covar, weight in zip(means, covars, weights, strict=True):
        blend = (weight[:, None, None] * transforms).sum(0)
        moved.append(blend[:, :3] @ mean + blend[:, 3])
        turned.append(blend[:, :3] @ covar @ blend[:, :3].T)
    return torch.stack(moved), torch.stack(turned)


def test_shape_warp_matches_the_original(golden, avatar):
    warped = warp_shape(avatar.gaussians, avatar.bone_weights, avatar.rest_joints, golden["subject_joints"], "identity")
    torch.testing.assert_close(warped.means, golden["shaped_means"], atol=ATOL, rtol=0)
    torch.testing.assert_close(warped.covars, golden["shaped_covariances"], atol=ATOL, rtol=0)


def test_posed_gaussians_match_the_original(golden, avatar):
    warped = warp_shape(avatar.gaussians, avatar.bone_weights, avatar.rest_joints, golden["subject_joints"], "identity")
    matrices = published_axis_angle_to_matrix(golden["poses"])
    transforms = forward_kinematics(matrices, golden["subject_joints"])
    means, covars = skin(warped.means, warped.covars, joint_weights_from_bones(avatar.bone_weights), transforms)
    torch.testing.assert_close(means, golden["posed_means"], atol=ATOL, rtol=0)
    torch.testing.assert_close(covars, golden["posed_covariances"], atol=ATOL, rtol=0)


def test_articulator_is_within_the_rounding_of_the_published_rotations(golden, avatar):
    articulator = Articulator(avatar, golden["subject_joints"], "identity")
    motion = Motion(golden["poses"], torch.zeros(len(golden["poses"]), 3), fps=20)
    for frame, means, covars in zip(
        articulator.frames(motion), golden["posed_means"], golden["posed_covariances"], strict=True
    ):
        torch.testing.assert_close(frame.means, means, atol=2e-4, rtol=0)
        torch.testing.assert_close(frame.covars, covars, atol=2e-4, rtol=0)


def test_skinning_and_its_gradients_equal_the_formula(golden, avatar):
    rotations = published_axis_angle_to_matrix(golden["poses"][2])
    transforms = forward_kinematics(rotations, golden["subject_joints"]).double()
    results = []
    for function in (skin, skin_by_hand):
        means = golden["means"][:40].double().requires_grad_()
        covars = golden["covariances"][:40].double().requires_grad_()
        weights = joint_weights_from_bones(avatar.bone_weights[:40].double()).requires_grad_()
        moving = transforms.clone().requires_grad_()
        moved, turned = function(means, covars, weights, moving)
        probe = torch.linspace(-1, 1, turned.numel(), dtype=torch.float64).reshape(turned.shape)
        (moved.sin().sum() + ((turned + turned.mT) * probe).sum()).backward()
        # S is symmetric: only the symmetric part of its gradient means something.
        results.append([moved, turned, means.grad, covars.grad + covars.grad.mT, weights.grad, moving.grad])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow)


def test_skin_broadcasts_over_poses_and_avatars(golden):
    transforms = forward_kinematics(published_axis_angle_to_matrix(golden["poses"]), golden["subject_joints"])
    weights = joint_weights_from_bones(golden["bone_logits"].softmax(-1))
    means, covars = skin(golden["means"], golden["covariances"], weights, transforms)
    pairs = [torch.stack([x, x.flip(0)]) for x in (golden["means"], golden["covariances"], weights)]
    both, _ = skin(*pairs, transforms[1:3])
    assert means.shape == (4, len(weights), 3) and covars.shape == (4, len(weights), 3, 3)
    torch.testing.assert_close(both[0], means[1])
    torch.testing.assert_close(both[1], means[2].flip(0))


def test_rest_pose_returns_the_avatar(avatar):
    posed = articulate(avatar, Pose.rest())
    torch.testing.assert_close(posed.means, avatar.gaussians.means, atol=ATOL, rtol=0)
    torch.testing.assert_close(posed.covars, avatar.gaussians.covars, atol=ATOL, rtol=0)
    assert posed.sh is avatar.gaussians.sh and posed.opacities is avatar.gaussians.opacities


def test_translation_carries_everything_along(avatar):
    pose = Pose(torch.zeros(55, 3), torch.tensor([1.0, -2.0, 0.5]))
    torch.testing.assert_close(articulate(avatar, pose).means, avatar.gaussians.means + pose.transl)


def test_one_pose_equals_the_same_frame_of_a_motion(golden, avatar):
    motion = Motion(golden["poses"], torch.ones(len(golden["poses"]), 3), fps=20)
    frames = list(Articulator(avatar).frames(motion))
    assert len(frames) == len(motion)
    single = articulate(avatar, motion[2])
    torch.testing.assert_close(frames[2].means, single.means)
    torch.testing.assert_close(frames[2].covars, single.covars)


def test_posed_covariances_stay_symmetric_and_positive(golden, avatar):
    posed = articulate(avatar, Pose(golden["poses"][3], torch.zeros(3)))
    assert torch.equal(posed.covars, posed.covars.mT)
    assert torch.linalg.eigvalsh(posed.covars.double()).min() > -1e-9


def test_gradients_reach_pose_and_proportions(golden, avatar):
    rotations = torch.zeros(55, 3, requires_grad=True)
    joints = golden["subject_joints"].clone().requires_grad_()
    posed = articulate(avatar, Pose(rotations, torch.zeros(3)), rest_joints=joints)
    (posed.means.square().sum() + posed.covars.sum()).backward()
    for gradient in (rotations.grad, joints.grad):
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(golden, avatar):
    on_gpu = Avatar(avatar.gaussians.to("cuda"), avatar.bone_weights.cuda(), avatar.rest_joints.cuda(), "test")
    pose = Pose(golden["poses"][2], torch.zeros(3))
    torch.testing.assert_close(articulate(on_gpu, pose).means.cpu(), articulate(avatar, pose).means, atol=1e-4, rtol=0)
