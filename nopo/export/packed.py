"""Gaussians in the compressed formats: .spz (Niantic), .sog and .compressed.ply (PlayCanvas), through gaussforge."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nopo.errors import DependencyError, ExportError
from nopo.export.splats import Splats, checked_degree, in_chunks, only_constant, visible_index
from nopo.files import partial_file, writing
from nopo.gaussians import Gaussians
from nopo.progress import Progress, silent

Packed = Literal["spz", "sog", "compressed.ply"]


def write_packed(
    gaussians: Gaussians,
    path: str | Path,
    format: Packed,  # noqa: A002 (the word that people use)
    *,
    sh_degree: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a compressed file.

    Centres are kept to half a millimetre or better, colours to a level of 255, scales to 3 %.

    Args:
        gaussians: who; those that cannot be seen are left out.
        path: the file.
        format: which one. A .sog is written without view-dependent colours: clustering them takes minutes to hours.
        sh_degree: highest degree of the harmonics, 0 to 3; all there are, up to 3, if None.
        progress: told of each part of the work; the compression itself is one part.

    Raises:
        ExportError: nothing is visible, a wrong degree, or a place that cannot be written.
        DependencyError: gaussforge is not installed.
    """
    path = Path(path)
    degree = checked_degree(gaussians, sh_degree)
    if format == "sog":
        degree = only_constant(".sog", sh_degree)
    forge = _forge()
    index = visible_index(gaussians)
    if format == "compressed.ply":
        index = index[_morton_order(gaussians.means[index])]
    progress("export", 0, 2)
    cloud = _cloud(list(in_chunks(gaussians, index, degree)), degree, format)
    progress("export", 1, 2)
    written = forge.write(cloud, format, strict=True)
    if "error" in written:
        raise ExportError(f"{path.name} could not be compressed ({written['error']}); write a .ply instead.")
    progress("export", 2, 2)
    with partial_file(path) as partial, writing(path):
        partial.write_bytes(written["data"])
    return path


def _forge() -> Any:
    try:
        import gaussforge
    except ImportError as error:
        raise DependencyError(
            "This format needs the package gaussforge: install it with `pip install gaussforge`, or write a .ply."
        ) from error
    return gaussforge.GaussForge()


def _cloud(parts: list[Splats], degree: int, format: Packed) -> dict[str, Any]:  # noqa: A002
    """Gaussians in gaussforge's own words."""
    sh = np.concatenate([part.sh for part in parts])  # [N, S, 3]
    rest = sh[:, 1:]
    if format == "compressed.ply":
        # gaussforge 0.6.0 writes these in the order given, but the format has them channel by channel.
        rest = rest.transpose(0, 2, 1)
    return {
        "numPoints": len(sh),
        "positions": np.concatenate([part.means for part in parts]).tobytes(),
        "scales": np.concatenate([part.log_scales for part in parts]).tobytes(),
        "rotations": np.concatenate([part.quats for part in parts]).tobytes(),
        "alphas": np.concatenate([part.logits for part in parts]).tobytes(),
        "colors": sh[:, 0].tobytes(),
        "sh": rest.tobytes(),
        "meta": {"shDegree": degree, "sourceFormat": "ply"},
    }


def _morton_order(means: Tensor) -> Tensor:
    """Indices [N] that visit points [N, 3] neighbourhood by neighbourhood, along a Z-order curve.

    A .compressed.ply stores centres relative to the box around each 256 of them: small boxes make it precise.
    """
    low, high = means.amin(0), means.amax(0)
    cells = ((means - low) / (high - low).amax().clamp_min(1e-9) * 1023).long()  # [N, 3], 10 bits each
    code = torch.zeros(len(means), dtype=torch.long, device=means.device)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code.argsort(stable=True)
