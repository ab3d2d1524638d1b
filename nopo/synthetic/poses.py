"""Poses of people in photos: stand, walk, sit, arms crossed, hands in pockets, a phone, free; within joint limits.

All angles are written for the left side and mirrored to the right. In the T-pose the left arm lies along +x, so
lowering it turns about -z, bending the elbow turns about -y, and turning the arm inwards turns about +x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nopo.body.skeleton import JOINT_NAMES, NUM_JOINTS
from nopo.motion import Pose
from nopo.synthetic.dice import Dice

JOINT = {name: index for index, name in enumerate(JOINT_NAMES)}
KINDS = (
    "stand", "contrapposto", "walk", "a_pose", "t_pose", "hips", "crossed", "wave", "arms_up",
    "hands_front", "pockets", "point", "sit", "squat", "free", "clasped", "behind", "phone",
)  # fmt: skip
_WEIGHTS = (19, 11, 17, 5, 3, 6, 8, 3, 4, 5, 10, 3, 3, 1, 9, 4, 3, 5)
BENT = ("crossed", "crossed", "crossed", "clasped", "hands_front", "hips", "behind", "phone", "point", "sit")
"""Kinds whose arms are harder to read than those of most photos, the hardest more than once."""

_ONE_ARMED = ("wave", "point", "phone")
_FINGERS = ("index", "middle", "pinky", "ring")

Quaternion = tuple[float, float, float, float]

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

Angle = Callable[[Dice], float]
"""Draws degrees."""


def _about(mean: float, sigma: float) -> Angle:
    return lambda dice: dice.normal(sigma, mean)


def _bent(mean: float, sigma: float) -> Angle:
    """Never the other way."""
    return lambda dice: abs(dice.normal(sigma, mean))


def _within(low: float, high: float) -> Angle:
    return lambda dice: dice.uniform(low, high)


_ARM: dict[str, Angle] = {
    "down": _about(74, 5), "forward": _about(2, 6), "inward": _about(10, 12), "elbow": _bent(12, 9)
}  # fmt: skip
"""An arm that hangs: lowered from the T-pose, swung forwards, turned inwards about itself, bent."""

_ARMS: dict[str, dict[str, Angle]] = {
    "walk": {"forward": _about(0, 4), "elbow": _bent(22, 12)},
    "a_pose": {"down": _within(30, 62), "elbow": _bent(0, 8)},
    "t_pose": {"down": _about(0, 7), "forward": _about(0, 5), "elbow": _bent(0, 5), "inward": _about(0, 10)},
    "hips": {"down": _about(50, 5), "forward": _about(-8, 5), "inward": _about(78, 6), "elbow": _about(98, 7)},
    "crossed": {"down": _about(72, 3), "forward": _about(20, 4), "inward": _about(72, 5), "elbow": _about(105, 6)},
    "crossed over": {"down": _about(72, 3), "forward": _about(28, 4), "inward": _about(62, 5), "elbow": _about(105, 6)},
    "wave": {"down": _within(-25, 25), "forward": _within(0, 20), "inward": _about(-80, 12), "elbow": _within(55, 110)},
    "arms_up": {"down": _within(-75, -15), "forward": _about(0, 10), "inward": _about(-50, 25),
                "elbow": _within(0, 75)},
    "hands_front": {"down": _about(70, 5), "forward": _within(5, 35), "inward": _within(25, 65),
                    "elbow": _within(45, 110)},
    "pockets": {"down": _about(62, 4), "forward": _about(-20, 5), "inward": _about(34, 8), "elbow": _about(66, 8)},
    "clasped": {"down": _about(74, 3), "forward": _about(18, 4), "inward": _about(62, 5), "elbow": _about(58, 8)},
    "behind": {"down": _about(69, 3), "forward": _about(-33, 4), "inward": _about(80, 6), "elbow": _about(63, 7)},
    "phone": {"down": _about(70, 4), "forward": _about(10, 6), "inward": _about(28, 10), "elbow": _about(108, 12)},
    "point": {"down": _within(-15, 35), "forward": _within(20, 80), "elbow": _within(0, 25)},
    "sit": {"down": _about(68, 5), "forward": _within(10, 35), "inward": _about(25, 12), "elbow": _within(35, 75)},
    "squat": {"forward": _within(10, 75), "elbow": _within(5, 60)},
    "free": {"down": _about(48, 28), "forward": _about(8, 28), "inward": _about(5, 30), "elbow": _within(0, 120)},
}  # fmt: skip
"""What other arms do otherwise, by the kind of pose; of crossed arms one lies over the other."""


def _degrees(*triples: tuple[tuple[float, float], ...]) -> list[list[float]]:
    return [[math.radians(v) for pair in triple for v in pair] for triple in triples]


_FREE_BOX = ((-175, 175), (-175, 175), (-175, 175))
_LEFT_LIMITS: dict[str, tuple[tuple[float, float], ...]] = {
    "pelvis": ((-60, 60), (-180, 180), (-30, 30)),
    "left_hip": ((-125, 35), (-50, 50), (-30, 60)),
    "spine1": ((-20, 40), (-25, 25), (-20, 20)),
    "left_knee": ((-3, 150), (-12, 12), (-6, 6)),
    "spine2": ((-20, 40), (-25, 25), (-20, 20)),
    "left_ankle": ((-30, 45), (-25, 25), (-20, 20)),
    "spine3": ((-20, 30), (-25, 25), (-20, 20)),
    "left_foot": ((-45, 20), (-8, 8), (-8, 8)),
    "neck": ((-35, 40), (-45, 45), (-25, 25)),
    "left_collar": ((-10, 10), (-25, 15), (-15, 30)),
    "head": ((-35, 40), (-45, 45), (-25, 25)),
    "left_shoulder": _FREE_BOX,
    "left_elbow": ((-60, 60), (-150, 3), (-60, 60)),
    "left_wrist": ((-60, 60), (-35, 35), (-65, 65)),
    "jaw": ((-3, 20), (-5, 5), (-3, 3)),
    "left_eye": ((-20, 20), (-25, 25), (-3, 3)),
}
_FINGER_LIMIT = ((-25, 25), (-35, 35), (-95, 20))


def _limits() -> Tensor:
    rows = []
    for name in JOINT_NAMES:
        left = name.replace("right_", "left_")
        box = _LEFT_LIMITS.get(left, _FINGER_LIMIT)
        if name.startswith("right_"):
            box = (box[0], *((-high, -low) for low, high in box[1:]))
        rows.append(_degrees(box)[0])
    return torch.tensor(rows).view(NUM_JOINTS, 3, 2)


JOINT_LIMITS = _limits()
"""[55, 3, 2] lowest and highest value of each axis-angle component, radians."""


@dataclass
class _Draft:
    """A pose in the making: joint -> rotations about axes, applied to the bone from the last to the first."""

    turns: dict[int, list[tuple[tuple[float, float, float], float]]] = field(default_factory=dict)

    def turn(self, joint: str, *about: tuple[tuple[float, float, float], float]) -> None:
        """Set a joint to a product of rotations (axis, degrees)."""
        self.turns[JOINT[joint]] = list(about)

    def side(self, left: bool, joint: str, *about: tuple[tuple[float, float, float], float]) -> None:
        """Set a joint of one side, with angles given for the left: mirroring flips the y and z axes."""
        if left:
            self.turn("left_" + joint, *about)
        else:
            self.turn("right_" + joint, *(((x, -y, -z), angle) for (x, y, z), angle in about))


def sample_pose(dice: Dice, kind: str | None = None) -> Pose:
    """One pose.

    Args:
        dice: source of all choices.
        kind: one of KINDS; default drawn with the weights of everyday photos.

    Returns:
        Rotations (55, 3) within JOINT_LIMITS, transl zero. The global orientation only leans a little: the
        camera goes round the person, not the person round the camera.
    """
    kind = kind or dice.choose(KINDS, _WEIGHTS)
    draft = _Draft()
    _trunk(draft, dice, kind)
    phase = dice.uniform(0, 2 * math.pi)
    stride = dice.uniform(10, 30)
    other = dice.choose(("stand", "pockets", "hips", "free", "hands_front"), (4, 3, 1, 1, 1))
    one_armed = kind in _ONE_ARMED or (kind in ("pockets", "hips") and dice.chance(0.4))
    raised = dice.chance(0.5)
    for left in (True, False):
        swing = math.sin(phase if left else phase + math.pi)
        lift = math.cos(phase if left else phase + math.pi)
        _leg(draft, dice, left, kind, swing, lift, stride)
        arm = kind
        if one_armed and left != raised:
            arm = other
        _arm(draft, dice, left, arm, swing, stride, over=left == raised)
        _hand(draft, dice, left, kind, rests=arm != kind)
    draft.turn("jaw", (_X, max(0.0, dice.normal(3))))
    return Pose(clamp_to_limits(_rotations(draft)), torch.zeros(3))


def clamp_to_limits(rotations: Tensor) -> Tensor:
    """Axis-angle rotations [..., 55, 3] with every component brought into JOINT_LIMITS."""
    return torch.minimum(torch.maximum(rotations, JOINT_LIMITS[..., 0]), JOINT_LIMITS[..., 1])


def _rotations(draft: _Draft) -> Tensor:
    """The products of all drafted rotations as axis-angle [55, 3]."""
    rows = [[0.0, 0.0, 0.0]] * NUM_JOINTS
    for joint, about in draft.turns.items():
        total = (1.0, 0.0, 0.0, 0.0)  # quaternion, wxyz
        for (x, y, z), angle in about:
            half = math.radians(angle) / 2
            sine = math.sin(half)
            total = _product(total, (math.cos(half), sine * x, sine * y, sine * z))
        w, *axis = total if total[0] >= 0 else tuple(-v for v in total)
        sine = math.sqrt(sum(v * v for v in axis))
        length = 2 * math.atan2(sine, w) / sine if sine > 1e-12 else 2.0
        rows[joint] = [length * v for v in axis]
    return torch.tensor(rows)


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def _trunk(draft: _Draft, dice: Dice, kind: str) -> None:
    lean = dice.normal(2.5, 2.0)
    twist, tilt = dice.normal(4), dice.normal(2)
    if kind == "free" and dice.chance(0.35):
        lean, twist, tilt = dice.normal(9, 8), dice.normal(10), dice.normal(5)
    if kind == "contrapposto":
        tilt = dice.choose((-1, 1)) * dice.uniform(2, 5)
        draft.turn("pelvis", (_Z, -2 * tilt), (_Y, dice.normal(4)))
    else:
        pitch = dice.uniform(5, 25) if kind == "squat" else dice.normal(2.5)
        draft.turn("pelvis", (_X, pitch), (_Z, dice.normal(2)), (_Y, dice.normal(4)))
    for joint in ("spine1", "spine2", "spine3"):
        draft.turn(joint, (_Y, twist), (_Z, tilt), (_X, lean))
    gaze, nod = dice.normal(15), dice.normal(7) - 1.8 * max(-8.0, min(8.0, lean))  # the head stays level
    draft.turn("neck", (_Y, gaze * 0.4), (_X, nod * 0.5), (_Z, dice.normal(3)))
    draft.turn("head", (_Y, gaze * 0.6), (_X, nod * 0.5), (_Z, dice.normal(4)))
    look = ((_Y, dice.normal(6)), (_X, dice.normal(3)))
    draft.turn("left_eye", *look)
    draft.turn("right_eye", *look)


def _leg(draft: _Draft, dice: Dice, left: bool, kind: str, swing: float, lift: float, stride: float) -> None:
    flex, knee, spread, turn = dice.normal(3), abs(dice.normal(4)), dice.normal(3, -1), dice.normal(6, 5)
    if kind == "walk":
        flex = stride * swing + dice.normal(3)
        knee = 8 + stride * max(0.0, 1.3 * lift) + abs(dice.normal(3))
    elif kind == "sit":
        flex, knee, spread = dice.normal(7, 85), dice.normal(10, 85), dice.normal(5, 8)
    elif kind == "squat":
        flex = dice.uniform(60, 110)
        knee, spread = flex + dice.normal(8, 12), dice.normal(5, 14)
    elif kind in ("free", "arms_up"):
        flex, knee, spread = dice.normal(18, 8), abs(dice.normal(24)), abs(dice.normal(9, 4))
    elif kind in ("t_pose", "a_pose"):
        spread = dice.uniform(0, 14)
    elif kind == "contrapposto" and dice.chance(0.5):
        flex, knee = dice.uniform(4, 20), dice.uniform(8, 30)
    draft.side(left, "hip", (_X, -flex), (_Z, spread), (_Y, turn))
    draft.side(left, "knee", (_X, knee))
    level = 0.0 if kind == "walk" else flex - knee  # keep the sole on the ground
    draft.side(left, "ankle", (_X, max(-30.0, min(35.0, level * 0.8 + dice.normal(4)))), (_Y, dice.normal(4)))
    toes = -max(0.0, -swing) * stride * 0.7 if kind == "walk" else 0.0
    draft.side(left, "foot", (_X, toes))


def _arm(draft: _Draft, dice: Dice, left: bool, kind: str, swing: float, stride: float, over: bool) -> None:
    """Shoulder = forward swing (x), lowering (z), turning the arm about itself (x); then elbow and wrist.

    Of two crossed arms one lies `over` the other.
    """
    angles = {name: draw(dice) for name, draw in _ARM.items()}
    own = _ARMS.get("crossed over" if over and kind == "crossed" else kind, {})
    angles |= {name: draw(dice) for name, draw in own.items()}
    down, forward, inward, elbow = (angles[name] for name in _ARM)
    if kind == "walk":
        forward -= stride * 0.8 * swing
    shrug = max(-14.0, min(25.0, (74 - down) * 0.12 + dice.normal(2)))
    draft.side(left, "collar", (_Z, shrug), (_Y, -0.1 * forward))
    draft.side(left, "shoulder", (_X, -forward), (_Z, -down - shrug), (_X, inward))
    draft.side(left, "elbow", (_Y, -elbow), (_X, dice.normal(14)))
    draft.side(left, "wrist", (_Z, dice.normal(9)), (_Y, dice.normal(8)), (_X, dice.normal(8)))


def _hand(draft: _Draft, dice: Dice, left: bool, kind: str, rests: bool) -> None:
    grip = dice.choose(("relaxed", "fist", "flat"), (6, 2, 2) if kind != "crossed" else (1, 1, 3))
    curl = {"relaxed": dice.uniform(8, 32), "fist": dice.uniform(60, 85), "flat": dice.uniform(-4, 6)}[grip]
    pointing = kind == "point" and dice.chance(0.7) and not rests
    for finger in _FINGERS:
        own = abs(dice.normal(5)) if pointing and finger == "index" else curl + dice.normal(5)
        for phalanx, share in ((1, 0.9), (2, 1.0), (3, 0.7)):
            draft.side(left, f"{finger}{phalanx}", (_Z, -own * share))
    for phalanx in (1, 2, 3):
        draft.side(left, f"thumb{phalanx}", (_Y, -min(30.0, max(-10.0, curl * 0.35 + dice.normal(3)))))
