"""Unseen texels get the right seen colour."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.encode import Branch, completion
from nopo.encode.completion import complete_template, fill, share_cover

RED, GREEN, BLUE = torch.eye(3)


def branch(means: Tensor, colours: Tensor, mask: Tensor | None = None) -> Branch:
    n = len(means)
    return Branch(
        grid=(1, 1, n),
        means=means,
        covars=torch.eye(3).expand(n, 3, 3) * 1e-6,
        opacities=torch.ones(n),
        sh=colours[:, None],
        bone_logits=torch.zeros(n, 69),
        mask=torch.ones(n) if mask is None else mask,
    )


def patch(x: float, y: float, z: float, n: int = 400) -> Tensor:
    """Points of a 10 cm square facing +z."""
    steps = (torch.arange(20) - 9.5) * 0.005
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)[:n]
    return torch.cat([grid, torch.zeros(len(grid), 1)], 1) + torch.tensor([x, y, z])


def weights_of(joint: str) -> Tensor:
    """[69] of a point that moves with this joint alone."""
    return torch.tensor([float(JOINT_NAMES[near] == joint) for near, _ in BONES])


def test_seen_then_mirrored_then_nearest():
    points = torch.cat([patch(0.5, 0, 0.05), patch(0, 0, 0.1), patch(0, 0.6, 0.1)])
    colours = torch.cat([RED.expand(400, 3), GREEN.expand(400, 3), BLUE.expand(400, 3)])
    seen, other_arm, back, crown = torch.tensor([[0.5, 0, 0.05], [-0.5, 0, 0.05], [0, 0, -0.1], [0, 0.8, 0]])
    texels = torch.stack([seen, other_arm, back, crown])
    filled, distance, either = fill(texels, points, colours, torch.ones(1200), torch.ones(4, 3))
    torch.testing.assert_close(filled, torch.stack([RED, RED, GREEN, BLUE]), atol=0.02, rtol=0)
    torch.testing.assert_close(distance, torch.tensor([0.0, 0.45, 0.2, 0.18]), atol=0.02, rtol=0)
    torch.testing.assert_close(either, torch.tensor([0.0, 0.0, 0.2, 0.18]), atol=0.02, rtol=0)


def test_an_edge_between_colours_stays_where_it_is():
    points = patch(0.4, 0, 0)
    colours = torch.where(points[:, 1:2] > 0, RED, BLUE)
    texels = torch.tensor([[0.4, 0.03, 0.0], [0.4, -0.03, 0.0], [-0.4, 0.03, 0.0]])
    filled, _, _ = fill(texels, points, colours, torch.ones(400), torch.ones(3, 3))
    torch.testing.assert_close(filled, torch.stack([RED, BLUE, RED]), atol=0.1, rtol=0)


def test_faint_gaussians_give_no_colour_unless_there_are_no_others():
    """A hand that the network takes for a sleeve, without being sure of it."""
    body, hand = patch(0.2, 0, 0), patch(0.5, 0, 0, 100)
    image = branch(torch.cat([body, hand]), torch.cat([BLUE.expand(400, 3), RED.expand(100, 3)]))
    image.opacities[400:] = 0.4
    elbow = next(k for k, (near, _) in enumerate(BONES) if JOINT_NAMES[near] == "left_elbow")
    sleeve = replace(
        branch(torch.tensor([[0.5, -0.03, -0.01]]).repeat(4, 1), torch.zeros(4, 3)),
        grid=(1, 2, 2),
        bone_logits=torch.full((4, 69), -50.0).index_fill(1, torch.tensor([elbow]), 50.0),
    )
    joints = load_open_body().rest_joints()

    def colour(image: Branch) -> Tensor:
        return complete_template(sleeve, image, joints).sh[0, 0]

    torch.testing.assert_close(colour(image), BLUE, atol=0.02, rtol=0)
    image.opacities[:] = 0.4
    torch.testing.assert_close(colour(image), RED, atol=0.02, rtol=0)


def test_covered_texels_become_a_lining_and_matte_edges_give_no_colour():
    means = torch.cat([patch(0, 0, 0), patch(0, 0, 0)])
    colours = torch.cat([RED.expand(400, 3), GREEN.expand(400, 3)])
    mask = torch.cat([torch.ones(400), torch.full((400,), 0.3)])
    # Four texels of a front, four of the back behind it, where columns run the other way.
    x, y = torch.meshgrid(torch.tensor([0.0, 0.01]), torch.tensor([0.0, 0.01]), indexing="xy")
    front = torch.stack([x, y, torch.zeros(2, 2)], -1)
    back = torch.stack([-x, y, torch.full((2, 2), -0.3)], -1)
    elbow = next(k for k, (near, _) in enumerate(BONES) if JOINT_NAMES[near] == "left_elbow")
    template = replace(
        branch(torch.cat([front, back], 0).flatten(0, 1), torch.zeros(8, 3)),
        grid=(1, 4, 2),
        covars=torch.diag(torch.tensor([0.002, 0.002, 0.0]).square()).expand(8, 3, 3),
        bone_logits=torch.full((8, 69), -50.0).index_fill(1, torch.tensor([elbow]), 50.0),
    )
    done = complete_template(template, branch(means, colours, mask), torch.zeros(55, 3))
    reach = 0.002 * completion.WIDER * completion.SPLAT_REACH
    deeper = torch.tensor([0.0, 0.0, completion.LINING_M + reach])
    torch.testing.assert_close(done.means[:4], template.means[:4] - deeper)
    nothing_covers_it = template.means[4:] + torch.tensor([0.0, 0.0, reach])
    torch.testing.assert_close(done.means[4:], nothing_covers_it)
    torch.testing.assert_close(done.covars, completion.WIDER**2 * template.covars)
    assert (done.opacities == completion.OPAQUE).all(), "nothing of the other side shines through"
    torch.testing.assert_close(done.sh[:, 0], RED.expand(8, 3))


def hands_and_what_is_seen(*seen: tuple[Tensor, Tensor]) -> Tensor:
    """Colours of a texel of the left hand and of one of the hip beside it, when these patches are seen."""
    joints = load_open_body().rest_joints()
    wrist, hip = (JOINT_NAMES.index(name) for name in ("left_wrist", "left_hip"))
    places = torch.stack([joints[wrist] + torch.tensor([0.08, 0.0, 0.0]), joints[hip]])
    logits = torch.full((2, 69), -20.0)
    for row, joint in enumerate((wrist, hip)):
        logits[row, next(k for k, (near, _) in enumerate(BONES) if near == joint)] = 0
    template = replace(branch(places.repeat(2, 1), torch.zeros(4, 3)), grid=(1, 2, 2), bone_logits=logits.repeat(2, 1))
    points, colours = torch.cat([p for p, _ in seen]), torch.cat([c.expand(len(p), 3) for p, c in seen])
    return complete_template(template, branch(points, colours), joints).sh[:2, 0]


def test_hands_that_nobody_saw_have_the_colour_of_the_face():
    face, bag = (patch(0, 0.56, 0.19), RED), (patch(0.6, 0.1, 0.1), BLUE)
    hand = (patch(0.7525, 0.3853, 0.0483), GREEN)
    close = {"atol": 0.02, "rtol": 0}
    unseen_hand, hip = hands_and_what_is_seen(face, bag)
    torch.testing.assert_close(unseen_hand, RED, **close)
    assert hip[2] > hip[0], "only hands are bare: the hip is as the nearest thing that was seen"
    torch.testing.assert_close(hands_and_what_is_seen(bag)[0], BLUE, **close)  # no face in the photo
    torch.testing.assert_close(hands_and_what_is_seen(face, bag, hand)[0], GREEN, **close)
    other = (hand[0] * torch.tensor([-1.0, 1, 1]), GREEN)
    torch.testing.assert_close(hands_and_what_is_seen(face, bag, other)[0], GREEN, **close)


def test_normals_of_the_open_body_point_outwards():
    body = load_open_body()
    corners = body.mean[body.faces]
    faces = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    atlas = body.atlas(128)
    outwards = faces[atlas.face[atlas.mask]]
    found = completion.map_normals(body.template(128).positions[None])[0][atlas.mask]
    assert ((found * outwards).sum(-1) > 0).float().mean() > 0.98


def test_photos_of_one_place_are_together_as_opaque_as_one():
    opacities = torch.tensor([0.9, 0.5, 0.0, 1.0] * 3)
    image = replace(branch(torch.rand(12, 3), torch.rand(12, 3)), grid=(3, 1, 4), opacities=opacities)
    shared = share_cover(image).opacities.view(3, 4)
    torch.testing.assert_close(1 - (1 - shared).prod(0), opacities[:4])
    alone = replace(image, grid=(1, 3, 4))
    torch.testing.assert_close(share_cover(alone).opacities, opacities)


def test_nobody_in_the_photo_leaves_the_template():
    template = branch(torch.rand(5, 3), torch.rand(5, 3))
    nobody = branch(torch.rand(4, 3), torch.rand(4, 3), torch.zeros(4))
    assert complete_template(template, nobody, torch.zeros(55, 3)) is template


def test_the_back_of_a_hem_ends_where_its_front_does():
    """A coat ends above blue trousers; both were seen from the front, 30 cm before the back of the leg."""
    front = torch.cat([patch(0.1, y, 0.15) for y in (0.15, 0.05, -0.05, -0.15)])
    colours = torch.where(front[:, 1:2] > 0, RED, BLUE)
    back = torch.tensor([[0.1, 0.1, -0.15], [0.1, -0.1, -0.15]])
    legs = completion.metric_of(weights_of("left_hip").expand(2, -1))
    above, below = fill(back, front, colours, torch.ones(1600), legs)[0]
    assert above[0] > 0.7 > 0.3 > below[0]
    above, below = fill(back, front, colours, torch.ones(1600), torch.ones(2, 3))[0]
    assert above[0] < 0.7 and below[0] > 0.3, "it would be blurred over 30 cm"


def test_arms_go_across_legs_go_down_and_heads_go_nowhere():
    found = completion.metric_of(torch.stack([weights_of(name) for name in ("right_elbow", "spine2", "head")]))
    assert found.tolist() == [[completion.ALONG, 1, 1], [1, completion.ALONG, 1], [1, 1, 1]]


def test_smooth_nearest_neighbour_is_its_definition():
    torch.manual_seed(0)
    queries, points, colours, weights = torch.randn(300, 3), torch.randn(200, 3), torch.rand(200, 3), torch.rand(200)
    metric = torch.tensor([[3.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, 1.0, 1.0]]).repeat(100, 1)
    away = queries.double()[:, None] - points.double()  # [300, 200, 3]
    squared = (metric[:, None] * away).square().sum(-1)
    nearest = squared.amin(1, keepdim=True)
    width = (completion.SMOOTHING * nearest.sqrt()).clamp_min(completion.VOXEL / 2)
    kernel = (-(squared - nearest) / (2 * width**2)).exp() * weights
    expected = (kernel @ colours.double()) / kernel.sum(1, keepdim=True)
    found, distance = completion._average_nearby(queries, points, colours, weights, metric)
    torch.testing.assert_close(found.double(), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(distance.double(), away.norm(dim=-1).amin(1), atol=1e-4, rtol=0)
