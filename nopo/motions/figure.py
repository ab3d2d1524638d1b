"""A figure to pose over time: say where feet, pelvis, chest, head and hands go; it solves the 55 joint rotations.

Everything is a curve over one loop: a number that holds all along, or a tensor [T]. Angles are in degrees, lengths in
metres on a person whose legs are as long as the open body's (they are scaled to the figure's own). Feet are placed in
the world and the legs follow by inverse kinematics, so a planted foot does not slide by construction.

Axes: +y up, the figure faces +z, left is +x. `left` and `right` sides take the same numbers for mirrored movements.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nopo.body.kinematics import rotation_between
from nopo.body.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS
from nopo.motion import Motion
from nopo.motions.contact import HEEL_BEHIND_ANKLE_M, leg_scale
from nopo.motions.curves import soften, swing
from nopo.motions.hands import left_hand, mirrored
from nopo.motions.limbs import longest_reach, reach
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

Curve = float | Tensor

ARM_M = 0.495  # shoulder to wrist of the open body: the size that the clips were written for
J = {name: index for index, name in enumerate(JOINT_NAMES)}


@dataclass
class Foot:
    """Where a foot is; x, z of the sole relative to where it stands in the T-pose, both feet in world axes."""

    x: Curve = 0.0
    z: Curve = 0.0
    lift: Curve = 0.0
    yaw: Curve = 0.0
    pitch: Curve = 0.0  # above 0 the heel is up and the ball stays; below 0 the toes are up and the heel stays
    roll: Curve = 0.0
    knee_out: Curve = 0.0
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
    reach: _Reach | None = None


@dataclass
class _Reach:
    at: tuple[Curve, Curve, Curve]  # outwards, up, forward: from the origin of the frame to the wrist
    frame: str
    elbow: tuple[Curve, Curve, Curve]  # direction, outwards, up, forward
    palm: tuple[Curve, Curve, Curve] | None
    fingers: tuple[Curve, Curve, Curve]


@dataclass
class Figure:
    """The state of every part; set the attributes or call the methods, then `motion()`."""

    seconds: float
    rest_joints: Tensor  # [55, 3] m
    fps: float = 30.0
    pelvis: dict[str, Curve] = field(default_factory=dict)  # x, y, z m; yaw, pitch, roll deg
    spine: dict[str, Curve] = field(default_factory=dict)  # bend forward, twist to the left, lean to the left
    head: dict[str, Curve] = field(default_factory=dict)  # yaw left, nod down, tilt left; follow 0..1 the chest
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
        self.arm_scale = float(self._offset("left_elbow").norm() + self._offset("left_wrist").norm()) / ARM_M

    # ------------------------------------------------------------------ what a clip says

    def foot(self, side: str, **curves: Curve) -> None:
        """Place a foot; see `Foot` for the words."""
        for name, value in curves.items():
            setattr(self.feet[side], name, value)

    def arm(self, side: str, **curves: Curve) -> None:
        """Hold an arm by angles; see `Arm` for the words."""
        for name, value in curves.items():
            setattr(self.arms[side], name, value)

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
        """
        self.arms[side].reach = _Reach(at, frame, elbow, palm, fingers)

    def hand(self, side: str, shape: str, other: str | None = None, blend: Curve = 0.0) -> None:
        """Shape a hand; with `other`, `blend` 0..1 goes from the first shape to the second."""
        curls = left_hand(shape).expand(len(self.phase), 15, 3)
        if other is not None:
            curls = curls + (left_hand(other) - curls) * self._curve(blend)[:, None, None]
        self.hands[side] = curls if side == "left" else mirrored(curls)  # [T, 15, 3]

    def breathe(self, cycles: int, degrees: float = 0.8) -> None:
        """Lift and lower chest and shoulders, on top of what they do."""
        rise = swing(self.phase, degrees, cycles=cycles)
        self.spine["bend"] = self.spine.get("bend", 0.0) - 0.6 * rise
        for arm in self.arms.values():
            arm.shrug = arm.shrug + rise

    # ------------------------------------------------------------------ how it is solved

    def motion(self) -> Motion:
        """Solve all joints: legs by inverse kinematics, arms by angles or by reach, head against the chest."""
        world: dict[int, Tensor] = {}
        heading = self._euler(yaw=self.heading)
        world[0] = heading @ self._euler(*(self.pelvis.get(k, 0.0) for k in ("yaw", "pitch", "roll")))
        self._bend_spine(world)
        self._hold_head(world, heading)

        where = torch.stack([self._curve(self.pelvis.get(k, 0.0)) for k in ("x", "y", "z")], -1) * self.leg_scale
        ankles = {side: self._place_foot(side) for side in ("left", "right")}
        where = self._keep_legs_in_reach(where, world[0], {s: position for s, (position, _) in ankles.items()})
        for side, (position, turn) in ankles.items():
            self._solve_leg(world, side, where, position, turn, heading)
        positions = self._positions(world, where)
        for side in ("left", "right"):
            self._solve_arm(world, side, positions)

        local = []
        for joint in range(NUM_JOINTS):
            own, parent = _given(world, joint), _given(world, PARENTS[joint]) if joint else None
            local.append(own if parent is None else parent.transpose(-1, -2) @ own)
        rotations = matrix_to_axis_angle(torch.stack(local, 1))  # [T, 55, 3]
        rotations[:, J["left_index1"] : J["left_index1"] + 15] = self.hands["left"]
        rotations[:, J["right_index1"] : J["right_index1"] + 15] = self.hands["right"]
        return Motion(rotations.float(), where.float(), self.fps, loop=True)

    def _bend_spine(self, world: dict[int, Tensor]) -> None:
        bend, twist, lean = (self.spine.get(k, 0.0) for k in ("bend", "twist", "lean"))
        for joint, share in (("spine1", 0.38), ("spine2", 0.34), ("spine3", 0.28)):
            step = self._euler(twist * share, bend * share, -lean * share)
            world[J[joint]] = _given(world, PARENTS[J[joint]]) @ step

    def _hold_head(self, world: dict[int, Tensor], heading: Tensor) -> None:
        chest = _given(world, J["spine3"])
        back = matrix_to_axis_angle(chest.transpose(-1, -2) @ heading)  # [T, 3]
        steady = axis_angle_to_matrix(back * (1 - self._curve(self.head.get("follow", 0.15)))[:, None])
        own = self._euler(self.head.get("yaw", 0.0), self.head.get("nod", 0.0), -1 * self.head.get("tilt", 0.0))
        turn = matrix_to_axis_angle(steady @ own)
        world[J["neck"]] = chest @ axis_angle_to_matrix(0.45 * turn)
        world[J["head"]] = chest @ axis_angle_to_matrix(turn)

    def _place_foot(self, side: str) -> tuple[Tensor, Tensor]:
        """World position of the ankle [T, 3] and orientation of the foot [T, 3, 3]."""
        foot, sign = self.feet[side], 1.0 if side == "left" else -1.0
        ankle, ball = self.rest[J[f"{side}_ankle"]], self.rest[J[f"{side}_foot"]]
        heel = torch.stack([ankle[0], ball[1], ankle[2] - HEEL_BEHIND_ANKLE_M * self.leg_scale])
        step = torch.stack([self._curve(foot.x), self._curve(foot.lift), self._curve(foot.z)], -1) * self.leg_scale
        yaw = self._euler(yaw=self._curve(foot.yaw) * sign)
        turn = yaw @ self._euler(pitch=foot.pitch, roll=self._curve(foot.roll) * sign)
        pivot = torch.where(self._curve(foot.pitch)[:, None] > 0, ball - ankle, heel - ankle)  # [T, 3]
        lever = (yaw @ pivot[..., None] - turn @ pivot[..., None]).squeeze(-1)
        side_step = torch.stack([step[:, 0] * sign, step[:, 1], step[:, 2]], -1)
        return ankle + side_step + lever, turn

    def _keep_legs_in_reach(self, where: Tensor, pelvis: Tensor, ankles: dict[str, Tensor]) -> Tensor:
        """Lower the pelvis, smoothly, wherever a leg would have to be longer than it is."""
        for _ in range(4):
            excess = torch.zeros(len(where), dtype=where.dtype)
            for side, ankle in ankles.items():
                hip = self.rest[0] + where + pelvis @ self._offset(f"{side}_hip")
                across = ankle - hip
                longest = longest_reach(self._offset(f"{side}_knee"), self._offset(f"{side}_ankle")) * self.max_reach
                level = (across[:, 0] ** 2 + across[:, 2] ** 2).clamp(max=0.98 * longest**2)
                excess = torch.maximum(excess, -across[:, 1] - (longest**2 - level).sqrt())
            if float(excess.max()) <= 1e-4:
                break
            wide = torch.nn.functional.max_pool1d(torch.cat([excess[-2:], excess, excess[:2]])[None], 5, 1)[0]
            drop = torch.maximum(soften(wide, 0.03), excess)
            where = where - drop[:, None] * where.new_tensor([0.0, 1.0, 0.0])
        return where

    def _solve_leg(
        self, world: dict[int, Tensor], side: str, where: Tensor, ankle: Tensor, turn: Tensor, heading: Tensor
    ) -> None:
        foot, sign = self.feet[side], 1.0 if side == "left" else -1.0
        pelvis = _given(world, 0)
        hip = self.rest[0] + where + pelvis @ self._offset(f"{side}_hip")  # [T, 3]
        toward_foot = ankle - hip
        # The knee looks where foot and pelvis look on average, tilted along with the leg so that it never lies on it.
        down = -torch.nn.functional.normalize(toward_foot, dim=-1)
        swing_leg = rotation_between(down.new_tensor([0.0, 1.0, 0.0]).expand_as(down), down)
        look = turn[..., :, 2] * torch.tensor([1.0, 0.0, 1.0], dtype=turn.dtype) + 0.6 * heading[..., :, 2]
        out = self._euler(yaw=self._curve(foot.knee_out) * sign)
        forward = swing_leg @ out @ look[..., None]
        thigh, knee = reach(
            self._offset(f"{side}_knee"),
            self._offset(f"{side}_ankle"),
            hinge=self.rest.new_tensor([1.0, 0.0, 0.0]),
            bulge=self.rest.new_tensor([0.0, 0.0, 1.0]),
            target=toward_foot,
            toward=forward.squeeze(-1),
        )
        world[J[f"{side}_hip"]] = thigh
        world[J[f"{side}_knee"]] = thigh @ knee
        world[J[f"{side}_ankle"]] = turn
        flat = self._curve(foot.toes) * self._curve(foot.pitch).clamp(min=0)
        world[J[f"{side}_foot"]] = turn @ self._euler(pitch=-flat)

    def _solve_arm(self, world: dict[int, Tensor], side: str, positions: Tensor) -> None:
        arm, sign = self.arms[side], 1.0 if side == "left" else -1.0
        chest = _given(world, J["spine3"])
        lower = self._curve(arm.lower)
        if arm.reach is not None:
            lower = -60.0 * _height_of(arm.reach, self)
        # Shoulder blades follow the arm: about a quarter of the lift above level, little below it.
        lift = torch.where(lower < 0, -0.28 * lower, -0.06 * lower) + self._curve(arm.shrug)
        collar = self._mirror(chest, self._euler(roll=lift), side)
        shoulder = positions[:, J[f"{side}_collar"]] + (collar @ self._offset(f"{side}_shoulder"))
        world[J[f"{side}_collar"]] = collar
        if arm.reach is None:
            held = self._euler(pitch=-1 * arm.forward) @ self._euler(yaw=-1 * arm.across) @ self._euler(roll=-lower)
            upper = self._mirror(chest, held @ self._euler(pitch=arm.roll), side)
            bend = self._mirror(upper, self._euler(yaw=-1 * arm.elbow, pitch=0.0), side)
            forearm = self._mirror(bend, self._euler(pitch=self._curve(arm.pronate) * 0.5), side)
            cocked = self._euler(pitch=self._curve(arm.pronate) * 0.5)
            cocked = cocked @ self._euler(yaw=-1 * arm.wrist_side, roll=-1 * arm.wrist)
            hand = self._mirror(forearm, cocked, side)
        else:
            upper, forearm, hand = self._reach_with(arm.reach, side, sign, shoulder, chest, world, positions)
        world[J[f"{side}_shoulder"]], world[J[f"{side}_elbow"]], world[J[f"{side}_wrist"]] = upper, forearm, hand

    def _reach_with(
        self,
        goal: _Reach,
        side: str,
        sign: float,
        shoulder: Tensor,
        chest: Tensor,
        world: dict[int, Tensor],
        positions: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames = {"chest": chest, "head": _given(world, J["head"]), "pelvis": _given(world, 0)}
        if goal.frame == "chest":
            middle = 0.5 * (self.rest[J["left_shoulder"]] + self.rest[J["right_shoulder"]]) - self.rest[J["spine3"]]
            origin = positions[:, J["spine3"]] + chest @ middle
        else:
            origin = positions[:, J[goal.frame]]
        frame = frames[goal.frame]

        def vector(triple: tuple[Curve, Curve, Curve]) -> Tensor:
            outwards, up, forward = (self._curve(c) for c in triple)
            return (frame @ torch.stack([outwards * sign, up, forward], -1)[..., None]).squeeze(-1)  # [T, 3]

        target = origin + vector(goal.at) * self.arm_scale - shoulder
        hinge = self.rest.new_tensor([0.0, -sign, 0.0])
        bulge = self.rest.new_tensor([0.0, 0.0, -1.0])
        toward = vector(goal.elbow)
        upper, bend = reach(self._offset(f"{side}_elbow"), self._offset(f"{side}_wrist"), hinge, bulge, target, toward)
        forearm = upper @ bend
        if goal.palm is None:
            return upper, forearm, forearm
        fingers = torch.nn.functional.normalize(vector(goal.fingers), dim=-1)
        palm = vector(goal.palm)
        palm = torch.nn.functional.normalize(palm - (palm * fingers).sum(-1, keepdim=True) * fingers, dim=-1)
        hand = torch.stack([fingers * sign, -palm, torch.linalg.cross(fingers * sign, -palm)], -1)
        # The part of the wrist's turn about the forearm is shared by elbow and wrist, as bones do and skin likes.
        relative = matrix_to_axis_angle(forearm.transpose(-1, -2) @ hand)
        half = 0.5 * relative * relative.new_tensor([1.0, 0.0, 0.0])
        return upper, forearm @ axis_angle_to_matrix(half), hand

    def _positions(self, world: dict[int, Tensor], where: Tensor) -> Tensor:
        """Joint positions [T, 55, 3]; limbs that are not solved yet go along with the trunk."""
        positions = [self.rest[0] + where]
        for joint in range(1, NUM_JOINTS):
            parent = PARENTS[joint]
            positions.append(positions[parent] + _given(world, parent) @ (self.rest[joint] - self.rest[parent]))
        return torch.stack(positions, 1)

    def _offset(self, joint: str) -> Tensor:
        return self.rest[J[joint]] - self.rest[PARENTS[J[joint]]]

    def _curve(self, value: Curve) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).expand(len(self.phase))

    def _euler(self, yaw: Curve = 0.0, pitch: Curve = 0.0, roll: Curve = 0.0) -> Tensor:
        """Rotations [T, 3, 3] about y, then x, then z of the turned frame; degrees."""
        turn = torch.eye(3, dtype=torch.float64).expand(len(self.phase), 3, 3)
        for axis, value in ((1, yaw), (0, pitch), (2, roll)):
            vector = torch.zeros(len(self.phase), 3, dtype=torch.float64)
            vector[:, axis] = torch.deg2rad(self._curve(value))
            turn = turn @ axis_angle_to_matrix(vector)
        return turn

    @staticmethod
    def _mirror(parent: Tensor, turn: Tensor, side: str) -> Tensor:
        """The left side's turn, for `side`, after its parent."""
        if side == "right":
            flip = turn.new_tensor([-1.0, 1.0, 1.0])
            turn = flip[:, None] * turn * flip
        return parent @ turn


def _given(world: dict[int, Tensor], joint: int) -> Tensor:
    """Orientation of a joint, or of the nearest ancestor that has one: fingers and eyes stay as they are."""
    while joint not in world:
        joint = PARENTS[joint]
    return world[joint]


def _height_of(goal: _Reach, figure: Figure) -> Tensor:
    """How far a reach goes above the shoulders, -1 to 1, for the shoulder blade to follow."""
    up = figure._curve(goal.at[1]) - {"chest": 0.0, "head": -0.2, "pelvis": 0.4}[goal.frame]
    return (up / ARM_M).clamp(-1, 1)
