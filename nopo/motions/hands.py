"""Hands: how far each of the fifteen finger joints of a hand curls, by name."""

from __future__ import annotations

import torch
from torch import Tensor

FINGERS = ("index", "middle", "pinky", "ring", "thumb")

# Degrees of curl of the three joints of each finger, in the order of the skeleton: index, middle, pinky, ring, thumb.
SHAPES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "flat": ((0, 2, 2), (0, 2, 2), (0, 2, 2), (0, 2, 2), (0, 2, 2)),
    "relaxed": ((14, 22, 12), (18, 26, 14), (26, 30, 16), (22, 28, 15), (8, 10, 12)),
    "spread": ((-4, 4, 3), (-4, 4, 3), (-4, 6, 4), (-4, 4, 3), (-8, 2, 2)),
    "loose fist": ((45, 60, 35), (50, 62, 36), (58, 62, 36), (54, 62, 36), (16, 28, 30)),
    "fist": ((74, 92, 55), (78, 94, 55), (82, 92, 55), (80, 94, 55), (22, 36, 42)),
}

# Sideways turn of the first joints, degrees: index and pinky away from the middle finger have opposite signs.
_FAN = {"spread": (9.0, 1.0, -16.0, -8.0), "flat": (-5.0, 0.0, 10.0, 5.0), "relaxed": (-2.0, 0.0, 4.0, 2.0)}
# The thumb closes under the palm, about a slanted axis (left hand, palm down).
_THUMB_AXIS = torch.nn.functional.normalize(torch.tensor([0.45, 0.87, 0.2], dtype=torch.float64), dim=0)


def left_hand(shape: str) -> Tensor:
    """Axis-angle of the 15 joints of the left hand, radians, [15, 3] float64."""
    curls = SHAPES[shape]
    fan = _FAN.get(shape, (0.0, 0.0, 0.0, 0.0))
    rotations = torch.zeros(5, 3, 3, dtype=torch.float64)
    for finger in range(4):
        for knuckle in range(3):
            rotations[finger, knuckle, 2] = -curls[finger][knuckle]
        rotations[finger, 0, 1] = -fan[finger]
    for knuckle in range(3):
        rotations[4, knuckle] = curls[4][knuckle] * _THUMB_AXIS
    return torch.deg2rad(rotations.reshape(15, 3))


def mirrored(axis_angle: Tensor) -> Tensor:
    """The same rotations on the other side of the body, [..., 3]: mirrored in the plane x = 0."""
    return axis_angle * axis_angle.new_tensor([1.0, -1.0, -1.0])
