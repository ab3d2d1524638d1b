"""A copy of the avatar for Gradio's Model3D, which shows splats from a camera that cannot be set.

Gradio 6 hands a file of splats to gsplat.js, whose camera begins 5 units from the origin, half a radian to the side and
half a radian above it, with +y down; it draws constant colours only. So the person is put where that camera looks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nopo.articulate import articulate
from nopo.avatar import Avatar
from nopo.export.gaussian_ply import write_ply
from nopo.export.splat_file import write_splat
from nopo.export.y_down import turned_over
from nopo.framing import Framed
from nopo.gaussians import Gaussians
from nopo.motions import load_motion
from nopo.rotations import axis_angle_to_matrix

SIDE_RAD = 0.5
"""Where the camera begins, around the vertical axis."""

EXTENT = 1.75
"""Height of a standing person in the viewer's units: some 350 pixels on any canvas (its focal length is 1132)."""


def write_preview(avatar: Avatar, path: str | Path) -> Path:
    """Write the avatar with relaxed arms, upright, in the middle of Model3D's first view and facing it.

    Axes, place and size are the viewer's, not the avatar's; to keep an avatar, `export` it.

    Args:
        avatar: who.
        path: a .splat, or a .ply, which is twice as large.

    Raises:
        ExportError: nothing is visible, or a place that cannot be written.
    """
    posed = articulate(avatar, load_motion("idle", rest_joints=avatar.rest_joints)[0])
    placed = _before_the_camera(posed, Framed(avatar, "whole").points(posed))
    if Path(path).suffix.lower() == ".ply":
        return write_ply(placed, path, sh_degree=0)
    return write_splat(placed, path)


def _before_the_camera(gaussians: Gaussians, body: Tensor) -> Gaussians:
    """The Gaussians, moved to where gsplat.js looks; `body` (M, 3) are the points that it shall show whole."""
    low, high = body.amin(0), body.amax(0)
    scale = float(EXTENT / (high - low).amax().clamp_min(1e-6))
    centred = turned_over(replace(gaussians, means=gaussians.means - (low + high) / 2))
    turn = scale * axis_angle_to_matrix(torch.tensor([0.0, -SIDE_RAD, 0.0])).to(gaussians.means)  # [3, 3]
    return replace(centred, means=centred.means @ turn.T, covars=turn @ centred.covars @ turn.T)
