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
