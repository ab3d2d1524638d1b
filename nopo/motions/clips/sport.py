"""Exercise: squat, jumping jack, boxing, kick, stretch, sit down and stand up."""

from __future__ import annotations

from torch import Tensor

from nopo.motion import Motion
from nopo.motions.curves import bump, ease, keys, progress, soften, swing
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
    crouch = keys(round_, [(0.03, 1.0), (0.18, 0.0), (0.38, 0.1), (0.5, 1.0), (0.67, 0.0), (0.87, 0.1)])
    figure.pelvis = {"y": 0.004 - 0.055 * crouch + 0.14 * flight - 0.035 * apart, "pitch": 2 + 5 * crouch}
    figure.spine = {"bend": 2 + 4 * crouch - 3 * apart}
    arms = keys(round_, [(0.05, 0.0), (0.44, 1.0), (0.53, 1.0), (0.92, 0.0)])
    figure.both("arm", lower=76 - 143 * arms, across=8 * arms, forward=2.0, elbow=16 + 14 * arms, roll=8 - 50 * arms)
    for side in ("left", "right"):
        figure.hand(side, "relaxed", "flat", arms)
    figure.head = {"follow": 0.2, "nod": 1 + 3 * crouch - 3 * arms}
    return solve(figure)


def boxing(rest_joints: Tensor) -> Motion:
    """Left foot forward, guard up: jab, jab, cross."""
    figure = Figure(seconds=3.4, rest_joints=rest_joints)
    phase = figure.phase
    jab = keys(
        phase, [(0.06, 0.0), (0.13, 1.0), (0.15, 1.0), (0.25, 0.0), (0.30, 0.0), (0.37, 1.0), (0.39, 1.0), (0.49, 0.0)]
    )
    cross = keys(phase, [(0.52, 0.0), (0.62, 1.0), (0.645, 1.0), (0.8, 0.0)])
    bounce = swing(phase, 1.0, peak=0.1, cycles=6)
    figure.foot("left", x=-0.03, z=0.2, yaw=-12.0)
    figure.foot("right", x=0.02, z=-0.2, yaw=42.0, pitch=14 + 12 * cross)
    figure.pelvis = {
        "y": -0.085 - 0.008 * bounce - 0.02 * cross,
        "z": 0.035 * jab + 0.07 * cross,
        "yaw": -24 - 4 * jab + 34 * cross,
        "pitch": 5.0,
    }
    figure.spine = {"bend": 11 + 2 * cross, "twist": -6 - 12 * jab + 26 * cross, "lean": 3 * jab - 4 * cross}
    figure.head = {"nod": 7.0, "yaw": -2.0, "tilt": 2 * jab - 3 * cross, "follow": 0.05}
    # Both fists go to the same point ahead, which a chest turned away sees outwards.
    for side, punch, outwards, ahead in (("left", jab, 0.33, 0.2), ("right", cross, 0.16, 0.23)):
        figure.reach(
            side,
            at=(0.085 + outwards * punch, 0.06 + 0.01 * punch + 0.006 * bounce, 0.2 + ahead * punch),
            elbow=(0.35 + 0.5 * punch, -0.9 + 0.3 * punch, -0.1),
            palm=(-1 + 0.95 * punch, -0.15 - 0.85 * punch, -0.35 + 0.35 * punch),
            fingers=(-0.15 + 3 * outwards * punch, 0.8 - 0.8 * punch, 0.5 + 0.5 * punch),
        )
        figure.hand(side, "fist")
    return solve(figure)


def kick(rest_joints: Tensor) -> Motion:
    """A front kick with the right leg, hands in guard."""
    figure = Figure(seconds=2.8, rest_joints=rest_joints, max_reach=0.99)
    phase = figure.phase
    lift = keys(phase, [(0.14, 0.0), (0.32, 0.46), (0.42, 0.74), (0.45, 0.74), (0.55, 0.44), (0.76, 0.0)])
    ahead = keys(phase, [(0.12, -0.16), (0.32, 0.2), (0.42, 0.9), (0.45, 0.9), (0.55, 0.22), (0.76, -0.16)])
    pitch = keys(
        phase,
        [(0.06, 8.0), (0.16, 34.0), (0.3, 14.0), (0.42, -48.0), (0.46, -48.0), (0.56, 12.0), (0.7, 22.0), (0.77, 8.0)],
    )
    up = keys(phase, [(0.1, 0.0), (0.34, 0.75), (0.43, 1.0), (0.47, 1.0), (0.6, 0.6), (0.8, 0.0)])
    figure.foot("left", x=-0.06, z=0.12, yaw=14.0)
    figure.foot("right", x=-0.02 - 0.1 * up, z=ahead, lift=lift, pitch=pitch, yaw=22 - 20 * up, toes=1 - up)
    figure.pelvis = {
        "x": 0.03 + 0.035 * up,
        "y": -0.055 - 0.005 * up,
        "z": -0.01 + 0.05 * up,
        "pitch": 3 - 22 * up,
        "yaw": -8 + 20 * up,
        "roll": -4 * up,
    }
    figure.spine = {"bend": 8 + 8 * up, "twist": -4 - 14 * up, "lean": 5 * up}
    figure.head = {"nod": 5.0, "follow": 0.05}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        figure.reach(
            side,
            at=(0.1 + 0.05 * up, 0.03 - (0.08 - 0.08 * sign) * up, 0.23 - 0.02 * up),
            elbow=(0.45, -0.85, -0.1),
            palm=(-1.0, -0.1, -0.3),
            fingers=(-0.15, 0.85, 0.5),
        )
        figure.hand(side, "fist")
    return solve(figure)


def lunge(rest_joints: Tensor) -> Motion:
    """A long step forward with the right foot, down, and back; hands on the hips."""
    figure = Figure(seconds=3.6, rest_joints=rest_joints)
    phase = figure.phase
    out, back = progress(phase, 0.08, 0.3), progress(phase, 0.68, 0.9)
    gone = ease(out) - ease(back)
    down = keys(phase, [(0.14, 0.0), (0.42, 1.0), (0.54, 1.0), (0.8, 0.0)])
    figure.foot("right", x=-0.05, z=0.68 * gone, lift=0.09 * (bump(out) + bump(back)), yaw=3.0)
    figure.foot(
        "right",
        pitch=keys(
            phase,
            [
                (0.06, 0.0),
                (0.13, 14.0),
                (0.26, -12.0),
                (0.32, 0.0),
                (0.65, 0.0),
                (0.72, -14.0),
                (0.84, 12.0),
                (0.91, 0.0),
            ],
        ),
    )
    figure.foot("left", x=-0.05, yaw=3.0, pitch=62 * keys(phase, [(0.15, 0.0), (0.4, 1.0), (0.56, 1.0), (0.83, 0.0)]))
    figure.pelvis = {
        "x": 0.02 * (bump(out) + bump(back)),
        "y": -0.005 - 0.31 * down,
        "z": 0.02 + 0.33 * soften(gone, 2.2),
    }
    figure.spine = {"bend": 3 + 3 * down}
    figure.head = {"nod": 2.0}
    figure.both("arm", lower=52.0, forward=-18.0, roll=28.0, elbow=86.0, pronate=-10.0, wrist=-18.0, wrist_side=12.0)
    return solve(figure)


def stretch(rest_joints: Tensor) -> Motion:
    """Arms up, a long bend to the left and one to the right."""
    figure = Figure(seconds=6.0, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    up = keys(phase, [(0.03, 0.0), (0.22, 1.0), (0.78, 1.0), (0.97, 0.0)])
    lean = keys(phase, [(0.22, 0.0), (0.36, 1.0), (0.44, 1.0), (0.6, -1.0), (0.68, -1.0), (0.82, 0.0)])
    late = keys(phase, [(0.24, 0.0), (0.39, 1.0), (0.46, 1.0), (0.63, -1.0), (0.7, -1.0), (0.84, 0.0)])
    figure.both("foot", x=0.03, yaw=10.0)
    figure.pelvis = {"x": -0.055 * lean, "y": 0.0, "z": 0.01, "roll": -5.0 * lean}
    figure.spine = {"lean": 27 * lean, "bend": 1 - 5 * up}
    figure.head = {"tilt": 9 * late, "nod": 1 - 6 * up * (1 - lean.abs()), "follow": 0.8}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        over = -sign * late
        figure.arm(side, lower=74 - 142 * up - 9 * over, forward=3.0, across=10 * up, roll=14 - 64 * up)
        figure.arm(side, elbow=18 + 14 * up - 6 * over, shrug=6 * up + 4 * over, wrist=-10 * up)
        figure.hand(side, "relaxed", "flat", 0.6 * up)
    figure.breathe(cycles=2)
    return solve(figure)
