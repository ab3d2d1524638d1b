"""Exercise: squat, jumping jack, boxing, kick, stretch, sit down and stand up."""

from __future__ import annotations

from torch import Tensor

from nopo.motion import Motion
from nopo.motions.curves import bump, ease, keys, progress
from nopo.motions.figure import Figure
from nopo.motions.solve import solve


def squat(rest_joints: Tensor) -> Motion:
    """Down to level thighs with the arms to the front for balance, and up again."""
    figure = Figure(seconds=3.2, rest_joints=rest_joints)
    phase = figure.phase
    down = keys(phase, [(0.06, 0.0), (0.42, 1.0), (0.52, 1.0), (0.88, 0.0)])
    late = keys(phase, [(0.02, 0.0), (0.36, 1.0), (0.54, 1.0), (0.86, 0.0)])
    figure.both("foot", x=0.01, yaw=16.0, knee_out=6 * down)
    figure.pelvis = {"y": 0.002 - 0.43 * down, "z": 0.015 - 0.185 * down, "pitch": 30 * down}
    figure.spine = {"bend": 1 + 14 * down}
    figure.head = {"follow": 0.25, "nod": 1 - 4 * down}
    figure.both("arm", lower=74 + 4 * late, forward=3 + 106 * late, roll=12 - 6 * late, elbow=17 - 7 * late)
    for side in ("left", "right"):
        figure.hand(side, "relaxed", "flat", late)
    figure.breathe(cycles=1)
    return solve(figure)


def jumping_jack(rest_joints: Tensor) -> Motion:
    """Feet apart and hands overhead in one jump, together and down in the next; two rounds."""
    figure = Figure(seconds=2.2, rest_joints=rest_joints)
    round_ = (figure.phase * 2) % 1
    out, back = progress(round_, 0.14, 0.40), progress(round_, 0.62, 0.88)
    apart = ease(out) - ease(back)
    flight = bump(out) + bump(back)
    push = keys(round_, [(0.06, 0.0), (0.15, 1.0), (0.27, 0.7), (0.41, 0.25), (0.47, 0.0), (0.56, 0.0),
                         (0.63, 1.0), (0.75, 0.7), (0.89, 0.25), (0.95, 0.0)])  # fmt: skip
    figure.both("foot", x=-0.07 + 0.26 * apart, lift=0.06 * flight, pitch=30 * push, yaw=6 + 6 * apart)
    crouch = keys(round_, [(0.04, 1.0), (0.15, 0.0), (0.4, 0.1), (0.50, 1.0), (0.62, 0.0), (0.9, 0.1)])
    figure.pelvis = {"y": 0.004 - 0.055 * crouch + 0.14 * flight - 0.035 * apart, "pitch": 2 + 5 * crouch}
    figure.spine = {"bend": 2 + 4 * crouch - 3 * apart}
    arms = keys(round_, [(0.05, 0.0), (0.44, 1.0), (0.53, 1.0), (0.92, 0.0)])
    figure.both("arm", lower=76 - 143 * arms, across=8 * arms, forward=2.0, elbow=16 + 14 * arms, roll=8 - 50 * arms)
    for side in ("left", "right"):
        figure.hand(side, "relaxed", "flat", arms)
    figure.head = {"follow": 0.2, "nod": 1 + 3 * crouch - 3 * arms}
    return solve(figure)
