"""A mirrored photo and its truth belong together as well as a photo and its own."""

import torch

from nopo.articulate import skin
from nopo.body.kinematics import bone_shape_warp, forward_kinematics
from nopo.body.open import load_open_body
from nopo.body.skeleton import joint_weights_from_bones
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.dataset import make_batch
from nopo.synthetic.mirror import mirrored, with_mirrored
from nopo.synthetic.uv import uv_atlas

SIZE = 64


def some_batch():
    return make_batch(torch.Generator().manual_seed(5), 2, 2, SIZE, difficulty=0.0, truncated=False, uv_size=32)


def test_mirrored_truth_posed_and_projected_falls_on_the_mirrored_pixels():
    """Canonical place, skinning, rest joints, pose and camera, all in one: through them each pixel finds itself."""
    template_joints = load_open_body().rest_joints()
    for batch in (some_batch(), mirrored(some_batch())):
        for b, v in ((0, 0), (1, 1)):
            valid = batch.valid[b, v]
            row, column = valid.nonzero().T
            weights = torch.zeros(len(row), 69).scatter_(
                1, batch.bone_index[b, v][valid].long(), batch.bone_weight[b, v][valid]
            )
            points, none = batch.canonical[b, v][:, valid].T, torch.zeros(len(row), 3, 3)
            shaped, _ = skin(points, none, weights, bone_shape_warp(template_joints, batch.rest_joints[b], "inherit"))
            pose = batch.poses[b][v]
            transforms = forward_kinematics(
                axis_angle_to_matrix(pose.rotations), batch.rest_joints[b], torch.zeros(3)
            )  # photos are taken of people without translation
            posed, _ = skin(shaped, none, joint_weights_from_bones(weights), transforms)
            x, y, depth = batch.cameras[b][v].project(posed).T
            off = torch.stack([x - column - 0.5, y - row - 0.5], 1).norm(dim=1)
            assert off.median() < 0.5, "sparse weights and averaged samples move a point by less than a pixel"
            assert (depth - batch.depth[b, v][valid]).abs().median() < 0.01


def test_a_mirror_of_the_mirror_is_the_photo():
    batch = some_batch()
    twice = mirrored(mirrored(batch))
    for name in ("images", "masks", "canonical", "valid", "bone_index", "bone_weight", "parts", "facing", "depth"):
        assert torch.equal(getattr(twice, name), getattr(batch, name)), name
    torch.testing.assert_close(twice.rest_joints, batch.rest_joints)
    assert not torch.equal(mirrored(batch).images, batch.images)


def test_left_and_right_change_places():
    batch = some_batch()
    other = mirrored(batch)
    torch.testing.assert_close(other.facing[..., 0], -batch.facing[..., 0])
    torch.testing.assert_close(other.facing[..., 1], batch.facing[..., 1])
    left_knee = batch.parts == 4
    assert left_knee.any() and torch.equal(other.parts.flip(-1) == 5, left_knee)
    assert torch.equal(other.parts == -1, batch.parts.flip(-1) == -1)


def test_texels_take_the_place_of_those_on_the_other_side():
    batch = some_batch()
    other, texels = mirrored(batch), uv_atlas(32).mask
    across = torch.tensor([-1.0, 1.0, 1.0])
    before, after = batch.uv_positions[0][texels], other.uv_positions[0][texels] * across
    nearest = torch.cdist(after, before).amin(1)
    assert nearest.median() < 0.03  # half a texel of 32
    assert (other.uv_positions[0][texels] - before).norm(dim=-1).median() < 0.02, "bodies are nearly symmetric"
    colours = (other.uv_colors[0][texels] - batch.uv_colors[0][texels]).abs().mean()
    assert colours < 0.1 and other.uv_visible.sum() > 0.5 * batch.uv_visible.sum()


def test_photos_and_mirror_images_in_one_batch():
    batch = some_batch()
    both = with_mirrored(batch)
    assert both.images.shape[0] == 4 and len(both.people) == len(both.cameras) == 4
    assert torch.equal(both.images[:2], batch.images) and torch.equal(both.masks[2:], batch.masks.flip(-1))
    assert both.uv_mask.shape == batch.uv_mask.shape
