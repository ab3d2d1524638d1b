"""A rigged archive: the Gaussians, the skeleton, the weights, and how to skin with them, for anybody's program.

There is no standard for rigged Gaussians. This one needs nothing but a .ply reader and numpy: `numpy.load` opens the
.zip itself, and its README.txt is a program.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import torch

from nopo.avatar import Avatar
from nopo.body.skeleton import BONES, JOINT_NAMES, NUM_JOINTS, PARENTS, joint_weights_from_bones
from nopo.export.gaussian_ply import write_ply_to
from nopo.export.rigged_readme import README
from nopo.export.splats import checked_degree, visible_index
from nopo.files import partial_file, writing
from nopo.motion import Motion
from nopo.progress import Progress, silent
from nopo.rotations import axis_angle_to_matrix


def write_rigged(
    avatar: Avatar,
    path: str | Path,
    *,
    motion: Motion | None = None,
    sh_degree: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the archive; the README.txt in it says what it holds.

    Args:
        avatar: who.
        path: the .zip.
        motion: put it in, too.
        sh_degree: highest degree of the harmonics, 0 to 3; all there are, up to 3, if None.
        progress: told of each of the files in it.

    Raises:
        ExportError: nothing is visible, a wrong degree, or a place that cannot be written.
    """
    path = Path(path)
    degree = checked_degree(avatar.gaussians, sh_degree)
    index = visible_index(avatar.gaussians)
    arrays = _arrays(avatar, index, motion)
    steps = len(arrays) + 3
    progress("export", 0, steps)
    with (
        partial_file(path) as partial,
        writing(path),
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr("README.txt", _readme(path.name, motion))
        progress("export", 1, steps)
        archive.writestr("skeleton.json", json.dumps(_skeleton(avatar, motion), indent=1))
        progress("export", 2, steps)
        with archive.open("gaussians.ply", "w", force_zip64=True) as file:
            write_ply_to(file, avatar.gaussians, index, degree)
        progress("export", 3, steps)
        for number, (name, array) in enumerate(arrays.items()):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
            progress("export", 4 + number, steps)
    return path


def _readme(name: str, motion: Motion | None) -> str:
    still = {"rotations": "np.tile(np.eye(3), (55, 1, 1))", "transl": "np.zeros(3)"}
    moving = {"rotations": 'rig["motion_rotations"][0]', "transl": 'rig["motion_transl"][0]'}
    return README.substitute(file=name, **(still if motion is None else moving))


def _arrays(avatar: Avatar, index: torch.Tensor, motion: Motion | None) -> dict[str, np.ndarray]:
    """What the archive holds as .npy, by name."""
    bone_weights = avatar.bone_weights[index]
    bind_pose = torch.eye(4).repeat(NUM_JOINTS, 1, 1)  # [55, 4, 4]
    bind_pose[:, :3, 3] = avatar.rest_joints.cpu()
    tensors = {
        "joint_weights": joint_weights_from_bones(bone_weights),
        "bone_weights": bone_weights,
        "rest_joints": avatar.rest_joints,
        "bind_pose": bind_pose,
    }
    if motion is not None:
        tensors["motion_rotations"] = axis_angle_to_matrix(motion.rotations)
        tensors["motion_transl"] = motion.transl
    arrays = {name: tensor.detach().cpu().float().contiguous().numpy() for name, tensor in tensors.items()}
    arrays["joint_names"] = np.array(JOINT_NAMES)
    arrays["joint_parents"] = np.array(PARENTS)
    arrays["bone_joints"] = np.array([near for near, _ in BONES])
    if motion is not None:
        arrays["motion_fps"] = np.array(motion.fps)
    return arrays


def _skeleton(avatar: Avatar, motion: Motion | None) -> dict[str, object]:
    """The joints for programs that read no .npy."""
    places = avatar.rest_joints.cpu().tolist()
    joints = [
        {"name": name, "parent": parent, "position": place}
        for name, parent, place in zip(JOINT_NAMES, PARENTS, places, strict=True)
    ]
    return {
        "format": "nopo-rig/1",
        "model": avatar.model,
        "unit": "metre",
        "up": "+y",
        "forward": "+z",
        "joints": joints,
        "motion": None if motion is None else {"frames": len(motion), "fps": motion.fps, "loop": motion.loop},
    }
