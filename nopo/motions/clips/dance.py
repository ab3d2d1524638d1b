"""Dances: a step-touch groove, the twist, and slow tai chi."""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.motion import Motion
from nopo.motions.curves import bump, ease, keys, progress, swing
from nopo.motions.figure import Curve, Figure
from nopo.motions.legs import J
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
            lower=66 - 98 * up + 12 * up * sway,
            forward=(12 + 24 * pump) * (1 - up) + 6 * up,
            across=18 * up,
            roll=16 - 98 * up + 14 * up * sway,
            elbow=72 + 14 * pump * (1 - up) - 14 * up + 6 * bounce,
            wrist=8 + 7 * swing(phase, 1.0, peak=0.03, cycles=8),
            shrug=2 * bounce + 3 * up,
        )
        figure.hand(side, "loose fist", "relaxed", up)
    return solve(figure)


def twist(rest_joints: Tensor) -> Motion:
    """The twist: on the balls of the feet, hips one way, arms the other, sinking and rising."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints)
    phase, turns = figure.phase, 8
    hips = swing(phase, 1.0, peak=0.03, cycles=turns)
    arms = swing(phase, 1.0, peak=0.045, cycles=turns)
    low = keys(phase, [(0.1, 0.0), (0.4, 1.0), (0.55, 1.0), (0.85, 0.0)])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _swivel(figure, side, yaw=sign * 19 * hips + 8, closer=0.03)
        figure.foot(side, pitch=17 + 12 * low, knee_out=4.0)
        figure.arm(
            side,
            lower=60 - 4 * low,
            forward=18 - sign * 22 * arms,
            across=6 - sign * 14 * arms,
            roll=22.0,
            elbow=84 - sign * 16 * arms,
            wrist=6.0,
        )
        figure.hand(side, "loose fist")
    figure.pelvis = {
        "x": 0.02 * swing(phase, 1.0, peak=0.2, cycles=2),
        "y": -0.03 - 0.15 * low,
        "z": 0.03 - 0.035 * low,
        "yaw": 24 * hips,
        "pitch": 4 + 8 * low,
        "roll": 3 * swing(phase, 1.0, peak=0.06, cycles=turns),
    }
    figure.spine = {"bend": 4 + 7 * low, "twist": -38 * arms, "lean": 5 * swing(phase, 1.0, peak=0.2, cycles=2)}
    figure.head = {
        "nod": 2 + 1.5 * swing(phase, 1.0, peak=0.0, cycles=turns),
        "tilt": 4 * swing(phase, 1.0, peak=0.22, cycles=2),
    }
    return solve(figure)


def tai_chi(rest_joints: Tensor) -> Motion:
    """Cloud hands: weight from foot to foot, the waist turning, the hands circling past the face."""
    figure = Figure(seconds=6.0, rest_joints=rest_joints)
    phase = figure.phase
    weight = swing(phase, 1.0, peak=0.0)  # over the left foot at 0, over the right one at 0.5
    waist = swing(phase, 1.0, peak=0.03)
    figure.both("foot", x=0.1, yaw=12.0, knee_out=3.0)
    figure.pelvis = {
        "x": 0.105 * weight,
        "y": -0.125 + swing(phase, 0.008, cycles=2),
        "z": 0.01,
        "yaw": 16 * waist,
        "pitch": 3.0,
    }
    figure.spine = {"bend": 2.0, "twist": 18 * waist}
    figure.head = {"yaw": 30 * swing(phase, 1.0, peak=0.05), "nod": 5.0, "follow": 0.0}
    for side, top in (("left", 0.94), ("right", 0.44)):
        # Rising on the inner side, passing the face outwards, sinking on the outer side, passing the belly inwards.
        height = swing(phase, 1.0, peak=top - 0.04)
        across = swing(phase, 1.0, peak=top + 0.16)
        face = (height + 1) / 2
        figure.reach(
            side,
            at=(0.12 + 0.15 * across, -0.17 + 0.17 * height, 0.29 + 0.03 * height),
            elbow=(0.75, -0.75, -0.1),
            palm=(-0.35 * face - 0.1, -0.9 + 0.75 * face, -1.0 * face + 0.25),
            fingers=(-0.75 + 0.3 * face, 0.1 + 0.75 * face, 0.6 - 0.35 * face),
        )
        figure.hand(side, "relaxed", "flat", 0.55)
    return solve(figure)


def _swivel(figure: Figure, side: str, yaw: Tensor, closer: float) -> None:
    """Turn a foot about its ball, where it touches the floor."""
    ankle, ball = (figure.rest[J[f"{side}_{name}"]] for name in ("ankle", "foot"))
    sign = 1.0 if side == "left" else -1.0
    out, ahead = ((ball - ankle) / figure.leg_scale)[[0, 2]].tolist()
    out = out * sign
    turn = torch.deg2rad(yaw)
    figure.foot(
        side,
        yaw=yaw,
        x=out - (out * turn.cos() + ahead * turn.sin()) - closer,
        z=ahead - (-out * turn.sin() + ahead * turn.cos()),
    )
