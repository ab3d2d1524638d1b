"""Ways to get along: walk, run, march, side-step, turn. Walk and run are in place, as on a treadmill."""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.motion import Motion
from nopo.motions import CLIPS
from nopo.motions.curves import bump, ease, keys, progress, soften, swing
from nopo.motions.figure import Figure
from nopo.motions.legs import J
from nopo.motions.solve import solve


def walk(rest_joints: Tensor) -> Motion:
    """Two relaxed steps a second."""
    figure = Figure(seconds=2.2, rest_joints=rest_joints)
    cycle = (figure.phase * 2) % 1  # two cycles a loop; the left heel strikes at 0, the right one at 0.5
    stride = CLIPS["walk"].floor_speed * 1.1
    for side, strike in (("left", 0.0), ("right", 0.5)):
        own = (cycle - strike) % 1
        _tread(figure, side, own, stance=0.58, stride=stride, contact=0.30, inwards=-0.085, clearance=0.05)
        roll_off = [(0.34, 0.0), (0.5, 24.0), (0.58, 52.0), (0.66, 60.0), (0.75, 44.0)]
        pitch = keys(own, [(0.0, -20.0), (0.09, 0.0), *roll_off, (0.86, -6.0), (0.95, -20.0)])
        figure.foot(side, pitch=pitch, yaw=4.0, toes=keys(own, [(0.0, 1.0), (0.62, 1.0), (0.75, 0.2), (0.9, 0.6)]))
        # The arm goes with the other leg, a little late at the elbow.
        forward = swing(own, 23.0, peak=0.52) - 3
        figure.arm(side, lower=73 + swing(own, 1.5, peak=0.25, cycles=2), forward=forward, roll=12.0)
        figure.arm(side, elbow=25 + swing(own, 13.0, peak=0.57), wrist=4 + swing(own, 5.0, peak=0.62))
    # Lowest just after each heel strike, over the standing foot in between; the hip of the swinging leg sinks.
    figure.pelvis = {
        "x": swing(cycle, 0.018, peak=0.28),
        "y": -0.016 - swing(cycle, 0.017, peak=0.06, cycles=2),
        "yaw": -swing(cycle, 6.0, peak=0.02),
        "roll": swing(cycle, 3.2, peak=0.17),
        "pitch": 3.0,
    }
    figure.spine = {
        "bend": 1.5 + swing(cycle, 1.0, peak=0.1, cycles=2),
        "twist": swing(cycle, 12.0, peak=0.04),
        "lean": swing(cycle, 3.4, peak=0.17),
    }
    figure.head = {"follow": 0.1, "nod": 1.5 + swing(cycle, 1.0, peak=0.2, cycles=2), "yaw": swing(figure.phase, 2.0)}
    return solve(figure)


def run(rest_joints: Tensor) -> Motion:
    """An easy run: both feet off the floor between the steps."""
    cycles, seconds = 3, 2.2
    figure = Figure(seconds=seconds, rest_joints=rest_joints)
    cycle = (figure.phase * cycles) % 1
    stride = CLIPS["run"].floor_speed * seconds / cycles
    for side, strike in (("left", 0.0), ("right", 0.5)):
        own = (cycle - strike) % 1
        _tread(figure, side, own, stance=0.36, stride=stride, contact=0.18, inwards=-0.105, clearance=0.0)
        # Heel to the buttock while the knee comes forward, then down in front of the body.
        lift = keys(own, [(0.0, 0.0), (0.36, 0.0), (0.58, 0.23), (0.72, 0.2), (0.9, 0.06)])
        pitch = keys(
            own, [(0.0, -7.0), (0.06, 0.0), (0.17, 0.0), (0.36, 48.0), (0.54, 88.0), (0.76, 30.0), (0.93, -8.0)]
        )
        figure.foot(side, lift=lift, pitch=pitch, yaw=3.0, toes=keys(own, [(0.36, 1.0), (0.6, 0.1), (0.9, 0.15)]))
        forward = swing(own, 36.0, peak=0.5) - 10
        figure.arm(side, lower=70.0, forward=forward, roll=22 + swing(own, 8.0, peak=0.5))
        figure.arm(side, elbow=88 + swing(own, 12.0, peak=0.52))
        figure.hand(side, "loose fist")
    figure.pelvis = {
        "x": swing(cycle, 0.012, peak=0.2),
        "y": -0.028 - swing(cycle, 0.03, peak=0.15, cycles=2),
        "yaw": -swing(cycle, 8.0, peak=0.95),
        "roll": swing(cycle, 4.0, peak=0.15),
        "pitch": 6.0,
    }
    figure.spine = {
        "bend": 5 + swing(cycle, 1.5, peak=0.17, cycles=2),
        "twist": swing(cycle, 17.0, peak=0.97),
        "lean": swing(cycle, 4.0, peak=0.15),
    }
    figure.head = {"nod": 2 + swing(cycle, 1.2, peak=0.2, cycles=2)}
    return solve(figure)


def march(rest_joints: Tensor) -> Motion:
    """In place, knees high, arms straight."""
    figure = Figure(seconds=2.2, rest_joints=rest_joints)
    cycle = (figure.phase * 2) % 1
    for side, strike in (("left", 0.0), ("right", 0.5)):
        own = (cycle - strike) % 1
        up = keys(own, [(0.0, 0.0), (0.54, 0.0), (0.75, 1.0), (0.8, 0.97)])
        peel = keys(own, [(0.0, 0.0), (0.48, 0.0), (0.62, 30.0), (0.78, 22.0), (0.88, 13.0)])
        figure.foot(side, x=-0.07, z=0.17 * up, lift=0.31 * up, pitch=peel, yaw=4.0, toes=1 - up)
        figure.arm(side, lower=76.0, forward=swing(own, 32.0, peak=0.3) - 2, roll=8.0)
        figure.arm(side, elbow=16 + swing(own, 9.0, peak=0.32))
        figure.hand(side, "loose fist")
    figure.pelvis = {
        "x": swing(cycle, 0.028, peak=0.27),
        "y": -0.018 - swing(cycle, 0.01, peak=0.04, cycles=2),
        "z": 0.0,
        "yaw": swing(cycle, 3.0, peak=0.27),
        "roll": -swing(cycle, 1.5, peak=0.27),
        "pitch": -2.0,
    }
    figure.spine = {"bend": 1.0, "twist": -swing(cycle, 10.0, peak=0.28), "lean": swing(cycle, 1.5, peak=0.27)}
    figure.head = {"nod": swing(cycle, 1.0, peak=0.1, cycles=2)}
    return solve(figure)


def side_step(rest_joints: Tensor) -> Motion:
    """Two quick steps to the left, two back to the right, knees bent and hands ready."""
    figure = Figure(seconds=4.0, rest_joints=rest_joints)
    phase, width = figure.phase, 0.34
    order = [
        ("left", 1),
        ("right", -1),
        ("left", 1),
        ("right", -1),
        ("right", 1),
        ("left", -1),
        ("right", 1),
        ("left", -1),
    ]
    x = {"left": torch.full_like(phase, -width), "right": torch.full_like(phase, width)}  # the middle of the way is 0
    lift = {"left": torch.zeros_like(phase), "right": torch.zeros_like(phase)}
    for k, (side, outwards) in enumerate(order):
        u = progress(phase, k / 8 + 0.005, (k + 1) / 8 - 0.005)
        x[side] = x[side] + outwards * width * ease(u)
        lift[side] = lift[side] + 0.05 * bump(u)
    for side in ("left", "right"):
        figure.foot(side, x=x[side] - 0.015, lift=lift[side], pitch=190 * lift[side], yaw=6.0)
    way = soften(x["left"] - x["right"], 4.2) / 2  # between the feet: from -width to width
    bounce = swing(phase, 1.0, peak=0.03, cycles=8)
    going = keys(phase, [(0.05, 1.0), (0.42, 1.0), (0.55, -1.0), (0.92, -1.0)])
    figure.pelvis = {"x": way, "y": -0.105 - 0.012 * bounce, "z": -0.05, "pitch": 17.0, "roll": -2.0 * going}
    figure.spine = {"bend": 14.0, "lean": 3.0 * going, "twist": 3.0 * going}
    figure.head = {"nod": -2.0, "yaw": 14.0 * going, "follow": 0.1}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ready = 3 * bounce + 4 * sign * going
        figure.arm(side, lower=64.0, forward=22 + ready, roll=18.0, elbow=72 + ready, pronate=20.0)
    return solve(figure)


def turn(rest_joints: Tensor) -> Motion:
    """Once around to the left on the spot, in eight small steps."""
    figure = Figure(seconds=5.2, rest_joints=rest_joints)
    phase = figure.phase
    figure.heading = 360 * phase - 20 + swing(phase, 5.0, peak=0.09, cycles=4)
    for side, first, ahead in (("left", 0.02, 58.0), ("right", 0.125, 84.0)):
        steps = [progress(phase, first + k / 4, first + k / 4 + 0.12) for k in range(4)]
        facing = ahead - 90 + 90 * torch.stack([ease(u) for u in steps]).sum(0)
        _stand_around(figure, side, facing, inwards=0.035)
        figure.foot(side, lift=0.055 * sum(bump(u) for u in steps), pitch=sum(_rolling(u, 26.0) for u in steps))
        figure.arm(side, lower=70.0, forward=4 + swing(phase, 7.0, peak=first + 0.17, cycles=4), roll=12.0, elbow=22.0)
    beat = swing(phase, 1.0, peak=0.08, cycles=4)  # weight on the right foot while the left one steps
    aside = -0.035 * beat
    where = torch.deg2rad(360 * phase - 20)
    figure.pelvis = {
        "x": aside * torch.cos(where),
        "z": -aside * torch.sin(where),
        "y": -0.036 + swing(phase, 0.008, peak=0.02, cycles=8),
        "roll": -2.0 * beat,
        "yaw": swing(phase, 4.0, peak=0.16, cycles=4),
    }
    figure.spine = {"bend": 3.0, "twist": 6.0 + swing(phase, 3.0, peak=0.05, cycles=4), "lean": -1.5 * beat}
    figure.head = {"yaw": 14.0 + swing(phase, 4.0, peak=0.02, cycles=4), "nod": 4.0, "follow": 0.3}
    return solve(figure)


def _stand_around(figure: Figure, side: str, facing: Tensor, inwards: float) -> None:
    """Put a foot where it stands in the T-pose, a little inwards, turned with the body by `facing` degrees."""
    sign = 1.0 if side == "left" else -1.0
    ankle = figure.rest[J[f"{side}_ankle"]] / figure.leg_scale
    radians = torch.deg2rad(facing)
    x, z = ankle[0] - sign * inwards, ankle[2]
    around_x = x * torch.cos(radians) + z * torch.sin(radians)
    around_z = -x * torch.sin(radians) + z * torch.cos(radians)
    figure.foot(side, x=(around_x - ankle[0]) * sign, z=around_z - ankle[2], yaw=facing * sign + 6)


def _rolling(u: Tensor, heel_up: float) -> Tensor:
    """Pitch of a foot through a step: heel first up, toes last down, flat at both ends."""
    return keys(u * 0.999, [(0.0, 0.0), (0.22, heel_up), (0.75, -6.0), (0.999, 0.0)])


def _tread(
    figure: Figure,
    side: str,
    own: Tensor,
    stance: float,
    stride: float,
    contact: float,
    inwards: float,
    clearance: float,
) -> None:
    """One foot of a gait in place: back with the floor during `stance`, forward through the air after it.

    Args:
        figure: whose foot.
        side: "left" or "right".
        own: [T] phase of this foot, 0 at its strike.
        stance: fraction of the cycle on the floor.
        stride: metres that the floor passes in a cycle.
        contact: where the foot strikes, metres in front of its place in the T-pose.
        inwards: sideways from its place in the T-pose.
        clearance: height of the ankle's path in the air.
    """
    leave = contact - stride * stance
    u = ((own - stance) / (1 - stance)).clamp(0, 1)
    # Quintic whose speeds at both ends are that of the floor, so that neither end of the step jerks.
    air = 1 - stance
    back = stride * air
    glide = leave - back * u + (contact - leave + back) * ease(u)
    z = torch.where(own < stance, contact - stride * own, glide)
    lift = clearance * bump(u**0.75)  # early, so that the knee bends on at toe-off
    figure.foot(side, x=inwards, z=z, lift=lift)
