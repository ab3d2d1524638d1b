import pytest
import torch
from small import small_network, small_template, small_views

from nopo.body.open import load_open_body
from nopo.body.skeleton import ACROSS, BONE_FLIP
from nopo.encode.checkpoint import load_network
from nopo.evaluate.protocol import held_out_subjects
from nopo.weights import resolve


@pytest.fixture(scope="module")
def network():
    return small_network("open")


def test_a_photo_in_a_mirror_is_the_same_person_in_a_mirror(network):
    images, masks = small_views(2)
    template, across = small_template(), torch.tensor(ACROSS)

    def ask(images, masks):
        return network.forward_batch(images[None], masks[None], template, render=False, both_ways=True)[0]

    seen, reflected = ask(images, masks), ask(images.flip(-1), masks.flip(-1))
    assert torch.allclose(seen.facing, reflected.facing * across[:2], atol=1e-5)
    assert seen.image.bone_logits.std() > 0.1  # random weights say something

    def back(values, columns):
        return values.unflatten(0, (2, -1, columns)).flip(2).flatten(0, 2)

    for name, expected in (
        ("means", seen.image.means * across),
        ("opacities", seen.image.opacities),
        ("uncertainty", seen.image.uncertainty),
        ("bone_logits", seen.image.bone_logits[:, list(BONE_FLIP)]),
    ):
        columns = 16 if name == "bone_logits" else 32
        found = back(getattr(reflected.image, name), columns)
        assert torch.allclose(found, expected, atol=1e-4), name


def test_a_person_is_looked_at_both_ways_and_a_batch_for_training_once(network):
    images, masks = small_views(1)
    template = small_template()
    friendly = network(images, masks, template).image.means
    once, twice = (
        network.forward_batch(images[None], masks[None], template, both_ways=both)[0].image.means
        for both in (False, True)
    )
    assert torch.allclose(friendly, twice, atol=1e-6)
    assert not torch.allclose(friendly, once, atol=1e-3)


def test_whoever_is_told_a_direction_goes_by_it_both_ways(network):
    images, masks = small_views(1)
    template = small_template()
    left, right = torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    means = network(images, masks, template, facing=left).image.means.view(48, 32, 3)
    other = network(images.flip(-1), masks.flip(-1), template, facing=right).image.means.view(48, 32, 3)
    assert torch.allclose(other.flip(1) * torch.tensor(ACROSS), means, atol=1e-4)


def test_the_second_look_is_worth_it():
    network = load_network(resolve("open"))
    once, twice = [], []
    template = load_open_body().template(network.config.template_size)
    for subject in held_out_subjects(6, 5, 1, 0.0):
        photos = subject.photos
        valid = photos.valid[0, 0].flatten()
        truth = photos.canonical[0, 0].permute(1, 2, 0).flatten(0, 1)[valid]
        for both, errors in ((False, once), (True, twice)):
            with torch.no_grad():
                found = network.forward_batch(photos.images, photos.masks, template, render=False, both_ways=both)
            errors.append((found.image.means[0, valid] - truth).norm(dim=-1).mean())
    assert torch.stack(twice).mean() < torch.stack(once).mean()
