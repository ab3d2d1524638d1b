"""Dances: a step-touch groove, the twist, and slow tai chi."""

from __future__ import annotations

from torch import Tensor

from nopo.motion import Motion
from nopo.motions.curves import bump, ease, keys, progress, swing
from nopo.motions.figure import Curve, Figure
from nopo.motions.solve import solve


def dance(rest_joints: Tensor) -> Motion:
    """Step-touch to both sides, arms swinging low, then the same with the hands up."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints)  # eight beats at 120 a minute
    phase = figure.phase
    width = 0.28
    # One foot steps out, the other closes and touches; then back the same way. Twice a loop.
    x: dict[str, Curve] = {"left": width / 2 - 0.06, "right": -width / 2 - 0.06}
    lift: dict[str, Curve] = {"left": 0.0, "right": 0.0}
    for k, (side, move) in enumerate([("right", width), ("left", -width), ("left", width), ("right", -width)] * 2):
        u = progress(phase, k / 8 + 0.012, (k + 1) / 8 - 0.012)
        x[side] = x[side] + move * ease(u)
        lift[side] = lift[side] + 0.05 * bump(u)
    half = (phase * 2) % 1
    for side, touch in (("left", 0.5), ("right", 0.0)):
        tap = keys((half - touch + 0.5) % 1, [(0.25, 0.0), (0.38, 26.0), (0.5, 15.0), (0.58, 22.0), (0.73, 0.0)])
        figure.foot(side, x=x[side], lift=lift[side], pitch=tap, yaw=9.0)
    travel = swing(half, 1.0, peak=0.98)  # 1 over the left end, -1 over the right end
    bounce = swing(phase, 1.0, peak=0.01, cycles=8)
    up = keys(phase, [(0.04, 0.0), (0.52, 0.0), (0.62, 1.0), (0.94, 1.0)])
    groove = swing(half, 1.0, peak=0.06)
    figure.pelvis = {
        "x": 0.15 * travel,
        "y": -0.045 - 0.02 * bounce,
        "roll": 5.0 * groove,
        "yaw": 7.0 * groove,
        "pitch": 3 + 1.5 * bounce,
    }
    figure.spine = {
        "bend": 3 + 3.5 * bounce,
        "twist": -11 * swing(half, 1.0, peak=0.12),
        "lean": 7 * groove - 6 * up * swing(half, 1.0, peak=0.1),
    }
    figure.head = {"tilt": 6 * swing(half, 1.0, peak=0.14), "nod": 3 + 4 * bounce, "yaw": 8 * travel, "follow": 0.4}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pump = sign * swing(half, 1.0, peak=0.55)
        sway = sign * swing(half, 1.0, peak=0.13)
        figure.arm(
            side,
            lower=66 - 70 * up + 10 * up * sway,
            forward=(12 + 24 * pump) * (1 - up) + 6 * up,
            across=18 * up,
            roll=16 - 98 * up + 14 * up * sway,
            elbow=72 + 14 * pump * (1 - up) + 12 * up + 6 * bounce,
            wrist=8 + 7 * swing(phase, 1.0, peak=0.03, cycles=8),
            shrug=2 * bounce + 3 * up,
        )
        figure.hand(side, "loose fist", "relaxed", up)
    return solve(figure)
