"""What people do where they stand: idle, look around, wave, bow, salute, clap, cheer."""

from __future__ import annotations

from torch import Tensor

from nopo.motion import Motion
from nopo.motions.curves import keys, swing
from nopo.motions.figure import Curve, Figure
from nopo.motions.solve import solve


def stand(figure: Figure, weight: Curve = 0.0, closer: float = 0.06, toes_out: float = 7.0) -> None:
    """Stand at ease: feet below the hips, `weight` from -1 (all on the right leg) to 1 (all on the left one)."""
    figure.both("foot", x=-closer, yaw=toes_out)
    figure.pelvis = {"x": 0.045 * weight, "y": -0.006, "z": 0.01, "roll": 2.6 * weight, "yaw": -1.5 * weight}
    figure.spine = {"bend": 1.0, "lean": 3.0 * weight, "twist": 1.5 * weight}
    figure.both("arm", lower=74.0, forward=3.0, roll=14.0, elbow=18.0)


def idle(rest_joints: Tensor) -> Motion:
    """Standing: breath, weight from one leg to the other, eyes here and there."""
    figure = Figure(seconds=6.0, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    weight = keys(phase, [(0.0, 0.45), (0.35, 0.55), (0.52, -0.45), (0.85, -0.55)])
    stand(figure, weight)
    figure.pelvis["z"] = 0.01 + swing(phase, 0.006, peak=0.3, cycles=2)
    for side, sign, late in (("left", 1.0, 0.4), ("right", -1.0, 0.9)):
        forward = 3.5 + swing(phase, 1.5, peak=late)
        figure.arm(side, forward=forward, elbow=18 + swing(phase, 2.0, peak=late + 0.1), lower=74 - sign * weight)
    figure.head = {
        "yaw": keys(phase, [(0.0, 0.0), (0.12, 6.0), (0.4, 7.0), (0.55, -6.0), (0.8, -5.0), (0.92, 0.0)]),
        "nod": 2 + swing(phase, 1.2, peak=0.45, cycles=2),
        "tilt": -1.5 * weight,
    }
    figure.breathe(cycles=2)
    return solve(figure)


def wave(rest_joints: Tensor) -> Motion:
    """The right hand goes up, waves four times and comes down."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    up = keys(phase, [(0.04, 0.0), (0.24, 1.0), (0.74, 1.0), (0.96, 0.0)])
    stand(figure, weight=0.35 + 0.2 * up)
    waving = keys(phase, [(0.2, 0.0), (0.28, 1.0), (0.7, 1.0), (0.78, 0.0)])
    sway = waving * swing(phase, 1.0, peak=0.25, cycles=8)
    late = waving * swing(phase, 1.0, peak=0.27, cycles=8)
    figure.arm(
        "right",
        lower=74 - 62 * up + 3 * sway,
        across=24 * up,
        forward=3.0 * (1 - up),
        roll=14 - 92 * up + 6 * sway,
        elbow=18 + 77 * up + 19 * sway,
        wrist_side=-10 * late,
        wrist=-6 * up,
        shrug=3 * up,
    )
    figure.hand("right", "relaxed", "spread", up)
    figure.spine["lean"] = figure.spine["lean"] + 2.5 * up + 0.8 * sway
    figure.spine["twist"] = figure.spine["twist"] + 3 * up
    figure.head = {"tilt": -4 * up + 1.2 * late, "yaw": -3 * up, "nod": 1 - 3 * up}
    figure.arm("left", lower=74 - 1.5 * up, elbow=18 + 5 * up)
    figure.breathe(cycles=1)
    return solve(figure)


def look_around(rest_joints: Tensor) -> Motion:
    """Over the left shoulder, over the right one, up, and back."""
    figure = Figure(seconds=6.0, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    aside = keys(phase, [(0.04, 0.0), (0.16, 1.0), (0.3, 1.0), (0.46, -1.0), (0.62, -1.0), (0.74, 0.0)])
    late = keys(phase, [(0.07, 0.0), (0.2, 1.0), (0.33, 1.0), (0.5, -1.0), (0.65, -1.0), (0.78, 0.0)])
    up = keys(phase, [(0.64, 0.0), (0.76, 1.0), (0.86, 1.0), (0.97, 0.0)])
    stand(figure, weight=-0.5 * late)
    figure.pelvis["yaw"] = 5 * late
    figure.spine = {"twist": 14 * late, "lean": -1.5 * late, "bend": 1 - 5 * up}
    figure.head = {"yaw": 46 * aside, "tilt": -3 * aside, "nod": 3 - 24 * up, "follow": 0.6}
    figure.arm("left", forward=3 - 6 * late, elbow=18 + 5 * late)
    figure.arm("right", forward=3 + 6 * late, elbow=18 - 5 * late)
    figure.breathe(cycles=2)
    return solve(figure)


def bow(rest_joints: Tensor) -> Motion:
    """A polite bow from the hips, held for a moment."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    down = keys(phase, [(0.1, 0.0), (0.4, 1.0), (0.55, 1.0), (0.9, 0.0)])
    late = keys(phase, [(0.13, 0.0), (0.44, 1.0), (0.58, 1.0), (0.94, 0.0)])
    stand(figure, closer=0.09, toes_out=9.0)
    figure.pelvis = {"y": -0.006 + 0.02 * down, "z": 0.01 - 0.1 * down, "pitch": 28 * down}
    figure.spine = {"bend": 1 + 24 * down}
    figure.head = {"follow": 0.15 + 0.85 * down, "nod": 1 + 12 * late}
    figure.both("arm", lower=77.0, forward=3 + 16 * down, roll=14.0, elbow=16 + 4 * late)
    for side in ("left", "right"):
        figure.hand(side, "relaxed", "flat", 0.7 * down)
    figure.breathe(cycles=1)
    return solve(figure)


def salute(rest_joints: Tensor) -> Motion:
    """The right hand goes to the brow, stays, and goes down."""
    figure = Figure(seconds=3.6, rest_joints=rest_joints, max_reach=0.998)
    phase = figure.phase
    up = keys(phase, [(0.08, 0.0), (0.28, 1.0), (0.66, 1.0), (0.9, 0.0)])
    stand(figure, closer=0.1, toes_out=12.0)
    figure.spine["bend"] = 1 - 2 * up
    figure.both("arm", lower=77.0, roll=12.0, elbow=14.0)
    figure.reach(
        "right",
        at=(0.215, -0.025, 0.075),
        frame="head",
        elbow=(0.9, -0.45, 0.1),
        palm=(-0.1, -0.75, 0.5),
        fingers=(-0.78, 0.6, 0.12),
        amount=up,
    )
    figure.hand("right", "relaxed", "flat", up)
    figure.hand("left", "relaxed", "flat", 0.6 * up)
    figure.head = {"nod": 1 - 3 * up, "follow": 0.3}
    figure.breathe(cycles=1)
    return solve(figure)


def clap(rest_joints: Tensor) -> Motion:
    """Applause: ten claps before the chest."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints, max_reach=0.998)
    phase, claps = figure.phase, 10
    # Hands come together faster than they part.
    together = keys((phase * claps) % 1, [(0.0, 1.0), (0.12, 0.92), (0.55, 0.0), (0.7, 0.1)])
    weight = swing(phase, 0.5, peak=0.2)
    stand(figure, weight)
    for side, over in (("left", 0.0), ("right", 0.02)):
        figure.reach(
            side,
            at=(0.012 + 0.115 * (1 - together), -0.16 + over + 0.015 * (1 - together), 0.30),
            elbow=(0.75, -0.65, -0.25),
            palm=(-1.0, 0.1 + over * 4, 0.0),
            fingers=(0.18 * (1 - together), 0.62 + over * 4, 0.75),
        )
        figure.hand(side, "flat")
    figure.spine["bend"] = 3 + 0.8 * together
    figure.spine["twist"] = swing(phase, 4.0, peak=0.3)
    figure.head = {"nod": 2 + 1.5 * together, "tilt": swing(phase, 3.0, peak=0.25), "yaw": swing(phase, 6.0, peak=0.4)}
    return solve(figure)


def cheer(rest_joints: Tensor) -> Motion:
    """Both fists in the air, bouncing."""
    figure = Figure(seconds=3.2, rest_joints=rest_joints)
    phase = figure.phase
    up = keys(phase, [(0.02, 0.0), (0.2, 1.0), (0.76, 1.0), (0.97, 0.0)])
    pumping = keys(phase, [(0.16, 0.0), (0.26, 1.0), (0.7, 1.0), (0.8, 0.0)])
    pump = pumping * swing(phase, 1.0, peak=0.24, cycles=5)
    rise = keys(phase, [(0.0, 0.0), (0.08, -0.7), (0.2, 1.0), (0.78, 1.0), (0.9, 0.0)])
    stand(figure, closer=0.03, toes_out=10.0)
    heels = 16 * (rise.clamp(min=0) * (0.55 + 0.45 * pump * pumping))
    figure.both("foot", pitch=heels)
    figure.pelvis = {
        "y": -0.03 + 0.05 * rise.clamp(max=0) + 0.045 * rise.clamp(min=0) + 0.012 * pump,
        "pitch": 3 - 3 * up,
    }
    figure.spine = {"bend": 4 - 9 * up - 2 * pump, "twist": 5 * pumping * swing(phase, 1.0, peak=0.3, cycles=2)}
    figure.head = {"nod": 2 - 11 * up, "follow": 0.3}
    for side, late in (("left", 0.0), ("right", 1.0)):
        own = pump * (1 - 0.15 * late)
        figure.arm(
            side,
            lower=74 - 122 * up - 9 * own,
            across=28 * up,
            roll=14 - 62 * up,
            elbow=18 + 42 * up - 24 * own,
            shrug=4 * own,
        )
        figure.hand(side, "relaxed", "fist", up)
    return solve(figure)
