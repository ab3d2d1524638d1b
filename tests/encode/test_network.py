"""The network's wiring, on small sizes: what holds whatever the weights are."""

from __future__ import annotations

import pytest
import torch
from small import small_network, small_template, small_views
from torch import Tensor

from nopo.encode import ModelConfig, Network
from nopo.encode.attention import Rotary
from nopo.errors import NopoError

PRESETS = ("vitl", "open")


EXACT = 1e-10
"""In double precision: which convolution runs depends on the number of photos, and in float32 they differ by 2e-5."""


def close(a: Tensor | None, b: Tensor | None, tolerance: float = 2e-5) -> None:
    assert (a is None) == (b is None)
    if a is not None:
        torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def branches_close(a, b) -> None:
    assert a.grid == b.grid
    for name in ("means", "covars", "opacities", "sh", "bone_logits", "mask", "uncertainty"):
        close(getattr(a, name), getattr(b, name), EXACT)


def exact_views(views: int, **options: int) -> tuple[Tensor, Tensor]:
    images, masks = small_views(views, **options)
    return images.double(), masks.double()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("views", "height", "width"), [(1, 48, 32), (3, 32, 80), (8, 16, 16)])
def test_every_pixel_and_texel_gives_one_gaussian(preset, views, height, width):
    network = small_network(preset)
    prediction = network(*small_views(views, height, width), small_template())
    degree = network.config.sh_degree
    for branch, count in ((prediction.image, views * height * width), (prediction.template, 32 * 32)):
        assert branch.means.shape == (count, 3)
        assert branch.covars.shape == (count, 3, 3)
        assert branch.opacities.shape == branch.mask.shape == (count,)
        assert branch.sh.shape == (count, (degree + 1) ** 2, 3)
        assert branch.bone_logits.shape == (count, 69)
        assert bool((torch.linalg.eigvalsh(branch.covars.double()) > 0).all())
        assert not branch.means.requires_grad


@pytest.mark.parametrize("preset", PRESETS)
def test_a_batch_is_its_people_one_by_one(preset):
    network, template = small_network(preset).double(), small_template()
    people = [exact_views(3, seed=seed) for seed in (1, 2)]
    images, masks = (torch.stack(x) for x in zip(*people, strict=True))
    batch = network.forward_batch(images, masks, template, both_ways=network.config.both_ways)
    for i, person in enumerate(people):
        alone = network(*person, template)
        branches_close(batch[i].image, alone.image)
        branches_close(batch[i].template, alone.template)
        close(batch[i].rest_joints, alone.rest_joints, EXACT)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_order_of_photos_does_not_matter(preset):
    network, template = small_network(preset).double(), small_template()
    images, masks = exact_views(3)
    order = [2, 0, 1]
    a, b = network(images, masks, template), network(images[order], masks[order], template)
    branches_close(a.template, b.template)
    close(a.image.means.unflatten(0, (3, -1))[order].flatten(0, 1), b.image.means, EXACT)
    close(a.image.bone_logits.unflatten(0, (3, -1))[order].flatten(0, 1), b.image.bone_logits, EXACT)


def test_decoder_streams_see_what_the_definition_says():
    """Against the definition written out: memory tokens are concatenated first, keys made after."""
    backbone = small_network("vitl").double().backbone
    images, _ = exact_views(3)
    v = images.shape[0]
    with torch.no_grad():
        features = backbone(images[None])
        image_rotary, template_rotary = Rotary.grid(3, 2, images), Rotary.grid(2, 2, images)

        def joined(*parts: Rotary) -> Rotary:
            return Rotary(torch.cat([p.cos for p in parts]), torch.cat([p.sin for p in parts]))

        x = backbone.encoder_norm(_through(backbone.encoder, backbone.patches(images), image_rotary))
        x, t = backbone.to_decoder(x), backbone.to_decoder(backbone.template_tokens[None])
        for a, b in zip(backbone.template_decoder, backbone.image_decoder, strict=True):
            seen = a.memory(x.flatten(0, 1)[None], joined(*[image_rotary] * v))
            new_t = a(t, template_rotary, seen)
            new_x = []
            for view in range(v):
                others = torch.cat([t[0], *(x[u] for u in range(v) if u != view)])[None]
                seen = b.memory(others, joined(template_rotary, *[image_rotary] * (v - 1)))
                new_x.append(b(x[view : view + 1], image_rotary, seen))
            t, x = new_t, torch.cat(new_x)
        close(features.template[-1], backbone.decoder_norm(t), EXACT)
        close(features.image[-1], backbone.decoder_norm(x), EXACT)


def _through(blocks, x: Tensor, rotary: Rotary) -> Tensor:
    for block in blocks:
        x = block(x, rotary)
    return x


def test_rotary_depends_on_offsets_only():
    x, y = torch.randn(2, 64)
    angles = Rotary.grid(6, 6, x)
    q, k = angles.turn(x.expand(36, 64)), angles.turn(y.expand(36, 64))
    scores = (q @ k.T).reshape(6, 6, 6, 6)
    close(scores[0, 1, 2, 4], scores[3, 2, 5, 5], 1e-4)
    assert abs(float(scores[0, 1, 2, 4] - scores[0, 1, 4, 2])) > 1e-3  # rows are not columns


@pytest.mark.parametrize("preset", PRESETS)
def test_every_parameter_learns(preset):
    network = small_network(preset).train()
    images, masks = small_views(2)
    p = network.forward_batch(images[None], masks[None], small_template())
    loss = sum(
        x.square().sum()
        for branch in (p.image, p.template)
        for x in (branch.means, branch.covars * 1e4, branch.opacities, branch.sh, branch.bone_logits)
    )
    for extra in (p.rest_joints, p.facing, p.head, p.traits, p.image.uncertainty, p.template.uncertainty):
        loss = loss + (0 if extra is None else extra.square().sum())
    loss.backward()
    dead = [n for n, q in network.named_parameters() if q.grad is None or float(q.grad.abs().max()) == 0]
    assert dead == []


def test_untrained_open_network_starts_sane():
    torch.manual_seed(0)
    network = Network(ModelConfig.open(template_size=32)).eval()
    network.shape.template_joints.uniform_()
    template = small_template()
    images, masks = small_views(1, 32, 32)
    p = network(images, masks, template)
    close(p.template.means, template.positions.flatten(0, 1))
    assert float(p.image.means.abs().max()) < 2
    close(p.template.opacities, 0.9 * template.mask.flatten())
    close(p.template.sh, torch.zeros(32 * 32, 1, 3))
    close(p.rest_joints, network.template_joints)
    drawn = (masks.flatten() > 1e-3) & (p.image.opacities >= 1 / 255)
    assert len(p.avatar(complete=False).gaussians) == int((template.mask > 0).sum() + drawn.sum())


def test_avatar_keeps_foreground_in_order():
    network, template = small_network("vitl"), small_template()
    images, masks = small_views(2)
    masks = (masks > 0.5).float()
    p = network(images, masks, template)
    avatar = p.avatar(torch.ones(55, 3))
    kept = template.mask.flatten() > 0, masks.flatten() > 0
    close(avatar.gaussians.means, torch.cat([p.template.means[kept[0]], p.image.means[kept[1]]]), 0)
    close(avatar.bone_weights.sum(1), torch.ones(len(avatar.gaussians)))
    with pytest.raises(NopoError, match="rest joints"):
        p.avatar()


def test_haze_around_a_person_makes_no_gaussians():
    network, template = small_network("open"), small_template()
    images, masks = small_views(1, 64, 64)
    masks[:] = 0.01
    masks[:, 8:56, 28:36] = 1.0
    avatar = network(images, masks, template).avatar()
    assert bool((avatar.gaussians.opacities >= 1 / 255).all())
    assert bool((torch.linalg.det(avatar.gaussians.covars.double()) > 0).all())


@pytest.mark.parametrize(
    ("images", "masks", "size", "message"),
    [
        ((1, 3, 40, 32), (1, 40, 32), 32, "multiples of 16"),
        ((1, 3, 32, 32), (2, 32, 32), 32, "belong together"),
        ((1, 3, 32, 32), (1, 32, 32), 64, "template maps of 32"),
    ],
)
def test_wrong_shapes_are_refused(images, masks, size, message):
    with pytest.raises(NopoError, match=message):
        small_network("open")(torch.rand(images), torch.rand(masks), small_template(size))


def test_config_survives_json():
    import json

    for config in (ModelConfig.vitl(512), ModelConfig.open()):
        assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("preset", PRESETS)
def test_autocast_keeps_the_geometry_in_float32(preset):
    network, template = small_network(preset), small_template()
    with torch.autocast("cpu", torch.bfloat16):
        p = network(*small_views(1), template)
    exact = network(*small_views(1), template)
    for branch, reference in ((p.image, exact.image), (p.template, exact.template)):
        for name in ("means", "opacities", "sh", "bone_logits"):
            value, expected = getattr(branch, name), getattr(reference, name)
            assert value.dtype == torch.float32
            assert float((value - expected).norm()) <= 0.1 * float(expected.norm())
        assert branch.covars.dtype == torch.float32
        assert bool((torch.linalg.eigvalsh(branch.covars.double()) > 0).all())


def test_autocast_keeps_keys_and_values_short():
    block = small_network("vitl").backbone.image_decoder[0]
    tokens = torch.randn(1, 6, 64)
    angles = Rotary.grid(2, 3, tokens)
    exact = block.memory(tokens, angles)
    with torch.autocast("cpu", torch.bfloat16):
        memory = block.memory(tokens, angles)
    assert exact.dtype == torch.float32 and memory.dtype == torch.bfloat16
    close(memory.float(), exact, 0.03)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_only_pictures_need_can_be_left_out(preset):
    network, template = small_network(preset), small_template()
    images, masks = (x[None] for x in small_views(2))
    full, lean = (network.forward_batch(images, masks, template, render=render) for render in (True, False))
    for a, b in ((full.image, lean.image), (full.template, lean.template)):
        assert b.covars.shape == a.covars.shape and not bool(b.covars.any())
        close(a.means, b.means)
        close(a.sh, b.sh)
    side = 1 if preset == "vitl" else 2  # the U-Net says bone logits once for every 2×2 pixels
    fine = full.image.bone_logits.unflatten(1, (2, *images.shape[-2:]))
    close(fine[:, :, ::side, ::side].flatten(1, 3), lean.image.bone_logits)
    close(fine[:, :, side - 1 :: side, side - 1 :: side], fine[:, :, ::side, ::side])
