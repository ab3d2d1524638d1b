"""Files that people bring: every kind comes back as the movement it was, and what is wrong gets its own sentence."""

import json
import logging
import zipfile

import numpy as np
import pytest
import torch

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.open import load_open_body
from nopo.errors import MotionError
from nopo.motion import Motion
from nopo.motions import load_motion
from nopo.motions.contact import floor_height, foot_sliding, sole_points
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

REST = load_open_body().rest_joints()
Z_UP = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # our world in that of AMASS
CAMERA = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])  # and in that of a camera


def joints_of(motion):
    transforms = forward_kinematics(axis_angle_to_matrix(motion.rotations), REST, motion.transl)
    return move_points(transforms, REST)


def turned(motion, world, shift=(0.3, -0.2, 4.0)):
    """The motion as a file in another world has it."""
    rotations = motion.rotations.clone()
    rotations[:, 0] = matrix_to_axis_angle(world @ axis_angle_to_matrix(rotations[:, 0]))
    transl = motion.transl @ world.T + torch.tensor(shift)
    return rotations, transl


def assert_same_movement(read, original, atol=2e-3):
    """Same up to where it starts and which way it faces there; the feet are on the floor."""
    start = axis_angle_to_matrix(original.rotations[0, 0])[:, 2]
    back = axis_angle_to_matrix(-torch.atan2(start[0], start[2]) * torch.tensor([0.0, 1.0, 0.0]))
    wanted, got = joints_of(original) @ back.T, joints_of(read)
    wanted, got = wanted - wanted[0, 0], got - got[0, 0]
    assert torch.allclose(got[:, :22], wanted[:, :22], atol=atol)
    height = sole_points(read, REST)[..., 1].amin(1) - floor_height(REST)
    assert height.quantile(0.05).abs() < 1e-3


@pytest.fixture(scope="module")
def squat():
    return load_motion("squat")


def split(rotations, transl):
    flat = rotations.reshape(len(rotations), -1).numpy()
    return {
        "root_orient": flat[:, :3],
        "pose_body": flat[:, 3:66],
        "pose_jaw": flat[:, 66:69],
        "pose_eye": flat[:, 69:75],
        "pose_hand": flat[:, 75:],
        "trans": transl.numpy(),
        "betas": np.zeros(16),
        "gender": np.array("neutral"),
    }


@pytest.mark.parametrize("world", [torch.eye(3), Z_UP, CAMERA], ids=["y-up", "z-up", "camera"])
@pytest.mark.parametrize("keys", ["whole", "split", "smplx", "whole and split"])
def test_smplx_npz(tmp_path, squat, world, keys):
    rotations, transl = turned(squat, world)
    arrays = split(rotations, transl) | {"mocap_frame_rate": np.float64(30)}
    whole = {"poses": rotations.reshape(len(squat), -1).double().numpy(), "trans": transl.numpy()}
    if keys == "whole":
        arrays = whole | {"mocap_framerate": 30}
    if keys == "whole and split":
        arrays |= whole
    if keys == "smplx":
        flat = rotations.reshape(len(squat), -1).numpy()
        arrays = {
            "global_orient": flat[:, :3],
            "body_pose": flat[:, 3:66],
            "transl": transl.numpy(),
            "fps": np.array([30.0]),
        }
        arrays |= {
            "left_hand_pose": flat[:, 75:120],
            "right_hand_pose": rotations[:, 40:].numpy(),
            "jaw_pose": flat[:1, 66:69],
        }
    np.savez(tmp_path / "motion.npz", **arrays)
    read = load_motion(tmp_path / "motion.npz")
    assert read.fps == 30 and len(read) == len(squat)
    assert_same_movement(read, squat)
    assert torch.allclose(read.rotations[:, 25:], squat.rotations[:, 25:], atol=1e-6)


def test_up_can_be_told(tmp_path, squat):
    """Somebody who lies: only the caller knows."""
    lying, transl = turned(squat, axis_angle_to_matrix(torch.tensor([torch.pi / 2, 0.0, 0.0])))
    np.savez(tmp_path / "lying.npz", poses=lying.reshape(len(squat), -1).numpy(), trans=transl.numpy(), fps=30)
    spine = axis_angle_to_matrix(load_motion(tmp_path / "lying.npz", up="y").rotations[0, 0])[:, 1]
    assert spine[1].abs() < 0.1
    spine = axis_angle_to_matrix(load_motion(tmp_path / "lying.npz").rotations[0, 0])[:, 1]
    assert spine[1] > 0.9


@pytest.mark.parametrize("joints", [22, 24, 52])
def test_smaller_bodies_of_the_family(tmp_path, squat, joints):
    poses = torch.zeros(len(squat), joints, 3)
    poses[:, :22] = squat.rotations[:, :22]
    if joints == 52:
        poses[:, 22:] = squat.rotations[:, 25:]
    np.savez(tmp_path / "m.npz", poses=poses.reshape(len(squat), -1).numpy(), trans=squat.transl.numpy(), fps=30)
    read = load_motion(tmp_path / "m.npz")
    assert_same_movement(read, squat)
    if joints == 52:
        assert torch.allclose(read.rotations[:, 25:], squat.rotations[:, 25:])
    else:
        assert read.rotations[:, 25:40].norm(dim=-1).mean() > 0.1, "fingers that the file lacks are relaxed, not stiff"


def test_smpl_body_pose_and_pca_fingers(tmp_path, squat, caplog):
    flat = squat.rotations.reshape(len(squat), -1).numpy()
    body = np.concatenate([flat[:, 3:66], np.zeros((len(squat), 6))], 1)  # SMPL's 23 joints
    arrays = {"global_orient": flat[:, :3], "body_pose": body, "transl": squat.transl.numpy(), "fps": 30}
    np.savez(tmp_path / "m.npz", left_hand_pose=np.zeros((len(squat), 6)), **arrays)
    with caplog.at_level(logging.WARNING):
        assert_same_movement(load_motion(tmp_path / "m.npz"), squat)
    assert "PCA" in caplog.text


def test_what_we_save_we_read_back_as_it_was(tmp_path):
    walk = load_motion("walk")
    walk.save(tmp_path / "walk.npz")
    read = Motion.load(tmp_path / "walk.npz")
    assert torch.equal(read.rotations, walk.rotations) and torch.equal(read.transl, walk.transl)
    assert read.fps == walk.fps and read.loop


def json_frames(motion, world):
    rotations, transl = turned(motion, world)
    parts = {"root_pose": slice(0, 1), "body_pose": slice(1, 22), "jaw_pose": slice(22, 23), "leye_pose": slice(23, 24)}
    parts |= {"reye_pose": slice(24, 25), "lhand_pose": slice(25, 40), "rhand_pose": slice(40, 55)}
    camera = {"img_size_wh": [512, 512], "focal": [600.0, 600.0], "princpt": [256.0, 256.0], "betas": [0.0] * 10}
    for t in range(len(motion)):
        frame = {key: rotations[t, where].squeeze(0).tolist() for key, where in parts.items()}
        yield frame | camera | {"trans": transl[t].tolist()}


@pytest.mark.parametrize("kind", ["folder", "zip", "list"])
def test_json_frames(tmp_path, squat, kind):
    frames = list(json_frames(squat, CAMERA))
    path = tmp_path / "dance"
    if kind == "folder":
        (path / "smplx_params").mkdir(parents=True)
        for t, frame in enumerate(frames):
            (path / "smplx_params" / f"{t}.json").write_text(json.dumps(frame))  # 10 after 9, not after 1
    elif kind == "zip":
        path = tmp_path / "dance.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for t, frame in enumerate(frames):
                archive.writestr(f"seq/smplx_params/{t:05d}.json", json.dumps(frame))
                archive.writestr(f"__MACOSX/seq/smplx_params/._{t:05d}.json", b"\0")
            archive.writestr("seq/meta/info.json", "{}")
    else:
        path = tmp_path / "dance.json"
        path.write_text(json.dumps(frames))
    read = load_motion(path)
    assert len(read) == len(squat)
    assert_same_movement(read, squat)


def test_resampled_on_the_way_in(tmp_path, squat):
    squat.save(tmp_path / "m.npz")
    assert len(load_motion(tmp_path / "m.npz", fps=15)) == len(squat) // 2
    assert load_motion("walk", fps=60).fps == 60


def test_fitted_to_the_person(tmp_path, squat):
    """A file is made for anybody: on other legs the feet still stand, and in one place."""
    rotations, transl = turned(squat, Z_UP)
    np.savez(tmp_path / "m.npz", poses=rotations.reshape(len(squat), -1).numpy(), trans=transl.numpy(), fps=30)
    child = REST * 0.6
    read = load_motion(tmp_path / "m.npz", rest_joints=child)
    height = sole_points(read, child)[..., 1].amin(1) - floor_height(child)
    assert height.abs().max() < 1e-3
    assert foot_sliding(read, child) < 0.005


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_one_frame_on_straight_legs(tmp_path, kind):
    path = tmp_path / f"stand.{kind}"
    if kind == "npz":
        np.savez(path, poses=np.zeros((1, 165)), trans=np.zeros((1, 3)), fps=30)
    else:
        path.write_text(json.dumps([{"root_pose": [0, 0, 0], "body_pose": [0] * 63, "trans": [0, 0, 0]}]))
    child = REST * 0.6
    height = sole_points(load_motion(path, rest_joints=child), child)[..., 1].amin() - floor_height(child)
    assert height.abs() < 1e-3


def test_only_loops_go_around(tmp_path):
    """Legs that are drawn out at the end of a take leave its beginning alone."""
    poses = np.zeros((90, 55, 3), np.float32)
    poses[:60, [1, 2], 0], poses[:60, [4, 5], 0] = -0.2, 0.4  # bent, then straight
    np.savez(tmp_path / "rise.npz", poses=poses.reshape(90, 165), trans=np.zeros((90, 3)), fps=30)
    bent = Motion(torch.from_numpy(poses[:60]), torch.zeros(60, 3), 30)
    np.savez(tmp_path / "bent.npz", poses=poses[:60].reshape(60, 165), trans=np.zeros((60, 3)), fps=30)
    long_legs = REST * torch.tensor([1.0, 1.15, 1.0])
    whole, first = (load_motion(tmp_path / f"{name}.npz", rest_joints=long_legs) for name in ("rise", "bent"))
    assert len(bent) == len(first)
    assert torch.allclose(whole.rotations[:30, [4, 5]], first.rotations[:30, [4, 5]], atol=1e-4)


def test_json_frames_that_tell_their_rate_are_cut_by_it(tmp_path, caplog):
    frame = {"root_pose": [0, 0, 0], "body_pose": [0] * 63, "trans": [0, 0, 0], "fps": 60}
    (tmp_path / "long.json").write_text(json.dumps([frame] * 300))
    with caplog.at_level(logging.WARNING):
        assert len(load_motion(tmp_path / "long.json", max_seconds=5)) == 300 and not caplog.text
        assert len(load_motion(tmp_path / "long.json", max_seconds=3)) == 180
    assert "lasts 5 s; only its first 3 s are used" in caplog.text


def test_long_motions_are_cut_with_a_notice(tmp_path, caplog):
    np.savez_compressed(tmp_path / "long.npz", poses=np.zeros((3000, 165)), trans=np.zeros((3000, 3)), fps=30)
    with caplog.at_level(logging.WARNING):
        motion = load_motion(tmp_path / "long.npz", max_seconds=20)
    assert len(motion) == 600 and "only its first 20 s are used" in caplog.text


# ---------------------------------------------------------------------------------------------- what is wrong


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def lying_npz(path, frames, numbers=165, column_major=False):
    """An archive whose header announces more than it holds: reading must not believe it first."""
    header = {"descr": "<f4", "fortran_order": column_major, "shape": (frames, numbers)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("poses.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(b"\0" * 100_000)
    return path


def locked_zip(path):
    """Says of its only frame that a password opens it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.json", '{"body_pose": [0]}')
    data = bytearray(path.read_bytes())
    for begin, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(begin) + flags] |= 1
    return text(path, bytes(data))


def damaged_zip(path):
    """Its frame does not come out of the compressed bytes whole."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", '{"body_pose": [' + ", ".join(map(str, range(200))) + "]}")
    data = bytearray(path.read_bytes())
    data[60:66] = b"\xff" * 6
    return text(path, bytes(data))


def nan_poses():
    poses = np.zeros((5, 165), np.float32)
    poses[2, 7] = np.nan
    return poses


def text(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BAD = {
    "a photo": (lambda d: text(d / "a.jpg", b"\xff\xd8\xff\xe0" + b"\1" * 999), "is not a motion"),
    "a text": (lambda d: text(d / "a.txt", "hello"), "is not a motion"),
    "an empty file": (lambda d: text(d / "a.npz", b""), "is empty"),
    "a very long name": (lambda d: "x" * 5000, "There is no motion"),
    "no such file": (lambda d: d / "nothing.npz", "There is no motion"),
    "an empty folder": (lambda d: d, "no frames"),
    "other arrays": (lambda d: npz(d / "a.npz", images=np.zeros((4, 4))), "holds no pose"),
    "an avatar of pickles": (lambda d: npz(d / "a.npz", poses=np.array([{}, {}])), "more than plain numbers"),
    "NaN": (lambda d: npz(d / "a.npz", poses=nan_poses(), fps=30), "not numbers"),
    "zero frames": (lambda d: npz(d / "a.npz", poses=np.zeros((0, 165)), fps=30), "no frames"),
    "ten million frames": (lambda d: lying_npz(d / "a.npz", 10**7), "10,000,000 frames"),
    "a header that lies": (lambda d: lying_npz(d / "a.npz", 900_000), "damaged"),
    "less than no frames": (lambda d: lying_npz(d / "a.npz", -1), "damaged"),
    "frames of thousands": (lambda d: lying_npz(d / "a.npz", 90, 4096), "damaged"),
    "columns of a gigabyte": (lambda d: lying_npz(d / "a.npz", 900_000, column_major=True), "more than plain numbers"),
    "a zip with a password": (lambda d: locked_zip(d / "a.zip"), "without a password"),
    "a damaged zip": (lambda d: damaged_zip(d / "a.zip"), "cannot be unpacked"),
    "json of thousands": (lambda d: text(d / "a.json", f'[{{"body_pose": {[0] * 5000}}}]'), "not SMPL-X parameters"),
    "an unknown skeleton": (lambda d: npz(d / "a.npz", poses=np.zeros((5, 93)), fps=30), "31 joints"),
    "quaternions": (lambda d: npz(d / "a.npz", poses=np.zeros((5, 22, 4)), fps=30), "22"),
    "no frame rate": (lambda d: npz(d / "a.npz", poses=np.zeros((5, 165)), fps=0), "frame rate"),
    "a frame a century": (lambda d: npz(d / "a.npz", poses=np.zeros((5, 165)), fps=1e-12), "frame rate"),
    "a rate without numbers": (lambda d: npz(d / "a.npz", poses=np.zeros((5, 165)), fps=np.zeros(0)), "damaged"),
    "json without end": (lambda d: text(d / "a.json", '[{"body_pose": [0], "fps": Infinity}]'), "frame rate"),
    "json of a century": (lambda d: text(d / "a.json", '[{"body_pose": [0], "fps": 1e-12}]'), "frame rate"),
    "json of a long number": (lambda d: text(d / "a.json", f'[{{"trans": [1{"0" * 400}]}}]'), "not SMPL-X parameters"),
    "json of a long rate": (lambda d: text(d / "a.json", f'[{{"fps": 1{"0" * 400}}}]'), "not SMPL-X parameters"),
    "translations missing": (
        lambda d: npz(d / "a.npz", poses=np.zeros((5, 165)), trans=np.zeros((4, 3)), fps=30),
        "4 translations",
    ),
    "json of something": (lambda d: text(d / "a.json", '{"a": 1}'), "holds no pose"),
    "cut json": (lambda d: text(d / "a.json", '[{"root_pose": [0, 0'), "not readable JSON"),
    "json of words": (lambda d: text(d / "a.json", '[{"body_pose": ["x"]}]'), "not SMPL-X parameters"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_for_each_fault(tmp_path, case):
    make, words = BAD[case]
    with pytest.raises(MotionError) as caught:
        load_motion(make(tmp_path))
    message = str(caught.value)
    assert words in message
    assert str(tmp_path) not in message, "a path may be private"
    assert message.endswith((".", "?")) and "\n" not in message


def test_truncated_archive(tmp_path, squat):
    squat.save(tmp_path / "whole.npz")
    data = (tmp_path / "whole.npz").read_bytes()
    with pytest.raises(MotionError, match="cannot be read"):
        load_motion(text(tmp_path / "half.npz", data[: len(data) // 2]))


def test_flipped_bytes_are_a_motion_or_a_sentence(tmp_path, squat):
    """Whatever a broken download looks like, nothing but MotionError gets out."""
    np.savez(tmp_path / "m.npz", poses=squat.rotations[:9].reshape(9, -1).numpy(), trans=np.zeros((9, 3)), fps=30)
    data = (tmp_path / "m.npz").read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        broken = bytearray(data)
        for place in generator.integers(0, 400, 3):
            broken[place] = generator.integers(0, 256)
        try:
            load_motion(text(tmp_path / "broken.npz", bytes(broken)))
        except MotionError:
            refused += 1
    assert refused > 50


def test_zip_bomb_of_json(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", b" " * (64 << 20))
    with pytest.raises(MotionError, match="larger than any frame"):
        load_motion(tmp_path / "bomb.zip")
