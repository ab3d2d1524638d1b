"""Where the photographer stands, what the photo cuts off, and the square frame that the network gets to see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.camera import Camera, look_at
from nopo.preprocess.frame import FRAME_MARGIN
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.dice import Dice

MARGIN_SPREAD = 0.10
TRUNCATED_SHARE = 0.3
"""Share of training photos that cut parts of the person off."""
_LEAST_LEVEL = 0.3


@dataclass(frozen=True, eq=False)
class Framing:
    """A photo as the network sees it.

    Attributes:
        camera: of the square frame.
        window: left, top, right, bottom of the photo inside the frame, pixels; outside of it the frame is empty.
    """

    camera: Camera
    window: tuple[float, float, float, float]

    def shown(self) -> Tensor:
        """[H, W] 1 inside the photo, 0 where the frame reaches beyond it."""
        left, top, right, bottom = self.window
        column, row = torch.arange(self.camera.width) + 0.5, torch.arange(self.camera.height) + 0.5
        return (((row > top) & (row < bottom))[:, None] & (column > left) & (column < right)).float()


def sample_framing(dice: Dice, points: Tensor, size: int, yaw: float, truncated: bool) -> Framing:
    """A photo of posed points.

    Args:
        dice: source of all choices.
        points: [N, 3] the posed person, world, metres.
        size: side of the frame, pixels.
        yaw: radians round the person; 0 sees the front.
        truncated: whether the photo cuts parts of the person off.
    """
    kept = dice.uniform(0.3, 0.85) if truncated else 1.0
    lens_mm = dice.log_uniform(25, 135)
    low, high = points.amin(0), points.amax(0)
    center = (low + high) / 2
    tall = max(float((high - low)[1]), 1.0)
    filled = dice.uniform(0.55, 0.95)
    distance = max(lens_mm * tall * max(kept, 0.4) / (36 * filled), 1.15 if truncated else 1.5)
    pitch = dice.normal(math.radians(5), math.radians(2)) + (dice.uniform(0.1, 0.35) if dice.chance(0.1) else 0.0)
    direction = torch.tensor([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    target = center + torch.tensor([0.0, (1 - kept) * 0.5 * tall, 0.0])
    viewmat = _rolled(look_at(target + distance * direction, target), dice.normal(math.radians(2)))
    picture = project(points, viewmat)
    cut = _cut(dice, picture, kept)
    margin = FRAME_MARGIN + dice.uniform(-MARGIN_SPREAD, MARGIN_SPREAD)
    return _frame(picture, viewmat, cut, size, margin, (dice.normal(0.008), dice.normal(0.008)))


def frame_whole(points: Tensor, viewmat: Tensor, size: int, margin: float = FRAME_MARGIN) -> Camera:
    """The camera at `viewmat` [4, 4] whose square frame holds all points [N, 3] with the network's margin."""
    everything = (-math.inf, -math.inf, math.inf, math.inf)
    return _frame(project(points, viewmat), viewmat, everything, size, margin, (0.0, 0.0)).camera


def project(points: Tensor, viewmat: Tensor) -> Tensor:
    """World points [N, 3] -> [N, 2] on the plane at distance 1."""
    cam = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    return cam[:, :2] / cam[:, 2:].clamp_min(0.05)


def facing_of(orientations: Tensor, viewmat: Tensor) -> Tensor:
    """Which way bodies face as their cameras see them.

    Args:
        orientations: [V, 3] global orientation of the pelvis, axis-angle.
        viewmat: [V, 4, 4] world -> camera.

    Returns:
        [V, 2] the pelvis' forward direction (+z of the T-pose) towards the right of the picture and towards the camera,
        unit length; zero where the pelvis faces too nearly up or down for that to mean anything.
    """
    forward = (viewmat[:, :3, :3] @ axis_angle_to_matrix(orientations))[..., 2]  # [V, 3] camera frame
    level = torch.stack([forward[:, 0], -forward[:, 2]], -1)
    length = level.norm(dim=-1, keepdim=True)
    return torch.where(length < _LEAST_LEVEL, torch.zeros_like(level), level / length.clamp_min(_LEAST_LEVEL))


def _rolled(viewmat: Tensor, angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    roll = torch.eye(4)
    roll[:2, :2] = torch.tensor([[c, -s], [s, c]])
    return roll @ viewmat


def _cut(dice: Dice, picture: Tensor, kept: float) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the photo on the plane at distance 1; infinite where nothing is cut."""
    low, high = picture.amin(0), picture.amax(0)
    wide, tall = (high - low).tolist()
    left, top, right, bottom = -math.inf, -math.inf, math.inf, math.inf
    if kept < 1:
        bottom = float(low[1]) + kept * tall
        if dice.chance(0.15):
            top = float(low[1]) + dice.uniform(0.02, 0.08) * tall
        if dice.chance(0.3):
            side = dice.uniform(0.05, 0.3) * wide
            if dice.chance(0.5):
                left = float(low[0]) + side
            else:
                right = float(high[0]) - side
    return left, top, right, bottom


def _frame(
    picture: Tensor, viewmat: Tensor, cut: tuple[float, ...], size: int, margin: float, shift: tuple[float, float]
) -> Framing:
    left, top, right, bottom = cut
    inside = (picture[:, 0] > left) & (picture[:, 0] < right) & (picture[:, 1] > top) & (picture[:, 1] < bottom)
    seen = picture[inside] if bool(inside.any()) else picture
    low, high = seen.amin(0), seen.amax(0)
    side = float((high - low).amax()) * margin
    f_px = size / side
    cx = size / 2 - f_px * (float(low[0] + high[0]) / 2 + shift[0] * side)
    cy = size / 2 - f_px * (float(low[1] + high[1]) / 2 + shift[1] * side)
    K = torch.tensor([[f_px, 0.0, cx], [0.0, f_px, cy], [0.0, 0.0, 1.0]])
    window = (f_px * left + cx, f_px * top + cy, f_px * right + cx, f_px * bottom + cy)
    return Framing(Camera(K, viewmat, size, size), window)
