"""A figure to pose over time: say where feet, pelvis, chest, head and hands go; `solve` finds the joint rotations.

Everything is a curve over one loop: a number that holds all along, or a tensor [T]. Angles are in degrees, lengths in
metres on a person whose legs are as long as the open body's (they are scaled to the figure's own). Feet are placed in
the world and the legs follow by inverse kinematics, so a planted foot does not slide by construction.

Axes: +y up, the figure faces +z, left is +x. `left` and `right` sides take the same numbers for mirrored movements.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypedDict

import torch
from torch import Tensor

from nopo.motions.contact import leg_scale
from nopo.motions.curves import swing
from nopo.motions.hands import left_hand, mirrored

Curve = float | Tensor


class Pelvis(TypedDict, total=False):
    """Metres from the T-pose in world, and degrees relative to the heading; `roll` lifts the left hip."""

    x: Curve
    y: Curve
    z: Curve
    yaw: Curve
    pitch: Curve
    roll: Curve


class Spine(TypedDict, total=False):
    """Degrees, shared by the three joints: forward, to the left about the vertical, sideways to the left."""

    bend: Curve
    twist: Curve
    lean: Curve


class Head(TypedDict, total=False):
    """Degrees from level and ahead: to the left, down, sideways to the left; `follow` 0..1 the chest."""

    yaw: Curve
    nod: Curve
    tilt: Curve
    follow: Curve


@dataclass
class Foot:
    """Where a foot is, relative to where it stands in the T-pose."""

    x: Curve = 0.0  # outwards
    z: Curve = 0.0  # forward
    lift: Curve = 0.0
    yaw: Curve = 0.0  # toes outwards
    pitch: Curve = 0.0  # above 0 the heel is up and the ball stays; below 0 the toes are up and the heel stays
    knee_out: Curve = 0.0  # degrees that the knee points outwards of where the foot does
    toes: Curve = 1.0  # 1: the toes stay flat while the heel is up; 0: they go along with the foot


@dataclass
class Arm:
    """How an arm is held: by angles in the frame of the chest, or by a point for the wrist to reach."""

    lower: Curve = 72.0  # from the T-pose down to the side: 0 level, 90 straight down, -90 straight up
    forward: Curve = 0.0  # swing about the left-right axis: a hanging arm goes to the front
    across: Curve = 0.0  # about the vertical: a level arm goes to the front
    roll: Curve = 8.0  # about the arm itself, inwards
    elbow: Curve = 16.0
    pronate: Curve = 0.0  # forearm about itself, palm backwards on a hanging arm
    wrist: Curve = 0.0  # towards the palm
    wrist_side: Curve = 0.0  # towards the thumb
    shrug: Curve = 0.0  # collar up
    reach: Reach | None = None


@dataclass
class Reach:
    """Where a wrist goes; see `Figure.reach`."""

    at: tuple[Curve, Curve, Curve]  # outwards, up, forward: from the origin of the frame to the wrist
    frame: str
    elbow: tuple[Curve, Curve, Curve]  # direction, outwards, up, forward
    palm: tuple[Curve, Curve, Curve] | None
    fingers: tuple[Curve, Curve, Curve]
    amount: Curve


@dataclass
class Figure:
    """What every part does; set the attributes or call the methods, then `nopo.motions.solve.solve(figure)`."""

    seconds: float
    rest_joints: Tensor  # [55, 3] m
    fps: float = 30.0
    pelvis: Pelvis = field(default_factory=Pelvis)
    spine: Spine = field(default_factory=Spine)
    head: Head = field(default_factory=Head)
    heading: Curve = 0.0  # where the figure faces: pelvis, chest, head and arms turn with it, the feet do not
    max_reach: float = 0.995  # of the leg, beyond which the pelvis is lowered

    def __post_init__(self) -> None:
        frames = round(self.seconds * self.fps)
        self.phase = torch.arange(frames, dtype=torch.float64) / frames  # [T]
        self.rest = self.rest_joints.to(torch.float64)
        self.feet = {"left": Foot(), "right": Foot()}
        self.arms = {"left": Arm(), "right": Arm()}
        self.hands: dict[str, Tensor] = {}
        self.hand("left", "relaxed")
        self.hand("right", "relaxed")
        self.leg_scale = leg_scale(self.rest)

    def foot(self, side: str, **curves: Curve) -> None:
        """Place a foot; see `Foot` for the words."""
        self.feet[side] = replace(self.feet[side], **curves)

    def arm(self, side: str, **curves: Curve) -> None:
        """Hold an arm by angles; see `Arm` for the words."""
        self.arms[side] = replace(self.arms[side], **curves)  # type: ignore[arg-type]

    def both(self, part: str, **curves: Curve) -> None:
        """The same for both sides; `part` is "foot" or "arm"."""
        for side in ("left", "right"):
            getattr(self, part)(side, **curves)

    def reach(
        self,
        side: str,
        at: tuple[Curve, Curve, Curve],
        frame: str = "chest",
        elbow: tuple[Curve, Curve, Curve] = (0.6, -0.7, -0.4),
        palm: tuple[Curve, Curve, Curve] | None = None,
        fingers: tuple[Curve, Curve, Curve] = (0.0, 0.0, 1.0),
        amount: Curve = 1.0,
    ) -> None:
        """Bring a wrist to a point. All triples are (outwards, up, forward) in the frame.

        Args:
            side: "left" or "right".
            at: metres from the middle between the shoulders ("chest"), the head joint ("head") or the pelvis
                ("pelvis"); "outwards" is away from the middle of the body on that side.
            frame: one of these three words.
            elbow: where the elbow points.
            palm: where the palm faces; None leaves the wrist straight.
            fingers: where the fingers point, used with `palm`.
            amount: 0 holds the arm by its angles, 1 reaches, between them it is on its way.
        """
        self.arms[side].reach = Reach(at, frame, elbow, palm, fingers, amount)

    def hand(self, side: str, shape: str, other: str | None = None, blend: Curve = 0.0) -> None:
        """Shape a hand; with `other`, `blend` 0..1 goes from the first shape to the second."""
        curls = left_hand(shape).expand(len(self.phase), 15, 3)
        if other is not None:
            curls = (
                curls
                + (left_hand(other) - curls)
                * torch.as_tensor(blend, dtype=torch.float64).expand(len(self.phase))[:, None, None]
            )
        self.hands[side] = curls if side == "left" else mirrored(curls)  # [T, 15, 3]

    def breathe(self, cycles: int, degrees: float = 0.8) -> None:
        """Lift and lower chest and shoulders, on top of what they do."""
        rise = swing(self.phase, degrees, cycles=cycles)
        self.spine["bend"] = self.spine.get("bend", 0.0) - 0.6 * rise
        for arm in self.arms.values():
            arm.shrug = arm.shrug + rise
