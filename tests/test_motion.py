"""Motion and Pose: their checks, resampling, and files of our own."""

import math

import numpy as np
import pytest
import torch

from nopo.errors import ExportError, MotionError
from nopo.motion import Motion, Pose
from nopo.rotations import axis_angle_to_matrix


def spinning(frames, fps, loop=True):
    """Turns once about +y in all, while going round a circle."""
    angle = 2 * math.pi * torch.arange(frames) / frames
    rotations = torch.zeros(frames, 55, 3)
    rotations[:, 0, 1] = torch.where(angle > math.pi, angle - 2 * math.pi, angle)
    rotations[:, 4, 0] = 0.5 + 0.3 * torch.sin(angle)
    transl = torch.stack([torch.sin(angle), torch.zeros(frames), torch.cos(angle)], -1)
    return Motion(rotations, transl, fps, loop)


def test_frames_are_poses():
    motion = spinning(10, 30)
    assert len(motion) == 10 and motion.seconds == pytest.approx(1 / 3)
    assert torch.equal(motion[3].rotations, motion.rotations[3])
    assert torch.equal(Pose.rest().rotations, torch.zeros(55, 3))


@pytest.mark.parametrize(
    ("rotations", "transl", "fps"),
    [
        (torch.zeros(5, 24, 3), torch.zeros(5, 3), 30),
        (torch.zeros(5, 55, 3), torch.zeros(4, 3), 30),
        (torch.zeros(0, 55, 3), torch.zeros(0, 3), 30),
        (torch.zeros(5, 55, 3), torch.zeros(5, 3), 0),
        (torch.full((5, 55, 3), math.nan), torch.zeros(5, 3), 30),
        (torch.zeros(5, 55, 3), torch.full((5, 3), math.inf), 30),
    ],
)
def test_what_is_no_motion(rotations, transl, fps):
    with pytest.raises(MotionError):
        Motion(rotations, transl, fps)


@pytest.mark.parametrize("shapes", [((54, 3), (3,)), ((55, 3), (1, 3))])
def test_what_is_no_pose(shapes):
    with pytest.raises(MotionError, match="Pose"):
        Pose(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


@pytest.mark.parametrize("fps", [15, 30, 60, 24])
def test_resampling_a_loop_meets_the_same_movement(fps):
    """Also over the seam and past the half turn, where axis-angles jump."""
    motion, fine = spinning(120, 30), spinning(4 * fps, fps)
    again = motion.resample(fps)
    assert len(again) == 4 * fps and again.fps == fps and again.loop
    assert again.seconds == pytest.approx(motion.seconds)
    turned, wanted = axis_angle_to_matrix(again.rotations), axis_angle_to_matrix(fine.rotations)
    assert torch.allclose(turned, wanted, atol=2e-3)
    assert torch.allclose(again.transl, fine.transl, atol=2e-3)


def test_resampling_a_take_holds_its_last_frame():
    motion = spinning(10, 10, loop=False)
    again = motion.resample(20)
    assert len(again) == 20 and again.fps == 20
    assert torch.allclose(again.transl[::2], motion.transl, atol=1e-6)
    assert torch.allclose(again.transl[-1], motion.transl[-1], atol=1e-6)


def test_resampling_to_the_same_rate_changes_nothing():
    motion = spinning(10, 30)
    assert motion.resample(30) is motion
    assert len(motion.resample(0.5)) == 1


@pytest.mark.parametrize("fps", [0, -1, 1e12, math.inf, math.nan])
def test_no_such_rate(fps):
    with pytest.raises(MotionError, match="frame rate"):
        spinning(10, 30).resample(fps)


@pytest.mark.parametrize("loop", [True, False])
def test_saved_and_loaded(tmp_path, loop):
    motion = spinning(12, 29.97, loop)
    motion.save(tmp_path / "motion.npz")
    back = Motion.load(tmp_path / "motion.npz")
    assert torch.equal(back.rotations, motion.rotations) and torch.equal(back.transl, motion.transl)
    assert back.fps == motion.fps and back.loop == loop
    with np.load(tmp_path / "motion.npz") as file:
        assert file["poses"].shape == (12, 165) and file["trans"].shape == (12, 3)


def test_saved_under_the_very_name(tmp_path):
    spinning(3, 30).save(tmp_path / "mm")
    assert [path.name for path in tmp_path.iterdir()] == ["mm"] and len(Motion.load(tmp_path / "mm")) == 3


def test_a_full_disk_is_one_sentence_and_leaves_the_older_file(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "motion.npz"
    path.write_text("older")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ExportError, match="^motion.npz cannot be written"):
            spinning(500, 30).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "older" and list(tmp_path.iterdir()) == [path]


def test_loading_by_name():
    assert Motion.load("walk").fps == 30
    with pytest.raises(MotionError, match="walk"):
        Motion.load("wlak")
