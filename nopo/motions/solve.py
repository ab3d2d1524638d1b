"""From what a figure is told to do to the rotations of its 55 joints.

The trunk is bent as told, the legs follow the feet by inverse kinematics, the arms are held by angles or reach for a
point, and the head is held against the chest. All orientations are kept in world until the end.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nopo.body.kinematics import rotation_between
from nopo.body.skeleton import NUM_JOINTS, PARENTS
from nopo.motion import Motion
from nopo.motions.contact import HEEL_BEHIND_ANKLE_M
from nopo.motions.figure import Arm, Curve, Figure, Reach
from nopo.motions.legs import SIDES, J, bend_leg, hip_position, lower_into_reach, offset
from nopo.motions.limbs import reach
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

ARM_M = 0.4911  # shoulder to wrist of the open body: the size that the clips were written for
_FRAMES = {"chest": "spine3", "head": "head", "pelvis": "pelvis"}
_SHOULDERS_ABOVE_M = {"chest": 0.0, "head": -0.2, "pelvis": 0.4}  # the origin of each frame


def solve(figure: Figure) -> Motion:
    """The loop that the figure was told: [T, 55, 3] rotations and [T, 3] translations."""
    return _Solver(figure).motion()


class _Solver:
    """Orientations of the joints in world, filled in from the pelvis outwards."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.frames = len(figure.phase)
        self.rest = figure.rest  # [55, 3]
        self.scale = figure.leg_scale
        self.arm_scale = float(offset(self.rest, "left_elbow").norm() + offset(self.rest, "left_wrist").norm()) / ARM_M
        self.world: dict[int, Tensor] = {}  # joint -> [T, 3, 3]

    def motion(self) -> Motion:
        heading = self._euler(yaw=self.figure.heading)
        self._bend_trunk(heading)
        self._hold_head(heading)
        feet = {side: self._place_foot(side) for side in SIDES}
        where = self._place_pelvis({side: ankle for side, (ankle, _) in feet.items()})
        for side, (ankle, turn) in feet.items():
            self._solve_leg(side, where, ankle, turn, heading)
        positions = self._positions(where)
        for side in SIDES:
            self._solve_arm(side, positions)

        local = [self._orientation(0)]
        local += [self._orientation(PARENTS[j]).mT @ self._orientation(j) for j in range(1, NUM_JOINTS)]
        rotations = matrix_to_axis_angle(torch.stack(local, 1))  # [T, 55, 3]
        for side in SIDES:
            first = J[f"{side}_index1"]
            rotations[:, first : first + 15] = self.figure.hands[side]
        return Motion(rotations.float(), where.float(), self.figure.fps, loop=True)

    # ------------------------------------------------------------------ trunk and head

    def _bend_trunk(self, heading: Tensor) -> None:
        pelvis, spine = self.figure.pelvis, self.figure.spine
        self.world[0] = heading @ self._euler(pelvis.get("yaw", 0.0), pelvis.get("pitch", 0.0), pelvis.get("roll", 0.0))
        bend, twist, lean = spine.get("bend", 0.0), spine.get("twist", 0.0), spine.get("lean", 0.0)
        for joint, share in (("spine1", 0.38), ("spine2", 0.34), ("spine3", 0.28)):
            step = self._euler(twist * share, bend * share, -lean * share)
            self.world[J[joint]] = self._orientation(PARENTS[J[joint]]) @ step

    def _hold_head(self, heading: Tensor) -> None:
        """Level and ahead but for what it is told; `follow` lets it go along with the chest."""
        head, chest = self.figure.head, self.world[J["spine3"]]
        back = matrix_to_axis_angle(chest.mT @ heading)  # [T, 3]
        steady = axis_angle_to_matrix(back * (1 - self._curve(head.get("follow", 0.15)))[:, None])
        own = self._euler(head.get("yaw", 0.0), head.get("nod", 0.0), -1 * head.get("tilt", 0.0))
        turn = matrix_to_axis_angle(steady @ own)
        self.world[J["neck"]] = chest @ axis_angle_to_matrix(0.45 * turn)
        self.world[J["head"]] = chest @ axis_angle_to_matrix(turn)

    # ------------------------------------------------------------------ feet and legs

    def _place_foot(self, side: str) -> tuple[Tensor, Tensor]:
        """World position of the ankle [T, 3] and orientation of the foot [T, 3, 3]."""
        foot, sign = self.figure.feet[side], _sign(side)
        ankle, ball = self.rest[J[f"{side}_ankle"]], self.rest[J[f"{side}_foot"]]
        heel = torch.stack([ankle[0], ball[1], ankle[2] - HEEL_BEHIND_ANKLE_M * self.scale])
        step = torch.stack([self._curve(foot.x) * sign, self._curve(foot.lift), self._curve(foot.z)], -1) * self.scale
        yaw = self._euler(yaw=self._curve(foot.yaw) * sign)
        turn = yaw @ self._euler(pitch=foot.pitch)
        pivot = torch.where(self._curve(foot.pitch)[:, None] > 0, ball - ankle, heel - ankle)  # [T, 3]
        return ankle + step + ((yaw - turn) @ pivot[..., None])[..., 0], turn

    def _place_pelvis(self, ankles: dict[str, Tensor]) -> Tensor:
        """Translation [T, 3] of the pelvis: as told, but lower, smoothly, where a leg would have to be longer."""
        pelvis = self.figure.pelvis
        told = (pelvis.get("x", 0.0), pelvis.get("y", 0.0), pelvis.get("z", 0.0))
        where = torch.stack([self._curve(value) for value in told], -1) * self.scale  # [T, 3]
        return lower_into_reach(self.rest, where, self.world[0], ankles, self.figure.max_reach, loop=True)

    def _solve_leg(self, side: str, where: Tensor, ankle: Tensor, turn: Tensor, heading: Tensor) -> None:
        foot, sign = self.figure.feet[side], _sign(side)
        leg = ankle - hip_position(self.rest, side, where, self.world[0])  # [T, 3]
        # The knee looks where foot and body look on average, swung along with the leg so that it never lies on it.
        up = -normalize(leg, dim=-1)
        swung = rotation_between(up.new_tensor([0.0, 1.0, 0.0]).expand_as(up), up)
        ahead = self._euler(yaw=self._curve(foot.yaw) * sign)[..., 2] + 0.6 * heading[..., 2]
        ahead = self._euler(yaw=self._curve(foot.knee_out) * sign) @ ahead[..., None]
        thigh, knee = bend_leg(self.rest, side, leg, toward=(swung @ ahead)[..., 0])
        self.world[J[f"{side}_hip"]] = thigh
        self.world[J[f"{side}_knee"]] = thigh @ knee
        self.world[J[f"{side}_ankle"]] = turn
        toes = self._curve(foot.toes) * self._curve(foot.pitch).clamp(min=0)
        self.world[J[f"{side}_foot"]] = turn @ self._euler(pitch=-toes)

    # ------------------------------------------------------------------ arms

    def _solve_arm(self, side: str, positions: Tensor) -> None:
        arm, chest = self.figure.arms[side], self.world[J["spine3"]]
        goal, lower = arm.reach, self._curve(arm.lower)
        amount = self._curve(0.0 if goal is None else goal.amount)
        if goal is not None:
            height = self._curve(goal.at[1]) - _SHOULDERS_ABOVE_M[goal.frame]
            lower = lower + (-60.0 * (height / ARM_M).clamp(-1, 1) - lower) * amount
        # Shoulder blades follow the arm: about a quarter of the lift above level, little below it.
        lift = torch.where(lower < 0, -0.28 * lower, -0.06 * lower) + self._curve(arm.shrug)
        collar = self._mirrored(chest, self._euler(roll=lift), side)
        chain = self._hold_by_angles(arm, side, chest)
        if goal is not None:
            shoulder = positions[:, J[f"{side}_collar"]] + collar @ offset(self.rest, f"{side}_shoulder")
            chain = _blend_chains(chest, chain, self._reach(goal, side, shoulder, positions), amount)
        for joint, turn in zip(("collar", "shoulder", "elbow", "wrist"), (collar, *chain), strict=True):
            self.world[J[f"{side}_{joint}"]] = turn

    def _hold_by_angles(self, arm: Arm, side: str, chest: Tensor) -> tuple[Tensor, ...]:
        """World orientations of upper arm, forearm and hand."""
        held = self._euler(pitch=-1 * arm.forward) @ self._euler(yaw=-1 * arm.across) @ self._euler(roll=-1 * arm.lower)
        upper = self._mirrored(chest, held @ self._euler(pitch=arm.roll), side)
        half_turn = self._euler(pitch=0.5 * arm.pronate)  # shared by elbow and wrist, as in a real forearm
        forearm = self._mirrored(upper, self._euler(yaw=-1 * arm.elbow) @ half_turn, side)
        cocked = self._euler(yaw=-1 * arm.wrist_side, roll=-1 * arm.wrist)
        return upper, forearm, self._mirrored(forearm, half_turn @ cocked, side)

    def _reach(self, goal: Reach, side: str, shoulder: Tensor, positions: Tensor) -> tuple[Tensor, ...]:
        """World orientations of upper arm, forearm and hand."""
        sign, joint = _sign(side), J[_FRAMES[goal.frame]]
        frame, origin = self.world[joint], positions[:, joint]
        if goal.frame == "chest":
            middle = 0.5 * (self.rest[J["left_shoulder"]] + self.rest[J["right_shoulder"]]) - self.rest[joint]
            origin = origin + frame @ middle

        def vector(triple: tuple[Curve, Curve, Curve]) -> Tensor:
            outwards, up, forward = (self._curve(c) for c in triple)
            return (frame @ torch.stack([outwards * sign, up, forward], -1)[..., None])[..., 0]  # [T, 3]

        upper, bend = reach(
            offset(self.rest, f"{side}_elbow"),
            offset(self.rest, f"{side}_wrist"),
            hinge=self.rest.new_tensor([0.0, -sign, 0.0]),
            bulge=self.rest.new_tensor([0.0, 0.0, -1.0]),
            target=origin + vector(goal.at) * self.arm_scale - shoulder,
            toward=vector(goal.elbow),
        )
        forearm = upper @ bend
        if goal.palm is None:
            return upper, forearm, forearm
        fingers, palm = normalize(vector(goal.fingers), dim=-1), vector(goal.palm)
        palm = normalize(palm - (palm * fingers).sum(-1, keepdim=True) * fingers, dim=-1)
        hand = torch.stack([fingers * sign, -palm, torch.linalg.cross(fingers * sign, -palm)], -1)
        # The part of the wrist's turn about the forearm is shared by elbow and wrist, as bones do and skin likes.
        relative = matrix_to_axis_angle(forearm.mT @ hand)
        half = 0.5 * relative * relative.new_tensor([1.0, 0.0, 0.0])
        return upper, forearm @ axis_angle_to_matrix(half), hand

    # ------------------------------------------------------------------ small words

    def _orientation(self, joint: int) -> Tensor:
        """Of the joint, or of the nearest ancestor that has one: fingers and eyes go along."""
        while joint not in self.world:
            joint = PARENTS[joint]
        return self.world[joint]

    def _positions(self, where: Tensor) -> Tensor:
        """Joint positions [T, 55, 3]; limbs that are not solved yet go along with the trunk."""
        positions = [self.rest[0] + where]
        for joint in range(1, NUM_JOINTS):
            parent = PARENTS[joint]
            positions.append(positions[parent] + self._orientation(parent) @ (self.rest[joint] - self.rest[parent]))
        return torch.stack(positions, 1)

    def _curve(self, value: Curve) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).expand(self.frames)

    def _euler(self, yaw: Curve = 0.0, pitch: Curve = 0.0, roll: Curve = 0.0) -> Tensor:
        """Rotations [T, 3, 3] about y, then x, then z of the turned frame; degrees."""
        turn = torch.eye(3, dtype=torch.float64).expand(self.frames, 3, 3)
        for axis, value in ((1, yaw), (0, pitch), (2, roll)):
            vector = torch.zeros(self.frames, 3, dtype=torch.float64)
            vector[:, axis] = torch.deg2rad(self._curve(value))
            turn = turn @ axis_angle_to_matrix(vector)
        return turn

    def _mirrored(self, parent: Tensor, turn: Tensor, side: str) -> Tensor:
        """The left side's `turn`, for `side`, after the parent."""
        flip = turn.new_tensor([_sign(side), 1.0, 1.0])
        return parent @ (flip[:, None] * turn * flip)


def _sign(side: str) -> float:
    return 1.0 if side == "left" else -1.0


def _blend_chains(
    root: Tensor, start: tuple[Tensor, ...], end: tuple[Tensor, ...], amount: Tensor
) -> tuple[Tensor, ...]:
    """From one chain of world orientations to another, joint by joint relative to the parent."""
    chain = [root]
    above_start, above_end = root, root
    for a, b in zip(start, end, strict=True):
        own_start, own_end = above_start.mT @ a, above_end.mT @ b
        way = matrix_to_axis_angle(own_start.mT @ own_end)
        chain.append(chain[-1] @ own_start @ axis_angle_to_matrix(amount[:, None] * way))
        above_start, above_end = a, b
    return tuple(chain[1:])
