import math

import pytest
import torch

from nopo.body.kinematics import bone_shape_warp, forward_kinematics
from nopo.body.open import load_open_body
from nopo.body.skeleton import BONES, JOINT_NAMES, sum_bones_to_joints
from nopo.body.template import rasterize_atlas
from nopo.camera import look_at
from nopo.motion import Pose
from nopo.preprocess.frame import FRAME_MARGIN
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic import dataset
from nopo.synthetic.dataset import ARM_PARTS, NUM_PARTS, PART_OF_BONE, make_batch, render_person
from nopo.synthetic.framing import facing_of
from nopo.synthetic.mirror import with_mirrored
from nopo.synthetic.poses import BENT, sample_pose
from nopo.synthetic.rasterize import zbuffer
from nopo.synthetic.samples import choose_samples
from nopo.synthetic.shoot import _lean, cameras_of

SIZE = 96


def batch(seed=0, people=3, views=2, **options):
    return make_batch(torch.Generator().manual_seed(seed), people, views, SIZE, uv_size=64, **options)


@pytest.fixture(scope="module")
def some():
    return batch(people=5)


def test_shapes(some):
    lead = (5, 2)
    assert some.images.shape == (*lead, 3, SIZE, SIZE)
    assert some.masks.shape == some.clean_masks.shape == some.valid.shape == (*lead, SIZE, SIZE)
    assert some.canonical.shape == (*lead, 3, SIZE, SIZE)
    assert some.bone_index.shape == some.bone_weight.shape == (*lead, SIZE, SIZE, 4)
    assert some.uv_positions.shape == some.uv_colors.shape == (5, 64, 64, 3)
    assert some.uv_bone_weights.shape == (64, 64, 69) and some.uv_visible.shape == (*lead, 64, 64)
    assert some.rest_joints.shape == (5, 55, 3) and len(some.people) == 5
    for name in ("images", "masks", "uv_colors"):
        value = getattr(some, name)
        assert value.min() >= 0 and value.max() <= 1


def test_same_seed_same_batch():
    one, two = batch(4, 2), batch(4, 2)
    for name, value in vars(one).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(two, name)), name


def test_what_no_loss_asks_for_can_be_left_out():
    whole, lean = batch(4, 2), batch(4, 2, uv_truth=False)
    assert whole.uv_colors is not None and lean.uv_colors is lean.uv_visible is None
    for name in ("images", "masks", "canonical", "uv_positions"):
        assert torch.equal(getattr(whole, name), getattr(lean, name)), name
    twice = with_mirrored(lean.singles())
    assert len(twice.images) == 8 and twice.uv_visible is None
    assert torch.equal(twice.people_in([5]).images, twice.images[5:6])


def test_bent_arms_are_asked_for_and_change_nothing_else(monkeypatch):
    asked = []

    def spied(dice, kind=None):
        asked.append(kind)
        return sample_pose(dice, kind)

    monkeypatch.setattr(dataset, "sample_pose", spied)
    usual = batch(4, 2)
    assert asked and set(asked) == {None}
    assert torch.equal(batch(4, 2, bent=0.0).images, usual.images)
    asked.clear()
    batch(4, 4, bent=1.0)
    assert asked and set(asked) <= set(BENT)


def test_arm_parts_are_what_lies_beyond_the_elbows(some):
    arms = torch.isin(some.parts, torch.tensor(ARM_PARTS)) & some.valid
    elbow = load_open_body().rest_joints()[JOINT_NAMES.index("left_elbow"), 0]
    away = some.canonical[:, :, 0].abs()
    assert 0.01 < arms.sum() / some.valid.sum() < 0.3
    assert away[arms].min() > elbow - 0.1 and away[some.valid & ~arms].max() < elbow + 0.15


def test_canonical_truth_reposed_lands_on_its_pixel(some):
    """Template place -> bone warp -> skinning -> camera must come back to the pixel, for nearly all pixels."""
    template = load_open_body().rest_joints()
    for b in range(5):
        warp = bone_shape_warp(template, some.rest_joints[b]).reshape(69, 12)
        for v in range(2):
            valid = some.valid[b, v]
            weights = torch.zeros(int(valid.sum()), 69)
            weights.scatter_(1, some.bone_index[b, v][valid].long(), some.bone_weight[b, v][valid])
            moves = forward_kinematics(axis_angle_to_matrix(some.poses[b][v].rotations), some.rest_joints[b])
            points = some.canonical[b, v].permute(1, 2, 0)[valid]
            for blend in (weights @ warp, sum_bones_to_joints(weights) @ moves.reshape(55, 12)):
                blend = blend.view(-1, 3, 4)
                points = (blend[..., :3] @ points[..., None])[..., 0] + blend[..., 3]
            found = some.cameras[b][v].project(points)
            off = (found[:, :2] - valid.nonzero().flip(1) - 0.5).norm(dim=-1)
            # The truth is that of one sample of the pixel, 0.35 px from its centre; four bones approximate the rest.
            assert off.mean() < 0.6 and off.quantile(0.95) < 1.2
            assert (found[:, 2] - some.depth[b, v][valid]).abs().mean() < 0.003


def test_masks_agree(some):
    assert (some.clean_masks[some.valid] > 0.5).all() and (some.masks[some.valid] > 0.25).all()
    covered = (some.clean_masks > 0.5).float().mean()
    assert 0.05 < covered < 0.7
    both = ((some.masks > 0.5) & (some.clean_masks > 0.5)).sum() / ((some.masks > 0.5) | (some.clean_masks > 0.5)).sum()
    assert 0.75 < both <= 1
    background = (some.masks == 0)[:, :, None].expand_as(some.images)
    assert (some.images[background] == 1).all()  # white outside of the matte


def test_parts_follow_the_strongest_bone(some):
    assert set(PART_OF_BONE) == set(range(NUM_PARTS))
    assert (some.parts[some.valid] >= 0).all() and (some.parts[~some.valid] == -1).all()
    strongest = some.bone_index.gather(-1, some.bone_weight.argmax(-1, keepdim=True))[..., 0]
    expected = torch.tensor(PART_OF_BONE, dtype=torch.int8)[strongest.long()]
    assert torch.equal(some.parts[some.valid], expected[some.valid])
    left_arm = PART_OF_BONE[[far for _, far in BONES].index(20)]
    seen = some.parts == left_arm
    assert (some.canonical[:, :, 0][seen] > 0.3).all()  # the left arm lies at +x


def test_uv_truth_is_laid_out_like_the_template(some):
    body = load_open_body()
    atlas = rasterize_atlas(body.uvs, body.uv_faces, 64)
    assert torch.equal(some.uv_mask, atlas.mask)
    mean = atlas.sample(body.faces, body.mean)
    off = (some.uv_positions - mean)[:, atlas.mask].norm(dim=-1)
    assert off.mean() < 0.06  # another body in clothes, but the same places
    assert (some.uv_positions[:, ~atlas.mask] == 0).all()
    torch.testing.assert_close(some.uv_bone_weights[atlas.mask].sum(-1), torch.ones(int(atlas.mask.sum())))


def test_seen_texels_have_the_colours_of_the_photo():
    """A texel that a frontal photo shows has about the colour of the nearest pixel in canonical space."""
    one = batch(11, 2, 1, frontal=1.0, truncated=False)
    errors = []
    for b in range(2):
        valid = one.valid[b, 0]
        pixels, colours = one.canonical[b, 0].permute(1, 2, 0)[valid], one.images[b, 0].permute(1, 2, 0)[valid]
        texels = one.uv_visible[b, 0] & one.uv_mask
        gap, nearest = torch.cdist(one.uv_positions[b][texels], pixels).min(1)
        near = gap < 0.02
        errors.append((colours[nearest[near]] - one.uv_colors[b][texels][near]).abs().mean())
    assert torch.stack(errors).mean() < 0.2


def test_framing_has_the_margin_of_preprocessing():
    shares = []
    for seed in range(3):
        whole = batch(seed, 4, 1, truncated=False)
        for mask in whole.clean_masks[:, 0]:
            rows, columns = (mask > 0.5).nonzero(as_tuple=True)
            extent = max(int(rows.max() - rows.min()), int(columns.max() - columns.min())) + 1
            shares.append(SIZE / extent)
    assert abs(sum(shares) / len(shares) - FRAME_MARGIN) < 0.04


def test_frontal_photos_show_the_front():
    ahead = batch(2, 6, 1, frontal=1.0)
    forward = torch.stack([camera[0].viewmat[2, :3] for camera in ahead.cameras])  # viewing directions
    assert (forward[:, 2] < -math.cos(math.pi / 4) + 0.1).all()


def test_facing_follows_the_camera_and_the_body():
    """Seen from in front, from their right, from behind, from their left; turned to their right; from above."""
    eyes = [(0.0, 0.3, 3.0), (-3.0, 0.3, 0.0), (0.0, 0.3, -3.0), (3.0, 0.3, 0.0), (0.0, 0.0, 3.0), (0.0, 3.0, 0.01)]
    viewmat = torch.stack([look_at(torch.tensor(eye), torch.zeros(3)) for eye in eyes])
    turned = torch.zeros(6, 3)
    turned[4, 1] = -math.pi / 4  # the person turns to their right, the left of the picture
    h = math.sqrt(0.5)
    expected = torch.tensor([[0.0, 1], [1, 0], [0, -1], [-1, 0], [-h, h], [0, 0]])
    torch.testing.assert_close(facing_of(turned, viewmat), expected, atol=1e-2, rtol=0)


def test_facing_is_that_of_the_photos(some):
    assert some.facing.shape == (5, 2, 2)
    for b in range(5):
        for v in range(2):
            pelvis = some.rest_joints[b, 0]
            ahead = axis_angle_to_matrix(some.poses[b][v].rotations[0])[:, 2]
            one, two = some.cameras[b][v].project(torch.stack([pelvis, pelvis + 0.1 * ahead]))
            assert (two[0] - one[0]) * some.facing[b, v, 0] >= -1  # moves right (or hardly) where it says so
            assert (one[2] - two[2]) * some.facing[b, v, 1] >= 0  # and nearer


def test_photos_have_backgrounds_on_demand():
    photo = batch(3, 2, 1, photo=True)
    outside = photo.clean_masks[:, :, None].expand_as(photo.images) == 0
    assert (photo.images[outside] < 0.98).float().mean() > 0.5


def test_rendered_truth_matches_the_batch():
    one = batch(5, 1, 1, truncated=False)
    picture, coverage = render_person(one.people[0], one.poses[0][0], one.cameras[0][0])
    assert picture.shape == (3, SIZE, SIZE)
    torch.testing.assert_close(coverage, one.clean_masks[0, 0], atol=1e-4, rtol=0)
    assert (picture[:, coverage == 0] == 1).all()
    moved = Pose(one.poses[0][0].rotations, torch.tensor([0.0, 0.2, 0.0]))
    _, higher = render_person(one.people[0], moved, one.cameras[0][0])
    rows = torch.arange(SIZE)[:, None]
    assert (higher * rows).sum() / higher.sum() < (coverage * rows).sum() / coverage.sum()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cpu_and_gpu_agree():
    cpu, gpu = batch(6, 2), batch(6, 2, device="cuda")
    assert (cpu.valid != gpu.valid.cpu()).float().mean() < 1e-3
    same = cpu.valid & gpu.valid.cpu()
    off = (cpu.canonical - gpu.canonical.cpu()).norm(dim=2)[same]
    assert off.median() < 1e-4 and (off < 1e-3).float().mean() > 0.999
    assert (cpu.images - gpu.images.cpu()).abs().mean() < 2e-3


def test_easy_photos_have_clean_mattes_and_whole_people():
    easy = batch(9, 4, 1, difficulty=0.0)
    assert torch.equal(easy.masks, easy.clean_masks)
    for mask in easy.clean_masks[:, 0]:
        rows, columns = (mask > 0.5).nonzero(as_tuple=True)
        assert 0 < rows.min() and rows.max() < SIZE - 1 and 0 < columns.min() and columns.max() < SIZE - 1


def test_photos_of_one_person_can_be_learned_from_one_by_one(some):
    singles = some.singles()
    people, views = some.images.shape[:2]
    assert singles.images.shape[:2] == (people * views, 1) and len(singles.people) == people * views
    last = people * views - 1
    assert torch.equal(singles.images[last, 0], some.images[-1, -1])
    assert torch.equal(singles.uv_visible[last, 0], some.uv_visible[-1, -1])
    assert torch.equal(singles.rest_joints[last], some.rest_joints[-1])
    assert singles.people[last] is some.people[-1] and singles.cameras[last] == [some.cameras[-1][-1]]
    share = some.people_in([1, 3])
    assert torch.equal(share.canonical, some.canonical[[1, 3]]) and share.people == [some.people[1], some.people[3]]


def test_what_is_seen_leans_to_no_side_of_its_pixel(some):
    """With two samples an axis none lies in the middle: the four around it take turns, from photo to photo."""
    corners = torch.tensor([[-99.0, -99, 1], [999, -99, 1], [-99, 999, 1]]).expand(4, 3, 3)
    faces, lean = torch.tensor([[0, 1, 2]]), torch.arange(4)
    keys = zbuffer(corners, faces, (8, 8))
    samples = choose_samples(keys, corners, faces, torch.zeros(1, dtype=torch.long), 2, lean)
    at = samples.fragments.pixel % 64
    offsets = torch.stack([at // 8 % 2, at % 2], -1).view(4, 16, 2)
    assert (offsets == torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0]])[:, None]).all()
    leans = torch.cat([_lean(cameras_of(cameras, "cpu")[1]) for cameras in some.cameras])
    assert len(set(leans.tolist())) > 1
