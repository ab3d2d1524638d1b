"""Pictures to draw in the benchmarks: Gaussians on a standing figure of capsules, 1.75 m tall, whole in the frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nopo import harmonics
from nopo.camera import Camera, look_at
from nopo.gaussians import Gaussians

# Start, end (metres, pelvis near the origin) and radius of each limb.
_CAPSULES = [
    ((0.0, 0.05, 0.0), (0.0, 0.45, 0.0), 0.15),  # torso
    ((0.0, 0.70, 0.0), (0.0, 0.76, 0.02), 0.105),  # head
    *(((s * 0.20, 0.50, 0.0), (s * 0.62, 0.20, 0.0), 0.05) for s in (-1, 1)),  # arms
    *(((s * 0.09, -0.02, 0.0), (s * 0.13, -0.82, 0.0), 0.075) for s in (-1, 1)),  # legs
]


def standing_figure(count: int, sh_degree: int = 3, seed: int = 0) -> Gaussians:
    """`count` Gaussians of 4 to 8 mm on the figure's surface, opacities 0.3 to 0.95."""
    random = torch.Generator().manual_seed(seed)
    areas = torch.tensor([2 * math.pi * r * (math.dist(a, b) + 2 * r) for a, b, r in _CAPSULES])
    limb = torch.multinomial(areas, count, replacement=True, generator=random)
    start, end = (torch.tensor([c[i] for c in _CAPSULES])[limb] for i in (0, 1))
    radius = torch.tensor([c[2] for c in _CAPSULES])[limb, None]
    along = torch.rand(count, 1, generator=random)
    outward = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=1)
    points = start + along * (end - start) + radius * outward

    rotations, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=random))
    scales = torch.exp(math.log(4e-3) + math.log(2) * torch.rand(count, 3, generator=random))
    factors = rotations * scales[:, None]
    opacities = 0.3 + 0.65 * torch.rand(count, generator=random)
    sh = 0.05 * torch.randn(count, (sh_degree + 1) ** 2, 3, generator=random)
    stripes = 0.5 + 0.35 * torch.sin(points @ torch.tensor([[3.0, 31.0, 0.0], [25.0, 0.0, 22.0], [0.0, 1.0, -7.0]]))
    sh[:, 0] = harmonics.rgb_to_dc(stripes)
    return Gaussians(points, factors @ factors.mT, opacities, sh)


def front_camera(size: int, azimuth_deg: float = 20.0, distance: float = 3.2) -> Camera:
    """A camera that holds the whole figure in a square picture."""
    azimuth = math.radians(azimuth_deg)
    eye: Tensor = distance * torch.tensor([math.sin(azimuth), 0.087, math.cos(azimuth)])
    f_px = 0.92 * size * distance / 1.75
    K = torch.tensor([[f_px, 0, size / 2], [0, f_px, size / 2], [0, 0, 1]])
    return Camera(K, look_at(eye, torch.zeros(3)), size, size)
