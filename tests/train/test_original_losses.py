"""The original's training losses, on the values that were recorded of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nopo.body.kinematics import bone_shape_warp, forward_kinematics, published_axis_angle_to_matrix
from nopo.body.skeleton import joint_weights_from_bones
from nopo.train.original_losses import (
    CHUNK,
    OriginalWeights,
    chamfer_loss,
    picture_loss,
    projection_loss,
    skinning_loss,
)

DATA = Path(__file__).parents[1] / "data"
POSES = [1, 2]  # of golden_lbs.npz, of the two photos
SIDE = 32  # of the photos, pixels
WEIGHTS = OriginalWeights()


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    files = ("golden_losses", "golden_metrics", "golden_scene_b")
    tensors = {}
    for file in files:
        with np.load(DATA / f"{file}.npz") as archive:
            tensors |= {name: torch.from_numpy(archive[name]) for name in archive.files}
    with np.load(DATA / "golden_lbs.npz") as archive:
        tensors |= {name: torch.from_numpy(archive[name]) for name in ("template_joints", "subject_joints", "poses")}
    return tensors


def test_picture_loss(golden):
    loss = WEIGHTS.picture * picture_loss(golden["loss.pred"], golden["loss.image"])
    torch.testing.assert_close(loss, golden["loss.mse"], rtol=1e-6, atol=0)


def test_chamfer_loss(golden):
    view = golden["loss.idx"][:, 0]
    photos, template = golden["means"][view > 0], golden["means"][view == 0]
    for both_ways, name in ((True, "loss.chamfer"), (False, "loss.chamfer_single")):
        loss = WEIGHTS.chamfer * chamfer_loss(photos, template, both_ways=both_ways)
        torch.testing.assert_close(loss, golden[name], rtol=2e-6, atol=0)


def test_chamfer_moves_the_photos_gaussians_only_and_works_in_chunks():
    generator = torch.Generator().manual_seed(0)
    photos = torch.rand(CHUNK + 7, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    template = torch.rand(50, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    squared = (photos[:, None] - template).square().sum(-1)  # the definition, all pairs at once
    expected = squared.amin(1).mean() + squared.amin(0).mean()
    loss = chamfer_loss(photos, template)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert template.grad is None
    moved = photos.grad.clone()
    photos.grad = None
    expected.backward()
    torch.testing.assert_close(moved, photos.grad)


def projection_arguments(golden) -> dict:
    pixels = golden["loss.idx"].long()
    own = pixels[:, 0] > 0
    bone_weights = golden["bone_logits"][own].softmax(-1)
    joints = golden["subject_joints"]
    return {
        "means": golden["means"][own],
        "bone_weights": bone_weights,
        "joint_weights": joint_weights_from_bones(bone_weights),
        "pixels": pixels[own] - torch.tensor([1, 0, 0]),
        "bone_transforms": bone_shape_warp(golden["template_joints"], joints, "identity"),
        "joint_transforms": forward_kinematics(published_axis_angle_to_matrix(golden["poses"][POSES]), joints),
        "viewmats": torch.linalg.inv(golden["loss.c2w"]),
        "Ks": (golden["loss.K"] * torch.tensor([[SIDE], [SIDE], [1]])).expand(2, 3, 3),
        "size": (SIDE, SIDE),
    }


def test_projection_loss(golden):
    loss = WEIGHTS.projection * projection_loss(**projection_arguments(golden))
    torch.testing.assert_close(loss, golden["loss.projection"], rtol=5e-6, atol=0)


def test_projection_is_bounded(golden):
    arguments = projection_arguments(golden)
    assert projection_loss(**arguments | {"means": arguments["means"] + torch.tensor([50.0, 0, 0])}) == 1


def test_skinning_loss(golden):
    weights = golden["loss.pred_log_weights"].float().softmax(-1)
    truth = golden["loss.gt_lbs"].float().flatten(0, 2)
    loss = WEIGHTS.skinning * skinning_loss(weights, truth, golden["loss.mask"].flatten())
    torch.testing.assert_close(loss, golden["loss.lbs_weights"], rtol=2e-6, atol=0)


def test_skinning_loss_is_least_where_the_weights_are_right():
    truth = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]])
    mask = torch.tensor([1.0, 0.5, 1.0])
    right, wrong = (
        torch.tensor(x).clamp(1e-6, 1) for x in ([[0.5, 0.5], [1, 0], [0, 1]], [[0.9, 0.1], [1, 0], [0, 1]])
    )
    assert skinning_loss(right, truth, mask) < skinning_loss(wrong, truth, mask)
    unknown = wrong.clone()
    unknown[2] = 0.5
    assert skinning_loss(unknown, truth, mask) == skinning_loss(wrong, truth, mask), "no truth, no opinion"
