"""Pinhole cameras in the OpenCV convention: x right, y down, z forward, pixel centres at +0.5."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.errors import NopoError


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera.

    Attributes:
        K: (3, 3) intrinsics, pixels.
        viewmat: (4, 4) rigid transform world -> camera, metres.
        width: picture width, pixels.
        height: picture height, pixels.
    """

    K: Tensor
    viewmat: Tensor
    width: int
    height: int

    def __post_init__(self) -> None:
        if tuple(self.K.shape) != (3, 3) or tuple(self.viewmat.shape) != (4, 4):
            raise NopoError(f"A Camera needs K (3, 3) and viewmat (4, 4), not {tuple(self.K.shape)} "
                            f"and {tuple(self.viewmat.shape)}.")  # fmt: skip
        if self.width < 1 or self.height < 1:
            raise NopoError(f"A Camera needs a picture of at least 1×1 pixels, not {self.width}×{self.height}.")

    def to(self, device: torch.device | str) -> Camera:
        """The same camera on another device."""
        return Camera(self.K.to(device), self.viewmat.to(device), self.width, self.height)

    def project(self, points: Tensor) -> Tensor:
        """World points (..., 3) in metres -> (..., 3): pixel x, pixel y, depth in metres."""
        cam = points @ self.viewmat[:3, :3].T + self.viewmat[:3, 3]
        xy = cam[..., :2] / cam[..., 2:] @ self.K[:2, :2].T + self.K[:2, 2]
        return torch.cat([xy, cam[..., 2:]], -1)


def look_at(eye: Tensor, target: Tensor) -> Tensor:
    """World -> camera transform (4, 4) of a camera at `eye` (3,) that sees `target` (3,) upright (+y up)."""
    forward = torch.nn.functional.normalize(target - eye, dim=0)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=eye.dtype, device=eye.device)
    if forward[1].abs() > 0.9999:  # straight up or down: any horizontal direction may be "up" in the picture
        up = torch.tensor([0.0, 0.0, 1.0], dtype=eye.dtype, device=eye.device)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=0)
    return _viewmat(eye, forward, right)


def _viewmat(eye: Tensor, forward: Tensor, right: Tensor) -> Tensor:
    """World -> camera (4, 4), from where it stands and two of its axes in the world, each (3,) and of length 1."""
    down = torch.linalg.cross(forward, right)
    rotation = torch.stack([right, down, forward])  # [3, 3] rows are the camera's axes in the world
    viewmat = torch.eye(4, dtype=eye.dtype, device=eye.device)
    viewmat[:3, :3] = rotation
    viewmat[:3, 3] = -rotation @ eye
    return viewmat


def intrinsics(fov_deg: float, size: tuple[int, int]) -> Tensor:
    """K (3, 3) of a centred pinhole camera whose field of view spans the shorter side of `size` (H, W)."""
    height, width = size
    f_px = 0.5 * min(height, width) / math.tan(math.radians(fov_deg) / 2)
    return torch.tensor([[f_px, 0, width / 2], [0, f_px, height / 2], [0, 0, 1]])


def orbit(
    center: Tensor,
    radius: float,
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    *,
    fov_deg: float = 30.0,
    size: tuple[int, int] = (512, 512),
) -> Camera:
    """A camera on a sphere around `center` (3,).

    Args:
        center: point to look at, metres.
        radius: distance from it, metres.
        azimuth_deg: 0 sees the subject's front from +z; 90 stands at +x and sees the subject's left side.
        elevation_deg: positive looks down from above.
        fov_deg: field of view of the shorter side.
        size: (H, W) pixels.
    """
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    direction = torch.tensor(
        [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
    )
    right = torch.tensor([math.cos(azimuth), 0, -math.sin(azimuth)]) * math.copysign(1, math.cos(elevation))
    eye = center.detach().float().cpu() + radius * direction
    return Camera(intrinsics(fov_deg, size), _viewmat(eye, -direction, right), size[1], size[0])


ALL_AROUND = tuple(range(0, 360, 15))
"""Azimuths in degrees that stand for a whole turn."""


def framing_distance(
    points: Tensor,
    azimuths_deg: Sequence[float] = ALL_AROUND,
    elevation_deg: float = 0.0,
    *,
    fov_deg: float = 30.0,
    size: tuple[int, int] = (512, 512),
    margin: float = 1.12,
) -> tuple[Tensor, float]:
    """Where an orbiting camera must look, and how far away it must stand, to see all points from some azimuths.

    Args:
        points: (N, 3) metres.
        azimuths_deg: as in `orbit`; with several, the distance serves all of them, so that a turn does not breathe.
        elevation_deg: as in `orbit`.
        fov_deg: field of view of the shorter side.
        size: (H, W) pixels.
        margin: free space around the points; 1.0 touches the picture's border.

    Returns:
        The middle of the points' box (3,) and the distance from it, metres.
    """
    center = (points.amin(0) + points.amax(0)) / 2
    tan_half = math.tan(math.radians(fov_deg) / 2) / margin / min(size)
    distance = 0.1
    for azimuth in azimuths_deg:
        view = orbit(center, 1.0, azimuth, elevation_deg).viewmat.to(points)
        x, y, z = (points @ view[:3, :3].T + view[:3, 3]).unbind(-1)  # [N] before a camera at 1 m
        # From further away z grows: a point is inside when |x| <= tan_x (z - 1 + distance), and the same for y.
        reach = torch.maximum(x.abs() / (tan_half * size[1]), y.abs() / (tan_half * size[0]))
        distance = max(distance, float((reach - (z - 1)).amax()))
    return center, distance


def framing_orbit(
    points: Tensor,
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    *,
    fov_deg: float = 30.0,
    size: tuple[int, int] = (512, 512),
    margin: float = 1.12,
) -> Camera:
    """An orbiting camera that sees all `points` (N, 3), as far away as a whole turn at this elevation needs."""
    center, distance = framing_distance(points, ALL_AROUND, elevation_deg, fov_deg=fov_deg, size=size, margin=margin)
    return orbit(center, distance, azimuth_deg, elevation_deg, fov_deg=fov_deg, size=size)
