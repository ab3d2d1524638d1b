import statistics

import pytest
import torch

from nopo.body.kinematics import forward_kinematics, move_points
from nopo.body.open import load_open_body
from nopo.body.skeleton import JOINT_FLIP, JOINT_NAMES
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.dice import Dice
from nopo.synthetic.poses import JOINT_LIMITS, KINDS, sample_pose


def posed_joints(pose):
    rest = load_open_body().rest_joints()
    joints = move_points(forward_kinematics(axis_angle_to_matrix(pose.rotations), rest), rest)
    return {name: joints[i] for i, name in enumerate(JOINT_NAMES)}


def many(kind, count=20):
    return [posed_joints(sample_pose(Dice(seed), kind)) for seed in range(count)]


def mean(values):
    return statistics.fmean(float(v) for v in values)


def test_all_poses_stay_within_the_joint_limits():
    for seed in range(100):
        rotations = sample_pose(Dice(seed)).rotations
        assert (rotations >= JOINT_LIMITS[..., 0] - 1e-6).all() and (rotations <= JOINT_LIMITS[..., 1] + 1e-6).all()


def test_the_arm_that_rests_does_not_point():
    fingers = [[JOINT_NAMES.index(f"{side}_{finger}2") for finger in ("index", "middle")] for side in ("left", "right")]
    pointing = []
    for seed in range(200):
        bends = sample_pose(Dice(seed), "point").rotations.norm(dim=-1)
        pointing.append(sum(bool(bends[middle] - bends[index] > 0.5) for index, middle in fingers))
    assert max(pointing) == 1 and sum(pointing) > 10


def test_limits_are_the_same_on_both_sides():
    mirrored = JOINT_LIMITS[list(JOINT_FLIP)].clone()
    mirrored[:, 1:] = -mirrored[:, 1:].flip(-1)
    torch.testing.assert_close(mirrored, JOINT_LIMITS)


def test_knees_bend_back_and_elbows_forward():
    for seed in range(60):
        rotations = sample_pose(Dice(seed)).rotations
        assert rotations[JOINT_NAMES.index("left_knee"), 0] > -0.06
        assert rotations[JOINT_NAMES.index("left_elbow"), 1] < 0.06
        assert rotations[JOINT_NAMES.index("right_elbow"), 1] > -0.06


def test_either_arm_may_be_crossed_over_the_other():
    ahead = [
        p["left_elbow"][2] + p["left_wrist"][2] - p["right_elbow"][2] - p["right_wrist"][2] for p in many("crossed")
    ]
    assert 5 <= sum(float(distance) > 0 for distance in ahead) <= 15


def test_kinds_look_like_their_names():
    assert all(p["left_wrist"][1] < p["pelvis"][1] + 0.2 for p in many("stand"))
    assert all(p["left_wrist"][1] > p["neck"][1] for p in many("arms_up"))
    assert mean(p["left_knee"][2] - p["left_hip"][2] for p in many("sit")) > 0.25
    assert mean(p["left_wrist"][0] for p in many("crossed")) < 0.08  # the left hand crosses to the right
    assert all((p["left_wrist"] - p["left_hip"]).norm() < 0.35 for p in many("hips"))
    assert all(p["left_wrist"][2] > p["pelvis"][2] + 0.1 for p in many("clasped"))
    assert all(p["left_wrist"][2] < p["pelvis"][2] - 0.05 for p in many("behind"))
    assert mean((p["left_wrist"] - p["left_hip"]).norm() for p in many("pockets")) < 0.35
    spread = [float((p["left_ankle"][2] - p["right_ankle"][2]).abs()) for p in many("walk")]
    assert max(spread) > 0.35


@pytest.mark.parametrize("kind", KINDS)
def test_same_dice_same_pose(kind):
    assert torch.equal(sample_pose(Dice(5), kind).rotations, sample_pose(Dice(5), kind).rotations)


def test_people_keep_their_feet_down():
    for seed in range(40):
        joints = posed_joints(sample_pose(Dice(seed), "stand"))
        assert joints["left_ankle"][1] < -0.75 and joints["right_ankle"][1] < -0.75
