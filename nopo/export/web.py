"""An avatar as one .html file that anybody can open: a viewer that turns it and plays its motions, data included.

Nothing is fetched from anywhere. Of a Gaussian the file holds, in little-endian blocks one after the other: the centre
as 3 uint16 of its box, the covariance as 6 float16 in square centimetres, colour and opacity as 4 bytes, the four
joints that move it most, with weights, as 8 bytes, and how far on in the list its six neighbours are as int32, for the
viewer to draw it out as `nopo.stretch` does; of a motion, translations as float32, quaternions (wxyz) as int16.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nopo import stretch
from nopo.articulate import Articulator
from nopo.avatar import Avatar
from nopo.body.skeleton import PARENTS, joint_weights_from_bones
from nopo.camera import framing_distance
from nopo.errors import ExportError
from nopo.files import partial_file, writing
from nopo.framing import solid
from nopo.gaussians import Gaussians
from nopo.harmonics import dc_to_rgb
from nopo.motion import Motion
from nopo.motions import load_motion, names
from nopo.rotations import axis_angle_to_quaternion

PAPER = (0.945, 0.937, 0.922)
"""sRGB behind the avatar, as on the page of the demo."""

FPS = 30
FOV_DEG = 30.0
AZIMUTH_DEG, ELEVATION_DEG = 20.0, 5.0
ROW = 1024
"""Gaussians in a row of the viewer's textures: blocks are padded to whole rows."""

JOINTS_EACH = 4
MOST_GAUSSIANS = 300_000
"""More are thinned out: files stay below some 10 MB, and phones keep up."""

_FAINTEST = 1 / 255
_FRAMED_POSES, _FRAMED_POINTS = 12, 1000
_NEARER_M = 0.2
"""How much nearer to the camera than the body's axis its head and feet may come."""


def write_html(avatar: Avatar, path: str | Path, *, motion: Motion | None = None) -> Path:
    """Write an avatar as a page of its own.

    Args:
        avatar: who.
        path: the file.
        motion: what it plays, again and again; without one the built-in motions, which are chosen on the page.

    Raises:
        ExportError: nothing is visible, or the place cannot be written.
    """
    path = Path(path)
    page = web_page(avatar, built_in(avatar) if motion is None else {"motion": motion})
    with partial_file(path) as partial, writing(path):
        partial.write_text(page, "utf-8")
    return path


def built_in(avatar: Avatar) -> dict[str, Motion]:
    """Every built-in motion for this avatar, by the name to show."""
    joints = avatar.rest_joints.cpu()
    return {name.replace("-", " "): load_motion(name, rest_joints=joints, fps=FPS) for name in names()}


def web_page(avatar: Avatar, motions: Mapping[str, Motion], title: str = "Avatar") -> str:
    """The whole text of the page.

    Args:
        avatar: who.
        motions: what it can play, by the names that are shown; the T-pose if empty.
        title: of the window.

    Raises:
        ExportError: nothing is visible.
    """
    avatar = thinned(_visible(avatar.to("cpu")))
    clips = dict(motions) or {"T-pose": Motion(torch.zeros(1, len(PARENTS), 3), torch.zeros(1, 3), 1)}
    count = len(avatar.gaussians)
    box, blocks = _cloud_blocks(avatar)
    for clip in clips.values():
        blocks += _motion_blocks(clip)
    scene = {
        "count": count,
        **box,
        "parents": list(PARENTS),
        "rest": _rounded(avatar.rest_joints),
        "motions": [_told(avatar, label, clip) for label, clip in clips.items()],
        "fov": FOV_DEG,
        "azimuth": AZIMUTH_DEG,
        "elevation": ELEVATION_DEG,
        "background": PAPER,
        "stretch": {
            "reach": stretch.REACH_M,
            "alike": stretch.ALIKE,
            "same": stretch.SAME,
            "stiffness": stretch.STIFFNESS,
            "most": stretch.MOST,
        },
    }
    packed = zlib.compress(b"".join(block.tobytes() for block in blocks), 6)
    viewer = resources.files("nopo.export") / "viewer"
    parts = {
        "TITLE": html.escape(title),
        "PAPER": "#" + "".join(f"{round(255 * channel):02x}" for channel in PAPER),
        "SCENE": json.dumps(scene, separators=(",", ":")).replace("<", "\\u003c"),
        "DATA": base64.b64encode(packed).decode("ascii"),
        "SCRIPT": (viewer / "viewer.js").read_text("utf-8"),
    }
    page = (viewer / "viewer.html").read_text("utf-8")
    return re.sub("@@([A-Z]+)@@", lambda found: parts[found[1]], page)


def _visible(avatar: Avatar) -> Avatar:
    """Without what would never be drawn."""
    cloud = avatar.gaussians
    finite = (
        cloud.means.isfinite().all(1) & cloud.covars.flatten(1).isfinite().all(1) & cloud.sh[:, 0].isfinite().all(1)
    )
    index = torch.nonzero(finite & (cloud.opacities > _FAINTEST)).squeeze(1)
    if len(index) == 0:
        raise ExportError("The avatar has nothing that can be seen; make it again from another photo.")
    return Avatar(cloud.select(index), avatar.bone_weights[index], avatar.rest_joints, avatar.model)


def thinned(avatar: Avatar, most: int = MOST_GAUSSIANS) -> Avatar:
    """At most so many of the Gaussians, chosen evenly by lot, and larger, so that they cover the same surface."""
    count = len(avatar.gaussians)
    if count <= most:
        return avatar
    index = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values
    few = avatar.gaussians.select(index)
    larger = replace(few, covars=few.covars * (count / most))
    return Avatar(larger, avatar.bone_weights[index], avatar.rest_joints, avatar.model)


def _cloud_blocks(avatar: Avatar) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the header says of the box, and the blocks of the Gaussians, padded to whole rows."""
    cloud = avatar.gaussians
    low = cloud.means.amin(0)
    grain = ((cloud.means.amax(0) - low) / 65535).clamp_min(1e-9)
    means = ((cloud.means - low) / grain).round().clamp(0, 65535).numpy().astype("<u2")  # [N, 3]
    covars = (cloud.covars * 1e4).clamp(-65000, 65000).numpy().astype("<f2")  # [N, 3, 3] cm²
    shown = torch.cat([dc_to_rgb(cloud.sh[:, 0]), cloud.opacities[:, None]], 1).clamp(0, 1)  # [N, 4]
    neighbours = _neighbours(avatar)
    joints, weights = _strongest(avatar, neighbours)
    blocks = [
        means,
        covars[:, 0, :],  # xx xy xz
        np.stack([covars[:, 1, 1], covars[:, 1, 2], covars[:, 2, 2]], 1),  # yy yz zz
        (255 * shown).round().numpy().astype(np.uint8),
        joints,
        weights,
        (neighbours - torch.arange(len(means))[:, None]).numpy().astype("<i4"),
    ]
    missing = -len(means) % ROW
    padded = [np.concatenate([block, np.zeros((missing, block.shape[1]), block.dtype)]) for block in blocks]
    return {"low": low.tolist(), "grain": grain.tolist()}, padded


def _neighbours(avatar: Avatar) -> Tensor:
    """The Gaussians [N, 6] beside each, which it is drawn out by; itself where there are none, or in another body."""
    if avatar.on_smplx:
        return torch.arange(len(avatar.gaussians))[:, None].expand(-1, stretch.NEIGHBOURS)
    return stretch.neighbours_of(avatar.gaussians.means)[0]


def _strongest(avatar: Avatar, neighbours: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The joints [N, 4] that move each Gaussian most, and their weights [N, 4] in 255ths, which add up to 255.

    Where fewer move it, the rest are those that move its neighbours, with a weight of 0.
    """
    every = joint_weights_from_bones(avatar.bone_weights)
    beside = torch.stack([every[one] for one in neighbours.T]).mean(0)
    joints = (every + 1e-5 * beside).topk(JOINTS_EACH, dim=1).indices
    weights = every.gather(1, joints)
    parts = weights / weights.sum(1, keepdim=True) * 255
    whole = parts.floor()
    left = (255 - whole.sum(1)).long()  # 0 to 3, for those that lost most by rounding down
    rank = (whole - parts).argsort(1).argsort(1)
    whole += rank < left[:, None]
    return joints.numpy().astype(np.uint8), whole.numpy().astype(np.uint8)


def _motion_blocks(motion: Motion) -> list[np.ndarray]:
    turns = axis_angle_to_quaternion(motion.rotations.cpu())  # [T, 55, 4]
    return [motion.transl.cpu().numpy().astype("<f4"), (turns * 32767).round().numpy().astype("<i2")]


def _told(avatar: Avatar, label: str, motion: Motion) -> dict[str, Any]:
    """What the header says of a motion, with how far the camera must stand to see its width, and its height."""
    few = torch.nonzero(solid(avatar.gaussians)).squeeze(1)
    few = few[:: max(1, len(few) // _FRAMED_POINTS)]
    cloud: Gaussians = avatar.gaussians.select(few)
    person = Articulator(Avatar(cloud, avatar.bone_weights[few], avatar.rest_joints, avatar.model))
    poses = range(0, len(motion), max(1, len(motion) // _FRAMED_POSES))
    points = torch.cat([person.pose(motion[frame]).means for frame in poses])
    center = (points.amin(0) + points.amax(0)) / 2
    flat = torch.stack([points[:, 0], center[1].expand(len(points)), points[:, 2]], 1)  # [M, 3]
    thin = torch.stack([center[0].expand(len(points)), points[:, 1], center[2].expand(len(points))], 1)
    _, wide = framing_distance(flat, fov_deg=FOV_DEG)
    _, tall = framing_distance(thin, elevation_deg=ELEVATION_DEG, fov_deg=FOV_DEG)
    return {
        "name": label,
        "fps": motion.fps,
        "frames": len(motion),
        "loop": motion.loop,
        "center": center.tolist(),
        "wide": wide,
        "tall": tall + _NEARER_M,
    }


def _rounded(points: torch.Tensor) -> list[list[float]]:
    return [[round(value, 6) for value in point] for point in points.tolist()]
