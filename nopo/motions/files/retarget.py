"""Carry the motion of a foreign skeleton over to the 55 joints.

World orientations are copied, corrected for the difference of the rest poses: where our T-pose points a limb one way
and theirs (arms down, A-pose, facing elsewhere, another axis up) points it another, a constant turn `align` takes ours
to theirs, so that `ours(t) = theirs(t) @ align`. For the trunk it is the turn between the two bodies as a whole, for
limbs the smallest further turn that lays bone on bone. Offsets, and with them the units, matter only by direction and
by the ratio of the lengths of the legs.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nopo.body.kinematics import rotation_between
from nopo.body.open import load_open_body
from nopo.body.skeleton import JOINT_NAMES, PARENTS
from nopo.errors import MotionError
from nopo.motions.files.bones import recognise
from nopo.motions.files.bvh import Tree
from nopo.motions.files.parts import Recording
from nopo.motions.hands import left_hand, mirrored
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle, matrix_to_quaternion, quaternion_to_matrix

_NEEDED = (
    "pelvis",
    "head",
    *(f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle", "shoulder", "elbow")),
)
# The joint whose direction from the first one is the direction of that limb.
_LIMBS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "wrist": "middle1"}
_FLAT_FOOT = 0.85  # cosine: feet whose rest directions differ by less (30 degrees) stand flat in both
_UPRIGHT = 0.85  # cosine of the lean of a rest pose that still is meant to stand straight
J = {name: index for index, name in enumerate(JOINT_NAMES)}


def retarget(tree: Tree, values: Tensor, fps: float, name: str) -> Recording:
    """Rotations of the 55 joints that move our body as the frames move theirs.

    Args:
        tree: the foreign skeleton.
        values: [T, C] its channels.
        fps: frames a second.
        name: of the file, for messages.

    Raises:
        MotionError: it is not the skeleton of a person, or its bones have no length.
    """
    found = recognise(tree.names)
    missing = [joint for joint in _NEEDED if joint not in found]
    if missing:
        raise MotionError(
            f"{name} has an unknown skeleton: no bone named like {missing[0].replace('_', ' ')} "
            f"among {', '.join(tree.names[:6])} ...; rename its bones as Mixamo or CMU do."
        )
    theirs, ours = tree.rest_positions(), load_open_body().rest_joints().to(torch.float64)
    leg = _leg_length(theirs, found)
    if not leg > 0:
        raise MotionError(f"{name} has bones without length: export it again with its rest pose.")
    turns, places = tree.pose(values)  # [T, J', 3, 3], [T, J', 3]

    align = _alignments(theirs, ours, found)
    world = _trunk(tree, turns, theirs, ours, found, align["pelvis"])
    for joint, turn in align.items():
        if joint in found and joint not in world:
            world[joint] = turns[:, found[joint]] @ turn
    rotations = _relative(world, len(values))

    scale = _leg_length(ours, J) / leg
    middle = 0.5 * (places[:, found["left_hip"]] + places[:, found["right_hip"]]) * scale  # [T, 3]
    ours_middle = 0.5 * (ours[J["left_hip"]] + ours[J["right_hip"]]) - ours[0]
    transl = middle - world["pelvis"] @ ours_middle
    return Recording(rotations.float().numpy(), transl.float().numpy(), fps, retargeted=True)


def _alignments(theirs: Tensor, ours: Tensor, found: dict[str, int]) -> dict[str, Tensor]:
    """Turns [3, 3] from our T-pose to their rest pose, for each of our joints that they have."""
    body = _body_frame(theirs, found) @ _body_frame(ours, J).T
    align = {joint: body for joint in ("pelvis", "neck", "head", "left_collar", "right_collar")}
    for side in ("left", "right"):
        for joint in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist"):
            key = f"{side}_{joint}"
            above = align.get(JOINT_NAMES[PARENTS[J[key]]], body)
            if joint == "ankle":
                align[key] = _foot_alignment(theirs, ours, found, side, body)
            elif joint == "foot":
                align[key] = above
            else:
                align[key] = _lay(theirs, ours, found, key, f"{side}_{_LIMBS[joint]}", above)
        _align_fingers(theirs, ours, found, side, align)
    return align


def _align_fingers(theirs: Tensor, ours: Tensor, found: dict[str, int], side: str, align: dict[str, Tensor]) -> None:
    for finger in ("index", "middle", "pinky", "ring", "thumb"):
        above = align[f"{side}_wrist"]
        if not all(f"{side}_{finger}{k}" in found for k in (1, 2, 3)):
            continue
        for k in (1, 2, 3):
            key = f"{side}_{finger}{k}"
            above = above if k == 3 else _lay(theirs, ours, found, key, f"{side}_{finger}{k + 1}", above)
            align[key] = above


def _lay(theirs: Tensor, ours: Tensor, found: dict[str, int], start: str, end: str, above: Tensor) -> Tensor:
    """The turn of the joint above, and the smallest further one that lays our bone start -> end on theirs."""
    if start not in found or end not in found:
        return above
    bone = theirs[found[end]] - theirs[found[start]]
    if bone.norm() == 0:
        return above
    ours_bone = above @ normalize(ours[J[end]] - ours[J[start]], dim=0)
    return rotation_between(ours_bone, normalize(bone, dim=0)) @ above


def _foot_alignment(theirs: Tensor, ours: Tensor, found: dict[str, int], side: str, body: Tensor) -> Tensor:
    """As for other bones; but two feet that both stand stay flat, however high ankle and toe joint are put in them."""
    start, end = f"{side}_ankle", f"{side}_foot"
    if end not in found:
        return body
    bone = normalize(theirs[found[end]] - theirs[found[start]], dim=0)
    ours_bone = body @ normalize(ours[J[end]] - ours[J[start]], dim=0)
    if bone @ ours_bone > _FLAT_FOOT:
        up = body[:, 1]
        bone = normalize(bone - (bone @ up) * up, dim=0)
        ours_bone = normalize(ours_bone - (ours_bone @ up) * up, dim=0)
    return rotation_between(ours_bone, bone) @ body


def _trunk(
    tree: Tree, turns: Tensor, theirs: Tensor, ours: Tensor, found: dict[str, int], body: Tensor
) -> dict[str, Tensor]:
    """World orientations of pelvis, spine, neck and head, whatever number of joints theirs has between them."""
    arm = found.get("left_collar", found["left_shoulder"])
    chest = _meeting(tree, found.get("neck", found["head"]), arm)
    spine = _chain(tree, found["pelvis"], chest)
    world = {"pelvis": turns[:, found["pelvis"]] @ body, "spine3": turns[:, chest] @ body}
    their_shares = _heights(theirs, spine, found)
    our_shares = _heights(ours, [J["pelvis"], J["spine1"], J["spine2"], J["spine3"]], J)
    for k in (1, 2):
        weights = _overlaps(their_shares, our_shares[k], our_shares[k + 1])
        world[f"spine{k}"] = _mean_turn(turns[:, spine], weights) @ body
    neck = _chain(tree, chest, found["head"])
    world["neck"] = _mean_turn(
        turns[:, neck], [float(0 < k < len(neck) - 1 or len(neck) < 3) for k in range(len(neck))]
    )
    world["neck"] = world["neck"] @ body
    world["head"] = turns[:, found["head"]] @ body
    return world


def _heights(positions: Tensor, spine: list[int], index: dict[str, int]) -> list[float]:
    """Where each joint of a spine lies on the way from the pelvis (0) to between the shoulders (1, added last)."""
    shoulders = 0.5 * (positions[index["left_shoulder"]] + positions[index["right_shoulder"]])
    points = torch.cat([positions[spine], shoulders[None]])
    along = torch.cat([points.new_zeros(1), points.diff(dim=0).norm(dim=-1).cumsum(0)])
    return (along / along[-1].clamp_min(1e-9)).tolist()


def _overlaps(joints: list[float], start: float, end: float) -> list[float]:
    """How much of the stretch from `start` to `end` goes along with each joint."""
    shares = [max(0.0, min(end, b) - max(start, a)) for a, b in pairwise(joints)]
    return shares if sum(shares) > 0 else [0.0] * (len(shares) - 1) + [1.0]


def _mean_turn(turns: Tensor, weights: list[float]) -> Tensor:
    """Weighted mean [T, 3, 3] of orientations [T, K, 3, 3] that are not far from each other."""
    quats = matrix_to_quaternion(turns)  # [T, K, 4]
    quats = torch.where((quats * quats[:, :1]).sum(-1, keepdim=True) < 0, -quats, quats)
    return quaternion_to_matrix((quats * turns.new_tensor(weights)[:, None]).sum(1))


def _meeting(tree: Tree, first: int, second: int) -> int:
    """The nearest common ancestor of two joints, neither of them itself."""
    above = set()
    while (second := tree.parents[second]) >= 0:
        above.add(second)
    while (first := tree.parents[first]) not in above and first >= 0:
        pass
    return max(first, 0)


def _chain(tree: Tree, top: int, bottom: int) -> list[int]:
    """Joints from `top` down to `bottom`, both included."""
    chain = [bottom]
    while chain[-1] != top and tree.parents[chain[-1]] >= 0:
        chain.append(tree.parents[chain[-1]])
    return chain[::-1] if chain[-1] == top else [top, bottom]


def _relative(world: dict[str, Tensor], frames: int) -> Tensor:
    """Axis-angle [T, 55, 3] relative to the parents; joints that they lack keep still, fingers are relaxed."""
    whole: list[Tensor] = []
    rotations = torch.zeros(frames, len(JOINT_NAMES), 3, dtype=torch.float64)
    rotations[:, 25:40] = left_hand("relaxed")
    rotations[:, 40:55] = mirrored(left_hand("relaxed"))
    for joint, name in enumerate(JOINT_NAMES):
        if name in world:
            above = whole[PARENTS[joint]] if joint else torch.eye(3, dtype=torch.float64)
            rotations[:, joint] = matrix_to_axis_angle(above.mT @ world[name])
            whole.append(world[name])
        else:
            whole.append(whole[PARENTS[joint]] @ axis_angle_to_matrix(rotations[:, joint]))
    return rotations


def _body_frame(positions: Tensor, index: dict[str, int]) -> Tensor:
    """Columns [3, 3] left, up, forward of a body at rest; up is the axis of the file that the body stands along."""
    left = positions[index["left_hip"]] - positions[index["right_hip"]]
    up = positions[index["head"]] - 0.5 * (positions[index["left_hip"]] + positions[index["right_hip"]])
    up = normalize(up, dim=0)
    main = int(up.abs().argmax())
    if abs(float(up[main])) > _UPRIGHT:
        up = torch.zeros_like(up).index_fill(0, torch.tensor(main), float(up[main].sign()))
    left = normalize(left - (left @ up) * up, dim=0)
    return torch.stack([left, up, torch.linalg.cross(left, up)], 1)


def _leg_length(positions: Tensor, index: dict[str, int]) -> float:
    hip, knee, ankle = (positions[index[f"left_{name}"]] for name in ("hip", "knee", "ankle"))
    return float((knee - hip).norm() + (ankle - knee).norm())
