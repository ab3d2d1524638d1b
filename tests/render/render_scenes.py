"""Scenes to render: recorded ones of the original rasterizer with their float64 pictures, and random ones."""

from pathlib import Path

import numpy as np
import torch

from nopo.camera import Camera, look_at
from nopo.gaussians import Gaussians

DATA = Path(__file__).parents[1] / "data"


def camera_of(c2w: np.ndarray, normalised_K: np.ndarray, size: int) -> Camera:
    K = torch.from_numpy(normalised_K * np.array([[size], [size], [1]], np.float32))
    return Camera(K, torch.linalg.inv(torch.from_numpy(c2w).double()).float(), size, size)


def ray_angle_focal(normalised_K: np.ndarray, size: int) -> torch.Tensor:
    """Focal lengths (2,) in pixels that the original projects covariances with: from the angle between border rays."""
    inverse = np.linalg.inv(normalised_K.astype(np.float64))

    def tan_half_angle(first: list[float], second: list[float]) -> float:
        a, b = (inverse @ np.array([*p, 1.0]) for p in (first, second))
        return float(np.tan(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2))

    tans = tan_half_angle([0, 0.5], [1, 0.5]), tan_half_angle([0.5, 0], [0.5, 1])
    return torch.tensor([size / (2 * t) for t in tans])


def scene_a() -> tuple[Gaussians, Camera, torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Gaussians, camera, background (3,), covariance focal lengths (2,), expected pictures."""
    data = np.load(DATA / "golden_render_a.npz")
    t = {key[2:]: torch.from_numpy(np.asarray(data[key])) for key in data.files}
    gaussians = Gaussians(t["means"], t["covariances"], t["opacities"], t["harmonics"].mT.contiguous())
    camera = camera_of(data["A.c2w"], data["A.K"], 128)
    focal = ray_angle_focal(data["A.K"], 128)
    return gaussians, camera, t["bg"], focal, t


def random_cloud(count: int, sh_degree: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0) -> Gaussians:
    """Gaussians of 2 to 20 cm about the origin, every value in its range."""
    random = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 3, generator=random, dtype=torch.float64) * torch.tensor([0.5, 0.5, 0.3])
    factors = torch.randn(count, 3, 3, generator=random, dtype=torch.float64) * 0.06
    covars = factors @ factors.mT + 1e-4 * torch.eye(3)
    opacities = 0.05 + 0.93 * torch.rand(count, generator=random, dtype=torch.float64)
    sh = 0.4 * torch.randn(count, (sh_degree + 1) ** 2, 3, generator=random, dtype=torch.float64)
    return Gaussians(*(t.to(dtype) for t in (means, covars, opacities, sh)))


def frontal(width: int, height: int, dtype: torch.dtype = torch.float32) -> Camera:
    """A camera 2.5 m in front of the origin, a little turned, with its principal point off the centre."""
    viewmat = look_at(torch.tensor([0.4, 0.3, 2.5], dtype=dtype), torch.zeros(3, dtype=dtype))
    f_px = 1.1 * min(width, height)
    K = torch.tensor([[f_px, 0, width / 2 + 1.3], [0, 0.95 * f_px, height / 2 - 0.7], [0, 0, 1]], dtype=dtype)
    return Camera(K, viewmat, width, height)


def scene_b() -> tuple[list[Gaussians], list[Camera], torch.Tensor, list[torch.Tensor], dict[str, torch.Tensor]]:
    """A skinned cloud in two poses: Gaussians, cameras, background (3,), covariance focals, expected pictures."""
    data = np.load(DATA / "golden_render_b.npz")
    t = {key[2:]: torch.from_numpy(np.asarray(data[key])) for key in data.files}
    sh = t["harmonics"].mT.contiguous()
    clouds = [Gaussians(m, c, t["opacities"], sh) for m, c in zip(t["means"], t["covariances"], strict=True)]
    cameras = [camera_of(c2w, K, 128) for c2w, K in zip(data["B.c2w"], data["B.K"], strict=True)]
    return clouds, cameras, t["bg"], [ray_angle_focal(K, 128) for K in data["B.K"]], t
