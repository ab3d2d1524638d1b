"""The network against its definition written out, on small sizes: any number of photos, any shape, other weights."""

from __future__ import annotations

import pytest
import torch
from definition import Definition
from filled import published_table
from small import small_network, small_template, small_views
from torch import Tensor

from nopo.encode import Network, published


def published_values(network: Network) -> dict[str, Tensor]:
    """A network's parameters in double precision under their published names and in their published shapes."""
    ours = network.state_dict()
    values = {}
    for key, shape, _, _ in published_table(256):
        name = None if published.why_unused(key) else published.our_name(key)
        if name in ours:
            value = ours[name].double()
            values[key.removeprefix("encoder.")] = value[:, :, None, None] if len(shape) > value.ndim else value
    return values


@pytest.mark.parametrize(("views", "height", "width"), [(1, 48, 32), (3, 32, 80), (2, 16, 16)])
def test_the_network_does_what_its_definition_says(views, height, width):
    network = small_network("vitl", seed=views).double()
    config = network.config
    images, masks = (x.double() for x in small_views(views, height, width, seed=views))
    template = small_template()
    prediction = network(images, masks, template)

    slow = Definition(published_values(network), config.encoder_layers, config.decoder_layers, config.hooks)
    tokens, seen = slow.features(2 * images - 1)
    maps = torch.cat([template.positions, template.joint_weights], -1).permute(2, 0, 1).double()
    expected = slow.gaussians("template", tokens, maps, template.mask)
    expected["means"] = expected["means"] + template.positions.flatten(0, 1)
    photos = [slow.gaussians("photo", *given) for given in zip(seen, 2 * images - 1, masks, strict=True)]
    for name, value in expected.items():
        together = torch.cat([photo[name] for photo in photos])
        torch.testing.assert_close(getattr(prediction.template, name), value, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(getattr(prediction.image, name), together, rtol=1e-9, atol=1e-12)
