"""The built-in loops: feet on the floor and not sliding, no seam, a person's joints."""

import subprocess
import sys

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.motions import CLIPS, descriptions, load_motion, names
from nopo.motions.contact import floor_height, foot_sliding, leg_scale, loop_gap, sole_points
from nopo.motions.ground import ground
from nopo.rotations import axis_angle_to_matrix, matrix_to_axis_angle

REST = load_open_body().rest_joints()


@pytest.fixture(scope="module", params=names())
def clip(request):
    return request.param, load_motion(request.param)


def test_a_clip_is_a_loop_of_two_to_six_seconds(clip):
    _, motion = clip
    assert motion.fps == 30 and motion.loop
    assert 2.0 <= motion.seconds <= 6.5


def test_feet_do_not_slide_or_sink(clip):
    name, motion = clip
    assert foot_sliding(motion, REST, CLIPS[name].floor_speed) < 0.03
    height = sole_points(motion, REST)[..., 1] - floor_height(REST)
    assert height.min() > -0.005
    assert height.min() < 0.005, "nobody hovers all along"


def test_no_seam_and_no_jerk(clip):
    _, motion = clip
    assert loop_gap(motion) < 1.7
    matrices = axis_angle_to_matrix(motion.rotations)
    step = matrix_to_axis_angle(matrices.roll(1, 0).mT @ matrices).norm(dim=-1)
    assert step.max() < torch.deg2rad(torch.tensor(30.0)), "no joint turns faster than 900 degrees a second"
    assert (motion.transl - motion.transl.roll(1, 0)).norm(dim=-1).max() * motion.fps < 4.0


def test_knees_and_elbows_bend_only_their_way(clip):
    """Knees turn about +x; a left elbow about -y, a right one about +y, whatever the forearm's own roll."""
    _, motion = clip
    for joint in (4, 5):
        assert motion.rotations[:, joint, 0].min() > -0.01
        assert motion.rotations[:, joint, 1:].abs().max() < 0.01
    along = torch.tensor([1.0, 0.0, 0.0])
    for joint, sign in ((18, 1.0), (19, -1.0)):
        forearm = axis_angle_to_matrix(motion.rotations[:, joint]) @ (along * sign)
        assert forearm[:, 2].min() > -0.02, "the forearm comes to the front of the upper arm"


BODY = load_open_body()
PEOPLE = {
    "short legs": REST * torch.tensor([1.0, 0.8, 1.0]),
    "long legs": REST * torch.tensor([1.0, 1.15, 1.0]),
    "one of the bank": BODY.rest_joints(BODY.shapes[7]),
    "big feet": REST + 0.03 * torch.tensor([[0.0, 0, j in (10, 11)] for j in range(55)]),
}


@pytest.mark.parametrize("person", PEOPLE)
def test_other_proportions_stand_on_the_floor(clip, person):
    name, motion = clip
    joints = PEOPLE[person]
    speed = CLIPS[name].floor_speed * leg_scale(joints)
    for fitted in (ground(motion, joints), load_motion(name, rest_joints=joints)):
        height = sole_points(fitted, joints)[..., 1].amin(1) - floor_height(joints)
        assert height.min() > -0.005
        assert foot_sliding(fitted, joints, speed) < 0.03


def test_grounding_for_the_open_body_changes_little(clip):
    _, motion = clip
    grounded = ground(motion, REST)
    turned = axis_angle_to_matrix(grounded.rotations).mT @ axis_angle_to_matrix(motion.rotations)
    assert matrix_to_axis_angle(turned).norm(dim=-1).max() < 0.1
    assert (grounded.transl - motion.transl).abs().max() < 0.03


def test_grounding_keeps_jumps():
    motion = load_motion("jumping-jack")
    before = sole_points(motion, REST)[..., 1].amin(1)
    after = sole_points(ground(motion, REST), REST)[..., 1].amin(1)
    assert after.max() > before.max() - 0.005


def test_every_name_is_described_without_loading_torch():
    assert set(descriptions()) == set(names()) == set(CLIPS)
    code = "import sys, nopo.motions as m; assert m.names() and m.descriptions(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_treadmill_speed_is_that_of_the_feet():
    """Without the floor's speed the same feet would slide half a metre: the metric sees sliding."""
    assert foot_sliding(load_motion("walk"), REST, 0.0) > 0.5


def test_feet_of_the_open_body_keep_up_with_the_treadmill():
    """Clips are drawn in the size of this body's legs."""
    assert abs(leg_scale(REST) - 1) < 5e-4
    assert foot_sliding(load_motion("run"), REST, CLIPS["run"].floor_speed) < 0.002
    assert foot_sliding(load_motion("walk"), REST, CLIPS["walk"].floor_speed) < 0.016
