"""Hands like the face, the back of a head like its top, a back like the flanks, trousers under half bodies."""

import pytest
import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.encode.activations import SH_DC
from nopo.encode.unseen import SHOES, TROUSERS, guess_unseen

RED, GREEN, BLUE = torch.eye(3)


@pytest.fixture(scope="module")
def joints() -> Tensor:
    return load_open_body().rest_joints()


def bone(joint: str) -> Tensor:
    """All weight on the first bone that starts at this joint."""
    weights = torch.zeros(69)
    weights[next(k for k, (near, _) in enumerate(BONES) if JOINT_NAMES[near] == joint)] = 1
    return weights


def cloud(x: tuple[float, float], y: tuple[float, float], z: float) -> Tensor:
    """A grid of points 2 cm apart, facing the front."""
    across, up = torch.arange(*x, 0.02), torch.arange(*y, 0.02)
    grid = torch.cartesian_prod(across, up)
    return torch.cat([grid, torch.full((len(grid), 1), z)], 1)


def front(joints: Tensor) -> tuple[Tensor, Tensor]:
    """A red face under green hair, a blue jacket that is open over a red shirt."""
    parts = [
        (cloud((-0.08, 0.08), (0.50, 0.64), 0.19), RED),
        (cloud((-0.08, 0.08), (0.65, 0.72), 0.17), GREEN),
        (cloud((-0.07, 0.07), (-0.1, 0.42), 0.15), RED),
        (cloud((0.09, 0.2), (-0.1, 0.42), 0.12), BLUE),
        (cloud((-0.2, -0.09), (-0.1, 0.42), 0.12), BLUE),
    ]
    return torch.cat([p for p, _ in parts]), torch.cat([c.expand(len(p), 3) for p, c in parts])


def test_each_unseen_part_is_like_what_people_are_like(joints):
    asked = {
        "left_wrist": (torch.tensor([0.75, 0.39, 0.05]), RED),
        "head": (torch.tensor([0.0, 0.6, -0.05]), GREEN),
        "spine2": (torch.tensor([0.0, 0.2, -0.12]), BLUE),
    }
    texels = torch.stack([place for place, _ in asked.values()])
    guess, belief = guess_unseen(texels, torch.stack([bone(name) for name in asked]), *front(joints), joints)
    torch.testing.assert_close(guess, torch.stack([colour for _, colour in asked.values()]), atol=1e-4, rtol=0)
    torch.testing.assert_close(belief, torch.ones(3))


def test_the_face_of_somebody_seen_from_behind_is_like_the_hands(joints):
    back = cloud((-0.2, 0.2), (-0.1, 0.42), -0.1), BLUE
    hair = cloud((-0.08, 0.08), (0.5, 0.72), -0.1), GREEN
    hand = cloud((0.75, 0.85), (0.36, 0.42), 0.05), RED
    cheek, fringe = [0.0, 0.57, 0.18], [0.0, 0.68, 0.18]
    texels, head = torch.tensor([cheek, fringe]), bone("head").expand(2, 69)
    for parts, believed in (((back, hair, hand), [1.0, 0.0]), ((back, hair), [0.0, 0.0])):
        points, colours = torch.cat([p for p, _ in parts]), torch.cat([c.expand(len(p), 3) for p, c in parts])
        guess, belief = guess_unseen(texels, head, points, colours, joints)
        assert belief.tolist() == believed
        torch.testing.assert_close(guess[0], believed[0] * RED)


def test_nothing_is_guessed_of_faces_feet_and_sleeves(joints):
    names = ("head", "left_ankle", "left_elbow")
    texels = torch.tensor([[0.0, 0.6, 0.18], [0.1, -0.9, 0.1], [0.5, 0.39, 0.05]])
    legs = cloud((-0.15, 0.15), (-0.8, -0.4), 0.1)
    above, colours = front(joints)
    points, colours = torch.cat([above, legs]), torch.cat([colours, GREEN.expand(len(legs), 3)])
    _, belief = guess_unseen(texels, torch.stack([bone(name) for name in names]), points, colours, joints)
    assert torch.equal(belief, torch.zeros(3))


def test_below_what_a_photo_shows_a_trunk_is_like_the_rest_of_it(joints):
    points, colours = front(joints)
    chest = points[:, 1] > 0.1
    belly = torch.tensor([[0.0, -0.15, 0.14]])
    guess, belief = guess_unseen(belly, bone("spine1")[None], points[chest], colours[chest], joints)
    torch.testing.assert_close(guess, BLUE[None], atol=1e-3, rtol=0)
    assert float(belief) == 1


def test_a_forehead_is_not_hair(joints):
    """A red face up to the fringe of a high forehead: the little green above it is hair."""
    face, fringe = cloud((-0.08, 0.08), (0.50, 0.685), 0.19), cloud((-0.08, 0.08), (0.69, 0.73), 0.17)
    points, colours = torch.cat([face, fringe]), torch.cat([RED.expand(len(face), 3), GREEN.expand(len(fringe), 3)])
    assert len(fringe) < 0.25 * len(points)
    back = torch.tensor([[0.0, 0.6, -0.05]])
    gleam = torch.where(((points[:, 1] > 0.63) & (points[:, 1] < 0.68))[:, None], RED + 1, colours)
    for shown in (colours, gleam):
        guess, _ = guess_unseen(back, bone("head")[None], points, shown, joints)
        torch.testing.assert_close(guess, GREEN[None], atol=1e-4, rtol=0)


def test_half_bodies_wear_trousers_and_shoes(joints):
    """Those of the suit, if it is dark; jeans below a light jacket."""
    texels = torch.tensor([[0.1, -0.5, 0.1], [0.1, -0.95, 0.1]])
    weights = torch.stack([bone("left_knee"), bone("left_ankle")])
    points, colours = front(joints)
    jeans, shoes = ((torch.tensor(colour) - 0.5) / SH_DC for colour in (TROUSERS, SHOES))
    guess, belief = guess_unseen(texels, weights, points, colours, joints)
    torch.testing.assert_close(guess, torch.stack([jeans, shoes]))
    assert torch.equal(belief, torch.ones(2))
    dark = torch.tensor([-1.7, -1.5, -1.6])
    suit = torch.where((colours == BLUE).all(1, keepdim=True), dark, colours)
    torch.testing.assert_close(guess_unseen(texels, weights, points, suit, joints)[0], torch.stack([dark, shoes]))


def test_without_a_face_or_a_trunk_nothing_is_known(joints):
    points, colours = cloud((-0.1, 0.1), (-0.9, -0.4), 0.1), BLUE
    texels = torch.tensor([[0.75, 0.39, 0.05], [0.0, 0.2, -0.12]])
    weights = torch.stack([bone("left_wrist"), bone("spine2")])
    _, belief = guess_unseen(texels, weights, points, colours.expand(len(points), 3), joints)
    assert float(belief.max()) < 1e-3
