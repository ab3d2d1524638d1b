"""The heads' shortcuts against the definition written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from nopo.encode.dpt import Fusion, Pointwise, upsample


def test_projecting_before_upsampling_is_projecting_after():
    torch.manual_seed(0)
    fusion = Fusion(8, has_skip=True)
    x, skip = torch.randn(2, 8, 5, 7), torch.randn(2, 8, 5, 7)
    defined = fusion.out(upsample(fusion.unit(x + fusion.skip_unit(skip))))
    torch.testing.assert_close(fusion(x, skip), defined, atol=1e-5, rtol=1e-5)


def test_pointwise_is_a_convolution():
    torch.manual_seed(0)
    layer, x = Pointwise(6, 4), torch.randn(2, 6, 5, 3)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight[:, :, None, None], layer.bias))


def test_residual_units_leave_their_input_alone():
    fusion = Fusion(8, has_skip=True)
    x, skip = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
    before = x.clone(), skip.clone()
    with torch.no_grad():
        fusion(x, skip)
    assert torch.equal(x, before[0]) and torch.equal(skip, before[1])
