"""Gaussians as the .ply of 3D Gaussian splatting: one `vertex` element with the properties that viewers look for.

Property names, their order and their meaning are those of Kerbl et al. 2023: opacity as a logit, scales as logarithms,
quaternions wxyz, harmonics of degree 1 and up channel by channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

from nopo.export.splats import Splats, checked_degree, in_chunks, visible_index
from nopo.files import partial_file, writing
from nopo.gaussians import Gaussians
from nopo.progress import Progress, silent


def write_ply(
    gaussians: Gaussians, path: str | Path, *, sh_degree: int | None = None, progress: Progress = silent
) -> Path:
    """Write a .ply that every viewer of Gaussian splats reads.

    Args:
        gaussians: who; those that cannot be seen are left out.
        path: the file.
        sh_degree: highest degree of the harmonics, 0 to 3; all there are, up to 3, if None.
        progress: told of each chunk.

    Raises:
        ExportError: nothing is visible, a wrong degree, or a place that cannot be written.
    """
    path = Path(path)
    index, degree = visible_index(gaussians), checked_degree(gaussians, sh_degree)
    with partial_file(path) as partial, writing(path), partial.open("wb") as file:
        write_ply_to(file, gaussians, index, degree, progress)
    return path


def write_ply_to(
    file: IO[bytes], gaussians: Gaussians, index: Tensor, degree: int, progress: Progress = silent
) -> None:
    """Write the Gaussians at `index` [K], as the bytes of a .ply, to anything that takes bytes."""
    file.write(header(len(index), degree))
    progress("export", 0, len(index))
    done = 0
    for splats in in_chunks(gaussians, index, degree):
        file.write(rows(splats).tobytes())
        done += len(splats)
        progress("export", done, len(index))


def header(count: int, degree: int) -> bytes:
    """The text before the numbers."""
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    lines += [f"property float {name}" for name in properties(degree)]
    return "\n".join([*lines, "end_header", ""]).encode("ascii")


def file_size(count: int, degree: int) -> int:
    """Bytes of a .ply of so many Gaussians."""
    return len(header(count, degree)) + 4 * len(properties(degree)) * count


def properties(degree: int) -> list[str]:
    """Names of a row's numbers."""
    rest = 3 * ((degree + 1) ** 2 - 1)
    return [
        *("x", "y", "z", "nx", "ny", "nz"),
        *(f"f_dc_{i}" for i in range(3)),
        *(f"f_rest_{i}" for i in range(rest)),
        "opacity",
        *(f"scale_{i}" for i in range(3)),
        *(f"rot_{i}" for i in range(4)),
    ]


def rows(splats: Splats) -> np.ndarray:
    """[N, number of properties] little-endian float32."""
    no_normals = np.zeros_like(splats.means)
    rest = splats.sh[:, 1:].transpose(0, 2, 1).reshape(len(splats), -1)  # [N, 3 (S - 1)], channel by channel
    columns = [splats.means, no_normals, splats.sh[:, 0], rest, splats.logits[:, None], splats.log_scales, splats.quats]
    return np.concatenate(columns, 1).astype("<f4", copy=False)
