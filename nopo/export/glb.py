"""A skinned .glb: the avatar's body mesh with a baked texture, its 55 joints, and a motion if there is one.

Opens in Blender, game engines and glTF viewers. glTF's world is ours: metres, +y up, facing +z. The skeleton has the
SMPL-X joint names and no rest rotations, so that any SMPL-X motion fits its nodes as it is.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nopo import __version__
from nopo.avatar import Avatar
from nopo.body.skeleton import JOINT_NAMES, PARENTS, joint_weights_from_bones
from nopo.export.gltf import INDICES, VERTICES, Document
from nopo.export.mesh import SkinnedMesh, body_mesh
from nopo.export.outline import follow_outline
from nopo.export.splats import visible_index
from nopo.export.texture import bake_texture
from nopo.files import partial_file, writing
from nopo.motion import Motion, Pose
from nopo.progress import Progress, silent
from nopo.rotations import axis_angle_to_quaternion

TEXTURE_SIZE = 1024
JPEG_QUALITY = 95
INFLUENCES = 4  # joints a vertex; what every engine and viewer reads
STILL_RAD = 1e-5
"""A rotation that stays this close to the pose of the nodes needs no track."""


def write_glb(
    avatar: Avatar,
    path: str | Path,
    *,
    motion: Motion | None = None,
    pose: Pose | None = None,
    smplx: str | Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a skinned mesh with a texture.

    Args:
        avatar: who.
        path: the file; it appears when it is complete.
        motion: becomes the animation; none without it.
        pose: how the skeleton stands while nothing is played; the T-pose, which is also the bind pose, if None.
        smplx: as in `nopo.export.formats.export`.
        progress: told what is done, as stages "mesh" and "texture".

    Returns:
        `path`.

    Raises:
        ExportError: nothing is visible, the file cannot be written, or the avatar stands on SMPL-X, whose files were
            not found.
    """
    path = Path(path)
    avatar = avatar.to("cpu")
    with torch.inference_mode():
        progress("mesh", 0, 1)
        visible = visible_index(avatar.gaussians)
        cloud, weights = avatar.gaussians.select(visible), joint_weights_from_bones(avatar.bone_weights[visible])
        mesh = follow_outline(body_mesh(avatar, smplx), avatar.rest_joints, cloud, weights)
        progress("mesh", 1, 1)
        texture = bake_texture(mesh, cloud, weights, TEXTURE_SIZE, progress)
        content = glb_bytes(mesh, texture, avatar.rest_joints, motion=motion, pose=pose, model=avatar.model)
    with partial_file(path) as partial, writing(path):
        partial.write_bytes(content)
    return path


def glb_bytes(
    mesh: SkinnedMesh,
    texture: np.ndarray,
    rest_joints: Tensor,
    *,
    motion: Motion | None = None,
    pose: Pose | None = None,
    model: str = "",
) -> bytes:
    """A skinned mesh as the content of a .glb file.

    Args:
        mesh: V vertices in the T-pose of `rest_joints`.
        texture: (H, W, 3) uint8 sRGB, row 0 at v = 1.
        rest_joints: (55, 3) metres.
        motion: as in `write_glb`.
        pose: as in `write_glb`.
        model: which model made the avatar, noted in the file.
    """
    document = Document(f"nopo {__version__}")
    document.tree["asset"]["extras"] = {"model": model}
    joints = _add_skeleton(document, rest_joints, pose or Pose.rest())
    bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    bind[:, :3, 3] = -rest_joints.numpy()
    skin = document.add("skins", {"joints": joints, "inverseBindMatrices": document.add_array(bind), "skeleton": 0})
    body = {"name": "body", "mesh": _add_mesh(document, mesh, _add_material(document, texture)), "skin": skin}
    # A skinned mesh belongs at the root: only its joints place it.
    document.tree["scenes"] = [{"name": "avatar", "nodes": [joints[0], document.add("nodes", body)]}]
    document.tree["scene"] = 0
    if motion is not None:
        _add_motion(document, motion, rest_joints, pose or Pose.rest())
    return document.to_bytes()


def _add_skeleton(document: Document, rest_joints: Tensor, pose: Pose) -> list[int]:
    """A node for every joint, at its place relative to its parent; node j is joint j."""
    offsets = rest_joints.clone()
    offsets[1:] -= rest_joints[list(PARENTS[1:])]
    offsets[0] += pose.transl
    quats = _xyzw(pose.rotations).tolist()
    for joint, name in enumerate(JOINT_NAMES):
        node = {"name": name, "translation": offsets[joint].tolist(), "rotation": quats[joint]}
        children = [child for child, parent in enumerate(PARENTS) if parent == joint]
        document.add("nodes", node | ({"children": children} if children else {}))
    return list(range(len(JOINT_NAMES)))


def _add_material(document: Document, texture: np.ndarray) -> int:
    """A material without lighting: the photos' light is in the colours already; rough where "unlit" is not known."""
    from PIL import Image

    jpeg = io.BytesIO()
    Image.fromarray(texture).save(jpeg, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    view = document.add_bytes(jpeg.getvalue())
    image = document.add("images", {"name": "colour", "mimeType": "image/jpeg", "bufferView": view})
    sampler = document.add("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
    colour = {"index": document.add("textures", {"source": image, "sampler": sampler})}
    document.tree["extensionsUsed"] = ["KHR_materials_unlit"]
    return document.add(
        "materials",
        {
            "name": "avatar",
            "pbrMetallicRoughness": {"baseColorTexture": colour, "metallicFactor": 0.0, "roughnessFactor": 1.0},
            "extensions": {"KHR_materials_unlit": {}},
            "doubleSided": True,  # between the lips one looks into the head, not through it
        },
    )


def _add_mesh(document: Document, mesh: SkinnedMesh, material: int) -> int:
    """The triangles; a vertex on a seam of the texture appears once for each of its places there."""
    pairs = torch.stack([mesh.faces.flatten(), mesh.uv_faces.flatten()], 1)
    pairs, corner = pairs.unique(dim=0, return_inverse=True)  # [P, 2], [3 F]
    of_vertex, of_uv = pairs.unbind(1)
    joints, weights = strongest_joints(mesh.joint_weights)
    uvs = mesh.uvs * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])  # glTF's v grows downwards
    attributes = {
        "POSITION": document.add_array(mesh.vertices[of_vertex].numpy(), VERTICES, bounds=True),
        "NORMAL": document.add_array(mesh.normals[of_vertex].numpy(), VERTICES),
        "TEXCOORD_0": document.add_array(uvs[of_uv].numpy(), VERTICES),
        "JOINTS_0": document.add_array(joints[of_vertex].numpy().astype(np.uint8), VERTICES),
        "WEIGHTS_0": document.add_array(weights[of_vertex].numpy(), VERTICES),
    }
    small = len(pairs) < 65_535
    indices = document.add_array(corner.numpy().astype(np.uint16 if small else np.uint32), INDICES)
    return document.add(
        "meshes",
        {"name": "body", "primitives": [{"attributes": attributes, "indices": indices, "material": material}]},
    )


def strongest_joints(joint_weights: Tensor) -> tuple[Tensor, Tensor]:
    """The four joints that move each vertex most: [V, 55] -> joints [V, 4] and weights [V, 4] that sum to 1.

    A joint without weight is joint 0, as glTF wants it.
    """
    weights, joints = joint_weights.topk(INFLUENCES, dim=1)
    weights = weights / weights.sum(1, keepdim=True)
    return torch.where(weights > 0, joints, 0), weights


def _add_motion(document: Document, motion: Motion, rest_joints: Tensor, pose: Pose) -> None:
    """The animation: a rotation track for every joint that leaves its pose, and where the pelvis is."""
    rotations, transl = motion.rotations.cpu().float(), motion.transl.cpu().float()
    if motion.loop:  # players repeat from the last key to the first: give them the way back
        rotations, transl = torch.cat([rotations, rotations[:1]]), torch.cat([transl, transl[:1]])
    times = document.add_array(np.arange(len(rotations), dtype=np.float32) / np.float32(motion.fps), bounds=True)
    quats = _without_flips(_xyzw(rotations))  # [T, 55, 4]
    still = _xyzw(pose.rotations)  # [55, 4]
    away = 2 * torch.minimum((quats - still).norm(dim=-1), (quats + still).norm(dim=-1))  # [T, 55] radians
    tracks = [(j, "rotation", quats[:, j]) for j in (away > STILL_RAD).any(0).nonzero()[:, 0].tolist()]
    tracks.append((0, "translation", rest_joints[0] + transl))
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for joint, what, values in tracks:
        output = document.add_array(values.contiguous().numpy())
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": what}})
        samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
    document.add("animations", {"name": "motion", "samplers": samplers, "channels": channels})


def _xyzw(axis_angle: Tensor) -> Tensor:
    """Unit quaternions [..., 4] in glTF's order from axis-angles [..., 3]."""
    return torch.nn.functional.normalize(axis_angle_to_quaternion(axis_angle.double()), dim=-1).roll(-1, -1).float()


def _without_flips(quats: Tensor) -> Tensor:
    """Each track [T, ...] in one hemisphere from key to key: q and -q are one rotation, but not the way between."""
    turned = (quats[1:] * quats[:-1]).sum(-1) < 0  # [T - 1, ...]
    sign = torch.cat([torch.ones_like(quats[:1, ..., 0]), 1 - 2 * turned.to(quats.dtype)]).cumprod(0)
    return quats * sign[..., None]
