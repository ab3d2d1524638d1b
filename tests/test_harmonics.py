import math

import pytest
import torch

from nopo import harmonics


def sphere(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(n, 3, dtype=torch.float64, generator=generator), dim=1)


def test_basis_is_orthonormal_on_the_sphere():
    # Gauss-Legendre in z and a uniform grid in azimuth integrate products of degree 8 exactly.
    nodes, weights = map(torch.from_numpy, __import__("numpy").polynomial.legendre.leggauss(8))
    azimuth = torch.arange(20, dtype=torch.float64) * (2 * math.pi / 20)
    z = nodes[:, None].expand(-1, 20)
    radius = (1 - z * z).sqrt()
    directions = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], -1)
    values = harmonics.basis(directions, 4)  # [8, 20, 25]
    gram = torch.einsum("z,zai,zaj->ij", weights, values, values) * (2 * math.pi / 20)
    assert torch.allclose(gram, torch.eye(25, dtype=torch.float64), atol=1e-9)


def test_order_and_signs_are_those_of_gaussian_splatting():
    x, y, z = sphere(1)[0]
    values = harmonics.basis(torch.stack([x, y, z])[None], 4)[0]
    expected = {
        1: -y,
        2: z,
        3: -x,
        4: x * y,
        5: -y * z,
        7: -x * z,
        8: x * x - y * y,
        10: x * y * z,
        14: z * (x * x - y * y),
    }
    for index, polynomial in expected.items():
        ratio = values[index] / polynomial
        assert ratio > 0.4, f"basis {index} has the wrong sign or order"


def test_lower_degrees_are_prefixes():
    directions = sphere(10)
    full = harmonics.basis(directions, 4)
    for degree in range(4):
        assert torch.equal(harmonics.basis(directions, degree), full[:, : (degree + 1) ** 2])


def test_constant_term_round_trip_and_clamp():
    rgb = torch.tensor([[0.1, 0.5, 0.9]])
    assert torch.allclose(harmonics.dc_to_rgb(harmonics.rgb_to_dc(rgb)), rgb)
    sh = harmonics.rgb_to_dc(torch.tensor([[[-0.5, 0.25, 1.5]]]))
    assert torch.allclose(harmonics.colors(sh, sphere(1).float(), 0), torch.tensor([[0.0, 0.25, 1.5]]), atol=1e-6)


def test_degree_of():
    assert [harmonics.degree_of(n) for n in (1, 4, 9, 16, 25)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="not the number"):
        harmonics.degree_of(12)
