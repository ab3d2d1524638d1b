"""BVH of any school: whatever names, rest pose, heading, axis up and unit, the same movement comes back."""

import pytest
import torch

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.open import load_open_body
from nopo.body.skeleton import JOINT_NAMES, PARENTS
from nopo.errors import MotionError
from nopo.motions import load_motion
from nopo.motions.contact import floor_height, sole_points
from nopo.motions.files import bvh
from nopo.motions.files.bones import recognise
from nopo.rotations import axis_angle_to_matrix

REST = load_open_body().rest_joints()
J = {name: index for index, name in enumerate(JOINT_NAMES)}
BODY = list(range(22))


def names_of(school):
    """Our 22 body joints, and the fingers of the hands for those that have them, in the words of a school."""
    if school == "mixamo":
        arm = {"collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand"}
        leg = {"hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase"}
        middle = {"pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck"}
        middle |= {"head": "Head"}
        sided = {f"{s}_{k}": f"{s.capitalize()}{v}" for s in ("left", "right") for k, v in (arm | leg).items()}
        return {k: f"mixamorig:{v}" for k, v in (middle | sided).items()}
    if school == "cmu":
        named = {k: v.removeprefix("mixamorig:") for k, v in names_of("mixamo").items()}
        return named | {"spine1": "LowerBack", "spine2": "Spine", "spine3": "Spine1"}
    if school == "unreal":
        arm = {"collar": "clavicle", "shoulder": "upperarm", "elbow": "lowerarm", "wrist": "hand"}
        leg = {"hip": "thigh", "knee": "calf", "ankle": "foot", "foot": "ball"}
        middle = {"pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03"}
        middle |= {"neck": "neck_01", "head": "head"}
        return middle | {f"{s}_{k}": f"{v}_{s[0]}" for s in ("left", "right") for k, v in (arm | leg).items()}
    if school == "classic":
        arm = {"collar": "Collar", "shoulder": "Shoulder", "elbow": "Elbow", "wrist": "Wrist"}
        leg = {"hip": "Hip", "knee": "Knee", "ankle": "Ankle", "foot": "Toe"}
        middle = {"pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest3", "neck": "Neck"}
        middle |= {"head": "Head"}
        return middle | {f"{s}_{k}": f"{s.capitalize()}{v}" for s in ("left", "right") for k, v in (arm | leg).items()}
    raise KeyError(school)


def rest_pose(kind):
    """World orientations [55, 3, 3] of a rest pose other than the T-pose."""
    angles = torch.zeros(55, 3)
    down = {"T": 0.0, "A": 0.8, "arms down": 1.45}[kind]
    angles[J["left_shoulder"], 2], angles[J["right_shoulder"], 2] = -down, down
    if kind == "A":
        angles[J["left_hip"], 2], angles[J["right_hip"], 2] = 0.15, -0.15
    return forward_kinematics(axis_angle_to_matrix(angles), REST)[..., :3]


def parent_among(joints, joint):
    parent = PARENTS[joint]
    while parent >= 0 and parent not in joints:
        parent = PARENTS[parent]
    return parent


def euler_zxy(matrix):
    """Degrees such that Rz(a) Rx(b) Ry(c) = matrix."""
    b = torch.asin(matrix[..., 2, 1].clamp(-1, 1))
    a = torch.atan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    c = torch.atan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    return torch.rad2deg(torch.stack([a, b, c], -1))


def write_bvh(path, motion, school, rest="T", world=None, unit=100.0, joints=BODY):
    """The motion on a skeleton that rests differently, lives in another world and is measured in another unit."""
    world = torch.eye(3) if world is None else world
    names = names_of(school)
    bind = rest_pose(rest)  # [55, 3, 3]
    posed = forward_kinematics(axis_angle_to_matrix(motion.rotations), REST, motion.transl)
    turns = world @ posed[..., :3] @ bind.mT @ world.T  # [T, 55, 3, 3]
    pelvis = (REST[0] + motion.transl) @ world.T * unit
    lines, order = ["HIERARCHY"], []

    def visit(joint, depth):
        order.append(joint)
        pad = "  " * depth
        parent = parent_among(joints, joint)
        offset = torch.zeros(3) if joint == 0 else world @ bind[parent] @ (REST[joint] - REST[parent]) * unit
        lines.append(f"{pad}{'ROOT' if joint == 0 else 'JOINT'} {names[JOINT_NAMES[joint]]}")
        lines.append(f"{pad}{{\n{pad}  OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}")
        position = "Xposition Yposition Zposition " if joint == 0 else ""
        lines.append(f"{pad}  CHANNELS {6 if joint == 0 else 3} {position}Zrotation Xrotation Yrotation")
        children = [child for child in joints if parent_among(joints, child) == joint]
        for child in children:
            visit(child, depth + 1)
        if not children:
            lines.append(f"{pad}  End Site\n{pad}  {{\n{pad}    OFFSET 0 0 {0.05 * unit}\n{pad}  }}")
        lines.append(f"{pad}}}")

    visit(0, 0)
    lines += ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {1 / motion.fps:.6f}"]
    for t in range(len(motion)):
        row = pelvis[t].tolist()
        for joint in order:
            parent = torch.eye(3) if joint == 0 else turns[t, parent_among(joints, joint)]
            row += euler_zxy(parent.T @ turns[t, joint]).tolist()
        lines.append(" ".join(f"{number:.5f}" for number in row))
    path.write_text("\n".join(lines) + "\n")
    return path


def joints_of(motion):
    positions = move_points(forward_kinematics(axis_angle_to_matrix(motion.rotations), REST, motion.transl), REST)
    return positions[:, BODY] - positions[:1, :1]


def turn_about(axis, degrees):
    return axis_angle_to_matrix(torch.deg2rad(torch.tensor(degrees)) * torch.eye(3)["xyz".index(axis)])


@pytest.fixture(scope="module")
def motion():
    return load_motion("wave", fps=10)


@pytest.mark.parametrize("school", ["mixamo", "cmu", "unreal", "classic"])
def test_names_of_every_school(tmp_path, motion, school):
    read = load_motion(write_bvh(tmp_path / "m.bvh", motion, school))
    assert read.fps == 10 and len(read) == len(motion)
    assert (joints_of(read) - joints_of(motion)).norm(dim=-1).max() < 0.01
    height = sole_points(read, REST)[..., 1].amin(1) - floor_height(REST)
    assert height.abs().max() < 0.01


@pytest.mark.parametrize("rest", ["T", "A", "arms down"])
@pytest.mark.parametrize("unit", [1.0, 100.0, 39.37, 5.6])
def test_any_rest_pose_and_unit(tmp_path, motion, rest, unit):
    read = load_motion(write_bvh(tmp_path / "m.bvh", motion, "mixamo", rest=rest, unit=unit))
    assert (joints_of(read) - joints_of(motion)).norm(dim=-1).max() < 0.01


@pytest.mark.parametrize("world", [turn_about("x", 90.0), turn_about("y", 180.0), turn_about("y", -90.0)])
def test_any_heading_and_z_up(tmp_path, world):
    """The body comes back upright and facing +z."""
    motion = load_motion("squat", fps=10)
    read = load_motion(write_bvh(tmp_path / "m.bvh", motion, "cmu", rest="A", world=world))
    assert (joints_of(read) - joints_of(motion)).norm(dim=-1).max() < 0.01


def test_shorter_spines(tmp_path, motion):
    """A spine of one joint, as in many game rigs: the chest is turned as theirs is."""
    short = [joint for joint in BODY if JOINT_NAMES[joint] not in ("spine1", "spine2")]
    read = load_motion(write_bvh(tmp_path / "m.bvh", motion, "unreal", joints=short))
    assert torch.allclose(chest_on_pelvis(read), chest_on_pelvis(motion), atol=1e-3)


def test_feet_without_toe_joints(tmp_path, motion):
    toeless = [joint for joint in BODY if JOINT_NAMES[joint] not in ("left_foot", "right_foot")]
    read = load_motion(write_bvh(tmp_path / "m.bvh", motion, "classic", rest="arms down", joints=toeless))
    assert (joints_of(read) - joints_of(motion)).norm(dim=-1).max() < 0.01


def chest_on_pelvis(motion):
    turns = forward_kinematics(axis_angle_to_matrix(motion.rotations), REST)[..., :3]
    return turns[:, 0].mT @ turns[:, J["spine3"]]


@pytest.mark.parametrize(
    ("bone", "joint"),
    [
        ("mixamorig:LeftUpLeg", "left_hip"),
        ("Bip01 L Thigh", "left_hip"),
        ("LThigh", "left_hip"),
        ("DEF-thigh.L", "left_hip"),
        ("J_Bip_L_UpperLeg", "left_hip"),
        ("lThighBend", "left_hip"),
        ("CC_Base_R_Calf", "right_knee"),
        ("RightToeBase", "right_foot"),
        ("lowerarm_r", "right_elbow"),
        ("R_Wrist", "right_wrist"),
        ("LeftHandThumb2", "left_thumb2"),
        ("index_03_r", "right_index3"),
        ("f_ring.01.L", "left_ring1"),
        ("J_Bip_R_Little2", "right_pinky2"),
    ],
)
def test_bone_names(bone, joint):
    assert recognise([bone]) == {joint: 0}


def test_bones_that_are_none_of_ours():
    assert recognise(["LHipJoint", "HeadTop_End", "LeftArmRoll", "Camera", "Hips end"]) == {}


WRITTEN_OTHERWISE = {
    "a blank line before the frames": lambda text: text.replace("Frame Time: 0.100000\n", "Frame Time: 0.100000\n\n"),
    "blank lines between all": lambda text: text.replace("\n", "\n\n"),
    "a bone called MOTION": lambda text: text.replace("mixamorig:Spine2", "MOTION").replace("End Site", "End MOTION"),
    "another case": lambda text: text.replace("HIERARCHY", "Hierarchy").replace("MOTION", "Motion"),
}


@pytest.mark.parametrize("case", WRITTEN_OTHERWISE)
def test_the_same_file_written_otherwise(tmp_path, motion, case):
    path = write_bvh(tmp_path / "m.bvh", motion, "mixamo")
    before = load_motion(path)
    path.write_text(WRITTEN_OTHERWISE[case](path.read_text()))
    read = load_motion(path)
    assert read.fps == before.fps and torch.allclose(joints_of(read), joints_of(before), atol=0.02)
    assert len(read) == len(before)


def test_a_bvh_is_known_by_what_it_holds_and_not_by_its_name(tmp_path, motion):
    """The legs of a person on SMPL-X are solved anew for a foreign skeleton, and kept for SMPL-X files."""
    path = write_bvh(tmp_path / "m.bvh", motion, "mixamo")
    child = REST * torch.tensor([1.0, 0.8, 1.0])
    by_name = load_motion(path, rest_joints=child, on_smplx=True)
    unnamed = load_motion(path.rename(tmp_path / "m.txt"), rest_joints=child, on_smplx=True)
    assert torch.equal(unnamed.rotations, by_name.rotations) and torch.equal(unnamed.transl, by_name.transl)


BAD = {
    "cut in the frames": (lambda text: text[: int(len(text) * 0.7)], "damaged or incomplete"),
    "cut in the tree": (lambda text: text[:500], "damaged or incomplete"),
    "of a dog": (lambda text: text.replace("UpLeg", "Haunch"), "unknown skeleton"),
    "with letters": (lambda text: text[:-30] + " abc\n", "damaged or incomplete"),
    "with NaN": (lambda text: text.replace(" 0.00000 ", " nan "), "not numbers"),
    "with no time": (lambda text: text.replace("Frame Time: 0.1", "Frame Time: 1e-320 0"), "damaged|frame rate"),
    "of no frames": (lambda text: text.replace("Frames: 40", "Frames: 0"), "no frames"),
    "of too many": (lambda text: text.replace("Frames: 40", "Frames: 10000000"), "10,000,000 frames"),
    "with channels below none": (lambda text: text.replace("CHANNELS 3", "CHANNELS -2"), "damaged or incomplete"),
    "with another tree": (lambda text: text.replace("CHANNELS 6 Xposition", "CHANNELS 5"), "do not fit"),
}


def test_more_joints_and_frames_than_fit_into_memory_are_refused(tmp_path, motion, monkeypatch):
    monkeypatch.setattr(bvh, "MAX_PLACES", 1000)
    with pytest.raises(MotionError, match="joints in 40 frames: cut the motion first"):
        load_motion(write_bvh(tmp_path / "m.bvh", motion, "mixamo"))


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_for_each_fault(tmp_path, motion, case):
    change, words = BAD[case]
    path = write_bvh(tmp_path / "m.bvh", motion, "mixamo")
    path.write_text(change(path.read_text()))
    with pytest.raises(MotionError, match=words) as caught:
        load_motion(path)
    assert str(tmp_path) not in str(caught.value)
