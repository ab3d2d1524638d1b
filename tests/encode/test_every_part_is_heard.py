"""The shipped network has no part that may as well be missing.

Twice one was found that had silenced itself or had never learned anything, after hours of training: losses fall all the
same. What each part says is taken away here, and something must change.
"""

import pytest
import torch
from small import small_network, small_views

from nopo.body.open import load_open_body
from nopo.encode.checkpoint import load_network
from nopo.synthetic.dataset import make_batch
from nopo.weights import resolve

SEEN_M = 0.002
"""Mean movement of the photos' points."""
SHAPED_M = 0.0003
"""Mean movement of the rest joints: they differ by 3 cm between people."""


@pytest.fixture(scope="module")
def photos():
    return make_batch(torch.Generator().manual_seed(11), 2, 1, 128, held_out=True, truncated=False)


@pytest.fixture(scope="module")
def ask(photos):
    template = load_open_body().template(128)

    def asked(silent=()):
        network = load_network(resolve("open"))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name.startswith(tuple(silent)):
                    parameter.zero_()
            return network.forward_batch(photos.images, photos.masks, template, render=False)

    return asked


def test_blocks_and_levels(photos, ask):
    valid = photos.valid.flatten(1)
    whole = ask().image.means[valid]
    network = load_network(resolve("open"))
    last = [name for name, _ in network.named_parameters() if name.endswith("conv2.weight")]
    for name in (name for name in last if name.startswith(("unet.down", "unet.up"))):
        moved = (ask([name.removesuffix("weight")]).image.means[valid] - whole).norm(dim=-1).mean()
        assert moved > SEEN_M, name


def test_what_shapes_the_body(ask):
    whole = ask()
    for name in ("shape.reader.say", "shape.add", "unet.cell_norms.0", "unet.cell_norms.1", "unet.cell_norms.2"):
        assert (ask([name]).rest_joints - whole.rest_joints).norm(dim=-1).mean() > SHAPED_M, name
    assert (whole.traits[0] - whole.traits[1]).abs().max() > 0.05, "two people, one answer"


def test_what_is_asked_of_the_body_is_learned_beside_the_u_net():
    """To the U-Net it would be noise; a small network of its own learns what tells a man from a woman."""
    network, (images, masks) = small_network("open").train(), small_views(1)
    said = network.forward_batch(
        images[None], masks[None], load_open_body().template(network.config.template_size), render=False
    )
    (said.rest_joints.sum() + said.traits.sum()).backward()
    assert all(parameter.grad is None for parameter in network.unet.down.parameters())
    assert all(parameter.grad.abs().max() > 0 for parameter in network.unet.glance.parameters())
