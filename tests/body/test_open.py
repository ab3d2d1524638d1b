import time

import numpy as np
import pytest
import torch

from nopo.body.kinematics import bone_shape_warp, forward_kinematics, move_points
from nopo.body.open import FILE, load_open_body
from nopo.body.skeleton import BONE_FLIP, JOINT_FLIP, JOINT_NAMES, sum_bones_to_joints
from nopo.errors import BodyError, WeightsError
from nopo.rotations import axis_angle_to_matrix
from nopo.weights import find_file

MM = 1e-3


@pytest.fixture(scope="module")
def body():
    return load_open_body()


def joint(name):
    return JOINT_NAMES.index(name)


def test_arrays_agree_with_each_other(body):
    count = len(body.vertices())
    assert body.faces.max() < count and body.uv_faces.shape == body.faces.shape
    assert body.uv_faces.max() < len(body.uvs) and body.uvs.min() >= 0 and body.uvs.max() <= 1
    assert body.joint_weights.shape == (count, 55) and body.bone_weights.shape == (count, 69)
    assert body.shapes.shape[1] == body.num_shapes
    assert body.phenotypes.shape == (len(body.shapes), len(body.phenotype_names))
    assert set(body.faces.unique().tolist()) == set(range(count)), "every vertex belongs to the surface"


def test_every_vertex_is_bound(body):
    assert (body.joint_weights >= 0).all() and (body.bone_weights >= 0).all()
    torch.testing.assert_close(body.joint_weights.sum(1), torch.ones(len(body.joint_weights)))
    torch.testing.assert_close(sum_bones_to_joints(body.bone_weights), body.joint_weights)


def test_every_joint_moves_something_near_it(body):
    vertices, joints = body.vertices(), body.rest_joints()
    for j, name in enumerate(JOINT_NAMES):
        strength = body.joint_weights[:, j]
        assert strength.max() > 0.45, name
        if j:
            nearest = (vertices[strength > 0.3] - joints[j]).norm(dim=1).min()
            assert nearest < 0.15, name


def test_bodies_are_symmetric_to_a_millimetre(body):
    flip = torch.tensor([-1.0, 1.0, 1.0])
    for shape in (
        None,
        body.shapes[:40],
        2 * torch.randn(8, body.num_shapes, generator=torch.Generator().manual_seed(0)),
    ):
        vertices, joints = body.vertices(shape), body.rest_joints(shape)
        assert (vertices - vertices[..., body.mirror, :] * flip).norm(dim=-1).max() < MM
        assert (joints - joints[..., list(JOINT_FLIP), :] * flip).norm(dim=-1).max() < MM
    assert (body.bone_weights - body.bone_weights[body.mirror][:, list(BONE_FLIP)]).abs().max() < 1e-3
    assert torch.equal(body.parts, body.parts[body.mirror])


def test_every_body_of_the_bank_is_170_cm_tall_with_its_pelvis_at_the_origin(body):
    vertices = body.vertices(body.shapes)
    stature = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    assert (stature - 1.7).abs().max() < 0.01
    assert body.rest_joints(body.shapes)[:, 0].norm(dim=-1).max() < MM


def test_rest_pose_is_a_t_pose_facing_z(body):
    joints = body.rest_joints()
    for side, sign in (("left", 1), ("right", -1)):
        shoulder, elbow, wrist, knuckle, tip = (
            joints[joint(f"{side}_{name}")] for name in ("shoulder", "elbow", "wrist", "middle1", "middle3")
        )
        for a, b in ((shoulder, elbow), (elbow, wrist), (wrist, knuckle), (knuckle, tip)):
            direction = (b - a) / (b - a).norm()
            assert direction[0] * sign > 0.98
        hip, knee, ankle, foot = (joints[joint(f"{side}_{name}")] for name in ("hip", "knee", "ankle", "foot"))
        for a, b in ((hip, knee), (knee, ankle)):
            assert -(b - a)[1] / (b - a).norm() > 0.98
        assert foot[2] - ankle[2] > 0.08 and joints[joint(f"{side}_eye")][2] > joints[joint("head")][2] + 0.04
        assert joints[joint(f"{side}_index1")][2] > joints[joint(f"{side}_pinky1")][2], "palms down"


def test_faces_look_outwards(body):
    a, b, c = body.vertices()[body.faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert 0.04 < volume < 0.09


def test_parts_lie_where_they_should(body):
    vertices, joints = body.vertices(), body.rest_joints()
    hands, feet = vertices[body.part("hands", "fingernails")], vertices[body.part("feet", "toenails")]
    assert hands[:, 0].abs().min() > joints[joint("left_wrist"), 0] - 0.06 and len(hands) > 500
    assert feet[:, 1].max() < joints[joint("left_ankle"), 1] + 0.08 and len(feet) > 300
    assert (vertices[body.part("eyes")] - joints[joint("left_eye")] * torch.tensor([0.0, 1, 1]))[
        :, 1:
    ].abs().max() < 0.03
    lips, face = vertices[body.part("lips")], vertices[body.part("face")]
    assert lips[:, 2].mean() > face[:, 2].mean() and len(face) > 300
    with pytest.raises(BodyError, match="wings"):
        body.part("wings")


def test_the_bank_holds_children_old_people_and_all_weights(body):
    column = dict(zip(body.phenotype_names, body.phenotypes.T, strict=True))
    assert column["age_years"].min() < 5 and column["age_years"].max() > 75
    assert column["stature_m"].min() < 1.1 and column["stature_m"].max() > 1.85
    assert 0.35 < (column["gender"] > 0.5).float().mean() < 0.65
    assert len(body.shapes) > 500
    torch.testing.assert_close(body.shapes.mean(0), torch.zeros(body.num_shapes), atol=1e-3, rtol=0)
    torch.testing.assert_close(body.shapes.var(0, correction=0), torch.ones(body.num_shapes), atol=1e-3, rtol=0)


def test_children_have_larger_heads_than_adults(body):
    years = body.phenotypes[:, body.phenotype_names.index("age_years")]
    vertices, joints = body.vertices(body.shapes), body.rest_joints(body.shapes)
    head = vertices[..., 1].amax(1) - joints[:, joint("neck"), 1]
    assert head[years < 8].mean() > 1.15 * head[years > 20].mean()


def test_rest_transforms_return_the_rest_pose(body):
    shape = body.shapes[3]
    vertices, joints = body.vertices(shape), body.rest_joints(shape)
    transforms = forward_kinematics(torch.eye(3).expand(55, 3, 3), joints)
    skinned = torch.einsum("vj,jab->vab", body.joint_weights, transforms)
    torch.testing.assert_close(move_points(skinned, vertices), vertices, atol=1e-6, rtol=0)


def test_lowering_the_arms_and_bending_the_knees_tears_nothing(body):
    rotations = torch.zeros(55, 3)
    rotations[joint("left_shoulder"), 2], rotations[joint("right_shoulder"), 2] = -1.2, 1.2
    rotations[joint("left_knee"), 0] = 1.5
    transforms = forward_kinematics(axis_angle_to_matrix(rotations), body.rest_joints())
    posed = move_points(torch.einsum("vj,jab->vab", body.joint_weights, transforms), body.vertices())
    edges = torch.cat([body.faces[:, [0, 1]], body.faces[:, [1, 2]]])
    before, after = ((x[edges[:, 0]] - x[edges[:, 1]]).norm(dim=1) for x in (body.vertices(), posed))
    assert (after - before).max() < 0.03


def test_shape_warp_brings_the_template_near_another_body(body):
    years = body.phenotypes[:, body.phenotype_names.index("age_years")]
    child = body.shapes[years.argmin()]
    warp = bone_shape_warp(body.rest_joints(), body.rest_joints(child))
    warped = move_points(torch.einsum("vk,kab->vab", body.bone_weights, warp), body.vertices())
    target = body.vertices(child)
    gap, start = (warped - target).norm(dim=1).mean(), (body.vertices() - target).norm(dim=1).mean()
    assert gap < 0.03 and gap < 0.4 * start


def test_file_is_small_and_loads_fast(body):
    assert find_file(FILE).stat().st_size < 6e6
    start = time.process_time()
    load_open_body.__wrapped__()
    assert time.process_time() - start < 2


def test_missing_or_foreign_files_are_one_sentence(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nopo.weights.folders", lambda: [tmp_path])
        patch.delenv("NOPO_HF_REPO", raising=False)
        with pytest.raises(WeightsError, match="open_body.npz is missing"):
            load_open_body.__wrapped__()
    with pytest.raises(BodyError, match="no body file nobody.npz"):
        load_open_body(tmp_path / "nobody.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(BodyError, match="other.npz is damaged or not an open body"):
        load_open_body(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes(find_file(FILE).read_bytes()[:100_000])
    with pytest.raises(BodyError, match="cut.npz is damaged"):
        load_open_body(tmp_path / "cut.npz")
