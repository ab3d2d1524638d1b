"""SMPL-X from the user's own files, for the published checkpoints.

The files are licensed to each user for non-commercial research and never shipped. Linear blend skinning comes from the
`smplx` package (Max Planck Society, non-commercial licence too), which nothing else in the project imports. The arrays
are read with pickles switched off: the package's own loader would run whatever code a file carries.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nopo.body.skeleton import NUM_JOINTS, PARENTS
from nopo.body.template import Template, make_template, rasterize_atlas
from nopo.errors import BodyError, DependencyError, ExportError
from nopo.files import partial_file, writing

LOGGER = logging.getLogger(__name__)

Gender = Literal["neutral", "male", "female"]
Hands = Literal["mean", "flat"]

REGISTRATION = "https://smpl-x.is.tue.mpg.de"
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "weights" / "smplx"
UV_NAME = "smplx_uv.obj"
NUM_BETAS = 10
_HAND_JOINTS = 15
_SHAPES: dict[str, tuple[int, ...]] = {
    "v_template": (-1, 3),
    "shapedirs": (-1, 3, -1),
    "J_regressor": (NUM_JOINTS, -1),
    "weights": (-1, NUM_JOINTS),
    "f": (-1, 3),
    "kintree_table": (2, NUM_JOINTS),
    "hands_meanl": (45,),
    "hands_meanr": (45,),
}


@dataclass(frozen=True, eq=False)
class SmplxBody:
    """See `nopo.body.model.BodyModel`; a shape is the first 10 betas.

    Attributes:
        hand_means: [30, 3] axis-angles of the mean pose of the left hand's, then the right hand's joints.
        folder: where its files lie, for the template.
    """

    mean: Tensor  # [V, 3] m
    basis: Tensor  # [V, 3, 10] m
    joint_regressor: Tensor  # [55, V]
    joint_weights: Tensor  # [V, 55]
    faces: Tensor  # [F, 3]
    hand_means: Tensor  # [30, 3]
    folder: Path
    name: str = field(default="smplx-neutral")

    @property
    def num_shapes(self) -> int:
        """The number of betas."""
        return self.basis.shape[-1]

    def vertices(self, shape: Tensor | None = None) -> Tensor:
        """Surface [..., V, 3] of the T-pose with flat hands, metres, for betas [..., 10]."""
        if shape is None:
            return self.mean
        return self.mean + torch.einsum("...k,vck->...vc", shape, self.basis)

    def rest_joints(self, shape: Tensor | None = None, hands: Hands = "mean") -> Tensor:
        """T-pose joints [..., 55, 3] in metres for betas [..., 10].

        With hands="mean" the fingers are bent as in the model's mean hand, which is what `smplx.SMPLX()` gives by
        default and what the published checkpoints were trained with, although their surface has flat hands.
        """
        from_smplx = _smplx_lbs()
        joints = from_smplx.vertices2joints(self.joint_regressor, self.vertices(shape).reshape(-1, *self.mean.shape))
        if hands == "mean":
            pose = torch.zeros(NUM_JOINTS, 3).to(joints)
            pose[-2 * _HAND_JOINTS :] = self.hand_means
            turns = from_smplx.batch_rodrigues(pose).expand(len(joints), NUM_JOINTS, 3, 3)
            parents = torch.tensor(PARENTS, device=joints.device)
            joints, _ = from_smplx.batch_rigid_transform(turns, joints, parents, dtype=joints.dtype)
        return joints.reshape(*(() if shape is None else shape.shape[:-1]), NUM_JOINTS, 3)

    def template(self, size: int) -> Template:
        """Template maps of `smplx_uv.obj` with this body's skinning weights; see `smplx_template`."""
        return smplx_template(self, size)


def full_pose(
    root: Tensor, body: Tensor, jaw: Tensor, left_eye: Tensor, right_eye: Tensor, left_hand: Tensor, right_hand: Tensor
) -> Tensor:
    """Join the parts of a SMPL-X pose into rotations [..., 55, 3].

    Args:
        root: [..., 3] axis-angle, radians, as all of them.
        body: [..., 63].
        jaw: [..., 3].
        left_eye: [..., 3].
        right_eye: [..., 3].
        left_hand: [..., 45] of a model with flat hands and without PCA, as motion files carry them.
        right_hand: [..., 45].
    """
    parts = {"root": (root, 3), "body": (body, 63), "jaw": (jaw, 3), "left_eye": (left_eye, 3),
             "right_eye": (right_eye, 3), "left_hand": (left_hand, 45), "right_hand": (right_hand, 45)}  # fmt: skip
    for name, (part, count) in parts.items():
        if part.shape[-1] != count:
            raise BodyError(f"The {name} pose needs {count} numbers, not {part.shape[-1]}.")
    return torch.cat([part for part, _ in parts.values()], -1).unflatten(-1, (NUM_JOINTS, 3))


def find_smplx(folder: str | Path | None = None) -> Path:
    """The folder of the user's SMPL-X files: the argument, else NOPO_SMPLX, else weights/smplx."""
    return Path(folder or os.environ.get("NOPO_SMPLX") or DEFAULT_FOLDER).expanduser()


def missing_smplx(folder: str | Path | None = None) -> list[str]:
    """Which files the published checkpoints need that are not there; see `find_smplx`."""
    return [name for name in ("SMPLX_MALE.npz", UV_NAME) if not (find_smplx(folder) / name).is_file()]


def load_smplx(gender: Gender = "neutral", folder: str | Path | None = None) -> SmplxBody:
    """Read SMPLX_NEUTRAL.npz, SMPLX_MALE.npz or SMPLX_FEMALE.npz (never the .pkl).

    Args:
        gender: which of the three.
        folder: where they are; see `find_smplx`.

    Raises:
        BodyError: the file is missing, damaged or another model.
        DependencyError: the `smplx` package is missing.
    """
    _smplx_lbs()
    folder = find_smplx(folder)
    path = folder / f"SMPLX_{gender.upper()}.npz"
    if not path.is_file():
        raise BodyError(
            f"There is no {path.name}: register at {REGISTRATION}, download the SMPL-X model files (NPZ) and put them "
            "into weights/smplx, or name their folder with --smplx or NOPO_SMPLX."
        )
    data = _read_arrays(path)
    hand_means = np.concatenate([data["hands_meanl"], data["hands_meanr"]]).reshape(-1, 3)
    arrays = (data["v_template"], data["shapedirs"][..., :NUM_BETAS], data["J_regressor"], data["weights"])
    mean, basis, regressor, weights = (torch.from_numpy(array.astype(np.float32)) for array in arrays)
    return SmplxBody(
        mean=mean,
        basis=basis,
        joint_regressor=regressor,
        joint_weights=weights,
        faces=torch.from_numpy(data["f"].astype(np.int64)),
        hand_means=torch.from_numpy(hand_means.astype(np.float32)),
        folder=folder,
        name=f"smplx-{gender}",
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in _SHAPES}
    except KeyError as error:
        raise BodyError(f"{path.name} has no {error.args[0].split()[0]}: it is not a SMPL-X model.") from error
    except Exception as error:  # noqa: BLE001 (numpy, zipfile and zlib each have their own way to say "damaged")
        raise BodyError(
            f"{path.name} is damaged or not a SMPL-X .npz; download it again from {REGISTRATION}."
        ) from error
    count = len(data["v_template"])
    for name, shape in _SHAPES.items():
        actual = data[name].shape
        if len(actual) != len(shape) or any(want not in (-1, got) for want, got in zip(shape, actual, strict=True)):
            raise BodyError(f"{path.name} is not a SMPL-X model: its {name} has the shape {actual}.")
    sizes = {len(data["shapedirs"]), data["J_regressor"].shape[1], len(data["weights"])}
    if sizes != {count} or data["f"].max() >= count or data["shapedirs"].shape[2] < NUM_BETAS:
        raise BodyError(f"{path.name} is not a SMPL-X model: its arrays do not fit each other.")
    if tuple(data["kintree_table"][0, 1:].astype(int)) != PARENTS[1:]:
        raise BodyError(f"{path.name} is not a SMPL-X model: its joints form another tree.")
    return data


def smplx_template(body: SmplxBody, size: int, uv_path: str | Path | None = None) -> Template:
    """The template maps of the published checkpoints: `smplx_uv.obj` with the skinning weights of a body (the male).

    Made once and kept beside the model files, under a name that changes with their content.

    Args:
        body: its skinning weights are laid out; the published checkpoints use those of the male body.
        size: texels of a side, 256, 512 or 1024 in the published checkpoints.
        uv_path: `smplx_uv.obj`; by default the one beside the model files.

    Raises:
        BodyError: no such file, or one that does not belong to the body.
    """
    path = Path(uv_path) if uv_path else body.folder / UV_NAME
    text = _read_text(path)
    digest = hashlib.sha256(text + body.joint_weights.numpy().tobytes()).hexdigest()[:16]
    cached = body.folder / f"template_{size}_{digest}.npz"
    if (kept := _read_template(cached)) is not None:
        return kept
    vertices, faces, uvs, uv_faces = read_uv_map(body, path)
    template = make_template(rasterize_atlas(uvs, uv_faces, size), faces, vertices, body.joint_weights)
    _write_template(template, cached)
    return template


def read_uv_map(body: SmplxBody, path: Path | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mesh of `smplx_uv.obj`: vertices [V, 3], faces [F, 3], texture coordinates [U, 2] and their faces [F, 3].

    Args:
        body: the model that it lays out.
        path: `smplx_uv.obj`; by default the one beside the model files.

    Raises:
        BodyError: no such file, or one that does not belong to the body.
    """
    path = path or body.folder / UV_NAME
    vertices, faces, uvs, uv_faces = _read_obj(_read_text(path).decode("utf-8", "replace"), path.name)
    if len(vertices) != len(body.joint_weights):
        raise BodyError(f"{path.name} has {len(vertices)} vertices, not the {len(body.joint_weights)} of the model.")
    return vertices, faces, uvs, uv_faces


def _read_text(path: Path) -> bytes:
    if not path.is_file():
        raise BodyError(
            f"There is no {path.name}: download the UV map from {REGISTRATION} and put {UV_NAME} beside the models."
        )
    return path.read_bytes()


def _read_obj(text: str, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions [V, 3], faces [F, 3], texture coordinates [U, 2] and their faces [F, 3] of a triangle mesh."""
    rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "f": []}
    for line in text.splitlines():
        key, *values = line.split() or [""]
        if key in rows:
            rows[key].append(values)
    try:
        vertices = torch.tensor([[float(x) for x in row[:3]] for row in rows["v"]])
        uvs = torch.tensor([[float(x) for x in row[:2]] for row in rows["vt"]])
        corners = torch.tensor([[[int(x) - 1 for x in corner.split("/")[:2]] for corner in row] for row in rows["f"]])
        faces, uv_faces = corners[..., 0], corners[..., 1]
        fits = faces.max() < len(vertices) and uv_faces.max() < len(uvs) and corners.min() >= 0
    except (ValueError, IndexError, RuntimeError) as error:
        raise BodyError(f"{name} is not a triangle mesh with texture coordinates.") from error
    if faces.shape[1] != 3 or not fits:
        raise BodyError(f"{name} is not a triangle mesh with texture coordinates.")
    return vertices, faces, uvs, uv_faces


def _read_template(path: Path) -> Template | None:
    """A template that was kept; None if there is none, or if it is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Template(*(torch.from_numpy(archive[name]) for name in ("positions", "joint_weights", "mask")))
    except Exception as error:  # noqa: BLE001 (numpy, zipfile and zlib each have their own way to say "damaged")
        LOGGER.warning("%s is damaged (%s) and is made again", path.name, type(error).__name__)
        return None


def _write_template(template: Template, path: Path) -> None:
    """Keep a template; a folder that cannot be written to only costs the seconds of making it again."""
    try:
        with partial_file(path) as partial, writing(path):
            np.savez_compressed(partial, **{name: tensor.numpy() for name, tensor in vars(template).items()})
        LOGGER.info("%s is kept beside the SMPL-X files", path.name)
    except ExportError as error:
        LOGGER.info("the template is not kept: %s", error)


def _smplx_lbs() -> ModuleType:
    try:
        from smplx import lbs
    except ImportError as error:
        raise DependencyError("SMPL-X needs the smplx package: pip install smplx.") from error
    return lbs
