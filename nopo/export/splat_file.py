"""Gaussians as .splat: 32 bytes each, for viewers in a browser.

The layout is that of github.com/antimatter15/splat: centre and scales as float32, then red, green, blue, opacity, and
the quaternion wxyz, a byte each. No harmonics above the constant one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nopo.export.splats import Splats, in_chunks, only_constant, visible_index
from nopo.files import partial_file, writing
from nopo.gaussians import Gaussians
from nopo.harmonics import DC
from nopo.progress import Progress, silent

_ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def write_splat(
    gaussians: Gaussians, path: str | Path, *, sh_degree: int | None = None, progress: Progress = silent
) -> Path:
    """Write a .splat.

    Args:
        gaussians: who; those that cannot be seen are left out.
        path: the file.
        sh_degree: None or 0; the format holds no more.
        progress: told of each chunk.

    Raises:
        ExportError: nothing is visible, another degree, or a place that cannot be written.
    """
    path = Path(path)
    index, degree = visible_index(gaussians), only_constant(".splat", sh_degree)
    progress("export", 0, len(index))
    rows = []
    done = 0
    for splats in in_chunks(gaussians, index, degree):
        rows.append(_rows(splats))
        done += len(splats)
        progress("export", done, len(index))
    with partial_file(path) as partial, writing(path):
        partial.write_bytes(_in_order(np.concatenate(rows)).tobytes())
    return path


def _rows(splats: Splats) -> np.ndarray:
    rows = np.empty(len(splats), _ROW)
    rows["mean"] = splats.means
    rows["scale"] = np.exp(splats.log_scales)
    rgb = splats.sh[:, 0] * DC + 0.5
    alpha = 1 / (1 + np.exp(-splats.logits[:, None]))
    rows["rgba"] = (np.concatenate([rgb, alpha], 1).clip(0, 1) * 255).round()
    rows["quat"] = (splats.quats * 128 + 128).round().clip(0, 255)
    return rows


def _in_order(rows: np.ndarray) -> np.ndarray:
    """What covers most first, so that a viewer that is still loading shows something."""
    cover = rows["scale"][:, :2].prod(1) * rows["rgba"][:, 3]
    return rows[np.argsort(-cover, kind="stable")]
