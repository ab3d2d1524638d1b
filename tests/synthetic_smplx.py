"""Files under the names and in the layout of SMPL-X, made from the open body: no licensed data, but a person."""

from pathlib import Path

import numpy as np
import torch

from nopo.body.open import load_open_body
from nopo.body.skeleton import PARENTS

LONGER_LEGS = 0  # index of the beta that does it


def write_smplx(folder: Path) -> Path:
    """SMPLX_MALE.npz, SMPLX_NEUTRAL.npz and smplx_uv.obj; flat hands are the mean hands."""
    body = load_open_body()
    mean = body.vertices().double()  # [V, 3]
    regressor = body.rest_joints().double() @ torch.linalg.pinv(mean)  # [55, V]: the joints of the mean body exactly
    directions = np.zeros((len(mean), 3, 10))
    directions[:, 1, LONGER_LEGS] = mean[:, 1].clamp_max(0)  # what lies below the pelvis is stretched
    arrays = {
        "v_template": mean.numpy(),
        "shapedirs": directions,
        "J_regressor": regressor.numpy(),
        "weights": body.joint_weights.numpy(),
        "f": body.faces.numpy().astype(np.uint32),
        "kintree_table": np.array([[4294967295, *PARENTS[1:]], range(55)]).astype(np.uint32),
        "hands_meanl": np.zeros(45),
        "hands_meanr": np.zeros(45),
    }
    for gender in ("MALE", "NEUTRAL"):
        np.savez(folder / f"SMPLX_{gender}.npz", **arrays)
    lines = [f"v {x} {y} {z}" for x, y, z in mean.tolist()] + [f"vt {u} {v}" for u, v in body.uvs.tolist()]
    for corners, uvs in zip((body.faces + 1).tolist(), (body.uv_faces + 1).tolist(), strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(corners, uvs, strict=True)))
    (folder / "smplx_uv.obj").write_text("\n".join(lines))
    return folder
