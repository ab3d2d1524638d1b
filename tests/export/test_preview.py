"""The preview: what gsplat.js, as Gradio starts it, would show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from splat_readers import read_ply, read_splat

from nopo.articulate import articulate
from nopo.avatar import Avatar
from nopo.export.preview import write_preview
from nopo.motions import load_motion

FOCAL_PX = 1132


def pixels(means: np.ndarray) -> np.ndarray:
    """Where points land, pixels right of and below the middle, for the camera that OrbitControls begins with."""
    side, above, radius = 0.5, 0.5, 5.0
    eye = radius * np.array([np.sin(side) * np.cos(above), -np.sin(above), -np.cos(side) * np.cos(above)])  # +y is down
    forward = -eye / radius
    right = np.cross([0, 1, 0], forward)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    seen = (means - eye) @ np.stack([right, down, forward]).T
    assert (seen[:, 2] > 0.1).all()
    return FOCAL_PX * seen[:, :2] / seen[:, 2:]


@pytest.fixture(scope="module")
def sparse(body_avatar) -> Avatar:
    """One Gaussian in nine of the body, coloured by its place."""
    g = body_avatar.gaussians
    pick = torch.arange(0, len(g), 9)
    return Avatar(g.select(pick), body_avatar.bone_weights[pick], body_avatar.rest_joints, "test")


@pytest.mark.parametrize(("suffix", "read"), [(".splat", read_splat), (".ply", read_ply)])
def test_first_view(tmp_path, sparse, suffix, read):
    path = write_preview(sparse, tmp_path / f"preview{suffix}")
    posed = articulate(sparse, load_motion("idle", rest_joints=sparse.rest_joints)[0])
    content = read(path)
    if suffix == ".splat":  # sorted by size: find each again by its colour, which is its place in the T-pose
        place = content.rgb
        colour = sparse.gaussians.sh[:, 0].numpy() * 0.28209479177387814 + 0.5
        order = np.square(place[:, None] - colour.clip(0, 1)).sum(-1).argmin(0)
        seen = pixels(content.means[order])
    else:
        seen = pixels(content.means)
    height = np.ptp(seen[:, 1])
    assert 320 < height < 420, "fills a viewer of 440 pixels"
    assert np.abs(seen).max() < 215 and abs(seen[:, 0].mean()) < 10, "in the middle"
    rest = posed.means.numpy()
    assert seen[rest[:, 1].argmax(), 1] < -120 and seen[rest[:, 1].argmin(), 1] > 120, "upright"
    assert seen[rest[:, 0].argmax(), 0] > 40 and seen[rest[:, 0].argmin(), 0] < -40, "the left hand is on the right"
    eye_to = 5 - content.means @ (np.array([np.sin(0.5), 0, -np.cos(0.5)]))
    front = eye_to if suffix == ".ply" else eye_to[order]
    assert front[rest[:, 2].argmax()] < front[rest[:, 2].argmin()], "the face looks at the camera"


def test_a_stray_does_not_shrink_the_person(tmp_path, sparse):
    g = sparse.gaussians
    means = g.means.clone()
    means[0] = 50
    write_preview(replace(sparse, gaussians=replace(g, means=means)), tmp_path / "preview.ply")
    assert 300 < np.ptp(np.sort(pixels(read_ply(tmp_path / "preview.ply").means[1:])[:, 1])) < 440
