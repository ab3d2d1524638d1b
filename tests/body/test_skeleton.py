import torch

from nopo.body import skeleton


def test_tree_is_the_one_of_smplx():
    assert len(skeleton.JOINT_NAMES) == len(set(skeleton.JOINT_NAMES)) == skeleton.NUM_JOINTS == 55
    assert skeleton.LEAVES == (10, 11, 22, 23, 24, 27, 30, 33, 36, 39, 42, 45, 48, 51, 54)
    assert len(skeleton.BONES) == skeleton.NUM_BONES == 69
    name = skeleton.JOINT_NAMES
    assert [name[p] for p in (skeleton.PARENTS[j] for j in (17, 22, 39, 52))] == [
        "right_collar", "head", "left_thumb2", "right_wrist",
    ]  # fmt: skip


def test_bones_are_edges_then_leaves():
    for k, (near, far) in enumerate(skeleton.BONES):
        if far is None:
            assert near == skeleton.LEAVES[k - 54]
        else:
            assert far == k + 1 and skeleton.PARENTS[far] == near


def test_flips_match_the_published_order(golden_lbs):
    assert tuple(golden_lbs["joint_flip"].tolist()) == skeleton.JOINT_FLIP
    assert tuple(golden_lbs["bone_flip"].tolist()) == skeleton.BONE_FLIP


def test_flipping_twice_changes_nothing_and_respects_the_tree():
    for flip in (skeleton.JOINT_FLIP, skeleton.BONE_FLIP):
        assert [flip[i] for i in flip] == list(range(len(flip)))
    for joint, parent in enumerate(skeleton.PARENTS[1:], 1):
        assert skeleton.PARENTS[skeleton.JOINT_FLIP[joint]] == skeleton.JOINT_FLIP[parent]


def test_joint_weights_match_the_original(golden_lbs):
    bones = golden_lbs["bone_logits"].softmax(-1)
    torch.testing.assert_close(skeleton.joint_weights_from_bones(bones), golden_lbs["joint_weights"], atol=5e-6, rtol=0)


def test_joint_weights_are_the_sums_of_the_bones_up_to_the_floor():
    bones = torch.softmax(3 * torch.randn(4, 50, 69, generator=torch.Generator().manual_seed(0)), -1)
    exact, floored = skeleton.sum_bones_to_joints(bones), skeleton.joint_weights_from_bones(bones)
    torch.testing.assert_close(exact.sum(-1), torch.ones(4, 50))
    torch.testing.assert_close(floored.sum(-1), torch.ones(4, 50))
    assert (exact - floored).abs().max() < 6e-5


def test_joint_weights_of_one_bone_leak_less_than_a_ten_thousandth():
    one = torch.zeros(69)
    one[17] = 1.0
    weights = skeleton.joint_weights_from_bones(one)
    assert weights.argmax() == skeleton.BONES[17][0]
    assert 0 < 1 - weights.max() < 1e-4
