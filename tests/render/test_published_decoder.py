"""All that follows the published networks, from canonical Gaussians to the picture, against the original's pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from render_scenes import scene_b

from nopo.articulate import Articulator, skin
from nopo.avatar import Avatar
from nopo.body.kinematics import bone_shape_warp, forward_kinematics, published_axis_angle_to_matrix
from nopo.body.skeleton import joint_weights_from_bones
from nopo.gaussians import Gaussians
from nopo.motion import Pose
from nopo.render import render

DATA = Path(__file__).parents[1] / "data"
POSES = (1, 2)
ATOL = {torch.float64: 2e-5, torch.float32: 3e-5}
"""By the precision of the warps. In float32, one rounding of a joint's rotation moves a mean by 1e-6 m, and two pixels
beyond 2e-5."""


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(DATA / "golden_lbs.npz") as archive:
        return {name: torch.from_numpy(archive[name]) for name in ("template_joints", "subject_joints", "poses")}


@pytest.fixture(scope="module")
def avatar(golden: dict[str, torch.Tensor]) -> Avatar:
    with np.load(DATA / "golden_scene_b.npz") as archive:
        means, covars, logits = (torch.from_numpy(archive[name]) for name in ("means", "covars", "bone_logits"))
    posed = scene_b()[0][0]
    gaussians = Gaussians(means, covars, posed.opacities, posed.sh)
    return Avatar(gaussians, logits.softmax(-1), golden["template_joints"], "nopo-avatar")


@pytest.mark.parametrize("dtype", ATOL, ids=str)
@pytest.mark.parametrize("backend", ["reference", "plain", "cpu"])
def test_two_warps_and_the_rasterizer_make_the_originals_pictures(backend, dtype, golden, avatar):
    _, cameras, background, focals, expected = scene_b()
    own, joints, poses = (golden[name].to(dtype) for name in ("template_joints", "subject_joints", "poses"))
    gaussians, bones = avatar.gaussians, avatar.bone_weights.to(dtype)
    warp = bone_shape_warp(own, joints, "identity")
    shaped = skin(gaussians.means.to(dtype), gaussians.covars.to(dtype), bones, warp)
    for k, pose in enumerate(POSES):
        transforms = forward_kinematics(published_axis_angle_to_matrix(poses[pose]), joints)
        means, covars = skin(*shaped, joint_weights_from_bones(bones), transforms)
        posed = replace(gaussians, means=means.float(), covars=covars.float())
        picture = render(posed, cameras[k], background, backend=backend, tile_cut=True, cov_focal=focals[k]).rgb[0]
        assert torch.allclose(picture.permute(2, 0, 1), expected["official.color"][k], rtol=0, atol=ATOL[dtype])


def test_exact_rotations_do_not_show(golden, avatar):
    """An animation takes exact rotations; the original's are off by 1e-5 / angle, which moves a hand by 0.2 mm."""
    _, cameras, background, focals, expected = scene_b()
    person = Articulator(avatar, golden["subject_joints"], "identity")
    for k, pose in enumerate(POSES):
        posed = person.pose(Pose(golden["poses"][pose], torch.zeros(3)))
        picture = render(posed, cameras[k], background, tile_cut=True, cov_focal=focals[k]).rgb[0].permute(2, 0, 1)
        error = (picture - expected["official.color"][k]).abs()
        assert error.max() < 1e-2 and error.mean() < 5e-5
