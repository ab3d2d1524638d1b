import torch

from nopo.body.kinematics import bone_shape_warp
from nopo.body.open import load_open_body
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import GRIDS, PIECES, load_figure, strongest_bones
from nopo.synthetic.person import bank_rows, sample_person


def people(count=12):
    return [sample_person(load_figure(), Dice(seed)) for seed in range(count)]


def test_bodies_of_training_and_evaluation_are_disjoint():
    count = len(load_open_body().shapes)
    train, held_out = set(bank_rows(count, False)), set(bank_rows(count, True))
    assert not train & held_out and len(train | held_out) == count
    assert 0.1 < len(held_out) / count < 0.15


def test_everything_is_finite_and_person_sized():
    for person in people():
        for name in ("surface", "canonical", "place", "normals", "cavity", "bone_weights", "joint_weights"):
            assert torch.isfinite(getattr(person, name)).all(), name
        assert person.surface.abs().amax() < 1.2


def test_weights_sum_to_one():
    for person in people(4):
        for weights in (person.bone_weights, person.joint_weights):
            torch.testing.assert_close(weights.sum(-1), torch.ones(len(weights)), atol=1e-4, rtol=0)
            assert weights.min() >= 0


def test_the_bone_warp_takes_canonical_points_to_the_subject():
    template = load_open_body().rest_joints()
    for person in people(6):
        warp = bone_shape_warp(template, person.rest_joints, leaf_bones="inherit").reshape(69, 12)
        blended = (person.bone_weights @ warp).view(-1, 3, 4)
        back = (blended[..., :3] @ person.canonical[..., None])[..., 0] + blended[..., 3]
        torch.testing.assert_close(back, person.surface, atol=1e-4, rtol=0)


def test_clothes_lie_outside_of_the_skin():
    figure = load_figure()
    for person in people(8):
        skin = figure.body.vertices(person.shape)
        count = len(skin)
        chest = figure.body.part("skin") & (figure.arm < 0.1) & ((figure.reference[:, 1] - 0.2).abs() < 0.1)
        normals = person.normals[:count][chest]
        out = ((person.surface[:count] - skin)[chest] * normals).sum(-1)
        assert out.mean() > 0.002 and out.min() > -0.01


def test_unworn_pieces_have_no_surface():
    figure = load_figure()
    person = next(p for p in people(40) if p.outfit.kind == "trousers" and p.outfit.tail >= p.outfit.hem - 0.02)
    skirt = person.surface[figure.piece == PIECES.index("skirt")]
    assert len(skirt) == GRIDS["skirt"][0] * GRIDS["skirt"][1]
    assert (skirt - skirt[0]).abs().max() == 0


def test_skirts_and_brims_face_outwards():
    figure = load_figure()
    for name in ("skirt", "hat"):
        worn = (figure.piece == PIECES.index(name)).nonzero()[:, 0]
        person = next(p for p in people(80) if (p.surface[worn] - p.surface[worn[0]]).abs().max() > 0)
        if name == "skirt":
            away = person.surface[worn] * torch.tensor([1.0, 0, 1])
            assert ((away * person.normals[worn]).sum(-1) > 0).float().mean() > 0.85
        else:
            assert person.normals[worn, 1].mean() > 0.2


def test_a_skirt_follows_both_legs():
    figure = load_figure()
    person = next(p for p in people(60) if p.outfit.kind in ("skirt", "dress"))
    skirt = (figure.piece == PIECES.index("skirt")).nonzero()[:, 0]
    low = skirt[person.surface[skirt, 1] < -0.25]
    left = low[person.surface[low, 0] > 0.1]
    weights = person.joint_weights[left].mean(0)
    assert weights[1] + weights[4] > weights[2] + weights[5]  # left hip and knee over right ones
    assert (person.surface[low, 0].max() - person.surface[low, 0].min()) > 0.25


def test_four_bones_hold_nearly_all_weight():
    body = load_open_body()
    bones, weights = strongest_bones(body.bone_weights, body.faces)
    kept = body.bone_weights[body.faces].gather(2, bones[:, None].expand(-1, 3, -1)).sum(-1)
    assert kept.mean() > 0.985 and weights.shape == (len(body.faces), 3, 4)


def test_same_seed_same_person():
    one, two = (sample_person(load_figure(), Dice(3)) for _ in range(2))
    assert one.outfit == two.outfit and one.look == two.look and torch.equal(one.surface, two.surface)
