"""Framing: how much of a person the picture shows, and where the camera stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from nopo.avatar import Avatar
from nopo.body.skeleton import JOINT_NAMES, sum_bones_to_joints
from nopo.camera import Camera, framing_distance, orbit
from nopo.errors import RenderError
from nopo.gaussians import Gaussians

Framing: TypeAlias = Literal["whole", "half", "head"]
"""The whole person; the upper body, with the arms as far as they are above the waist; the head."""

MIN_SIDE_PX, MAX_SIDE_PX = 16, 2048
LENSES: dict[Framing, tuple[float, float]] = {"whole": (30.0, 1.12), "half": (24.0, 1.12), "head": (14.0, 1.4)}
"""Field of view in degrees, and free space around what is framed. Portraits are taken with long lenses, from where no
moving arm reaches."""

_FEW = 20  # fewer do not say where the person is

_HEAD = {"neck", "head", "jaw", "left_eye", "right_eye"}
_TORSO = {"spine1", "spine2", "spine3", "left_collar", "right_collar"}
_LEGS = {f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle", "foot")} | {"pelvis"}
_ARMS = set(JOINT_NAMES) - _HEAD - _TORSO - _LEGS


@dataclass(frozen=True, eq=False)
class Shot:
    """Where an orbiting camera looks, from how far, through which lens.

    Attributes:
        center: (3,) metres.
        distance: from there, metres.
        fov_deg: field of view of the shorter side.
        size: (H, W) pixels.
    """

    center: Tensor
    distance: float
    fov_deg: float
    size: tuple[int, int]

    def camera(self, azimuth_deg: float, elevation_deg: float, offset: Tensor | None = None) -> Camera:
        """The camera at these angles, as `nopo.camera.orbit`; `offset` (3,) metres moves it along with the person."""
        center = self.center if offset is None else self.center + offset.to(self.center)
        return orbit(center, self.distance, azimuth_deg, elevation_deg, fov_deg=self.fov_deg, size=self.size)


def shot(
    points: Tensor, framing: Framing, elevation_deg: float, size: tuple[int, int], azimuth_deg: float | None = None
) -> Shot:
    """The shot that holds `points` (N, 3) from one azimuth, or from all around."""
    fov_deg, margin = LENSES[framing]
    around = {} if azimuth_deg is None else {"azimuths_deg": [azimuth_deg]}
    center, distance = framing_distance(
        points, elevation_deg=elevation_deg, fov_deg=fov_deg, size=size, margin=margin, **around
    )
    return Shot(center, distance, fov_deg, size)


class Framed:
    """Which Gaussians of an avatar a framing is about."""

    def __init__(self, avatar: Avatar, framing: Framing) -> None:
        """Sort the avatar's Gaussians by the joint that moves them most.

        Raises:
            RenderError: no such framing, or an avatar of nothing.
        """
        if framing not in get_args(Framing):
            raise RenderError(f"A picture shows the whole person, half or the head: not {framing!r}.")
        self.framing, self._solid = framing, solid(avatar.gaussians)
        nearest = sum_bones_to_joints(avatar.bone_weights).argmax(1)  # [N]
        self._head, self._torso, self._arms = (_any_of(nearest, names) for names in (_HEAD, _TORSO, _ARMS))

    def points(self, gaussians: Gaussians) -> Tensor:
        """Centres (M, 3) that the camera must see, of the avatar in some pose: no faint Gaussians, no strays."""
        means, kept = gaussians.means, self._solid
        if self.framing == "head":
            kept = self._solid & self._head
        elif self.framing == "half":
            torso = self._solid & (self._torso | self._head)
            waist = means[torso if torso.any() else self._solid, 1].amin()
            kept = torso | (self._solid & self._arms & (means[:, 1] >= waist))
        points = means[kept]
        return _without_strays(points) if len(points) >= _FEW else means[self._solid]


def solid(gaussians: Gaussians) -> Tensor:
    """Which Gaussians (N,) say where the person is: the opaque ones; where these are few, all whose centre is finite.

    Raises:
        RenderError: there are none.
    """
    there = gaussians.means.isfinite().all(1)
    opaque = there & (gaussians.opacities > 0.3)
    if not there.any():
        raise RenderError("The avatar has nothing that can be seen; make it again from other photos.")
    return opaque if opaque.sum() >= _FEW else there


def checked_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """(H, W) of a picture, from the side of a square or from itself.

    Raises:
        RenderError: a side is too small or too large.
    """
    height, width = (size, size) if isinstance(size, int) else size
    for side in (height, width):
        if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
            raise RenderError(f"A picture has a side of {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels, not {side}.")
    return int(height), int(width)


def _any_of(joints: Tensor, names: set[str]) -> Tensor:
    wanted = torch.tensor([name in names for name in JOINT_NAMES], device=joints.device)
    return wanted[joints]


def _without_strays(points: Tensor) -> Tensor:
    center = points.median(0).values
    distance = (points - center).abs()
    limit = distance.sort(0).values[int(0.998 * (len(points) - 1))] * 1.05
    return points[(distance <= limit).all(1)]
