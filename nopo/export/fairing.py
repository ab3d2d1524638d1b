"""Smooth functions on a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nopo.export.mesh import SkinnedMesh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

COTANGENTS = (0.05, 5.0)
"""Slivers are taken for triangles of healthier angles."""


def fair(mesh: SkinnedMesh, values: Tensor, trust: Tensor, reach_m: float, order: int = 1) -> Tensor:
    """The smooth functions on the surface that are nearest to some values.

    They minimise the integral of `trust |f - values|² + reach² |grad f|²` (order 1, a membrane) or of
    `trust |f - values|² + reach⁴ |laplace f|²` (order 2, a thin plate, which shrinks nothing), so they do not depend on
    how finely a place is cut into triangles.

    Args:
        mesh: the surface.
        values: [V, C] at its vertices.
        trust: [V] weights.
        reach_m: how far a value spreads where the trust is 1, metres.
        order: 1 or 2.

    Returns:
        [V, C].
    """
    from scipy.sparse import diags
    from scipy.sparse.linalg import factorized

    mass, laplacian = _laplacian(mesh)
    pull = trust.double().numpy() * mass
    bending = laplacian if order == 1 else laplacian @ diags(1 / mass) @ laplacian
    solve = factorized((diags(pull) + reach_m ** (2 * order) * bending).tocsc())
    columns = [solve(pull * column) for column in values.double().numpy().T]
    return torch.from_numpy(np.stack(columns, 1)).float()


def _laplacian(mesh: SkinnedMesh) -> tuple[np.ndarray, csr_matrix]:
    """Areas [V] in square metres and the cotangent Laplacian [V, V] (Meyer et al. 2003); the sum of a row is zero."""
    from scipy.sparse import coo_matrix, diags

    count = len(mesh.vertices)
    corners = mesh.vertices.double()[mesh.faces]  # [F, 3, 3]
    there, back = corners.roll(-1, 1) - corners, corners.roll(1, 1) - corners
    double_area = torch.linalg.cross(there, back).norm(dim=-1).clamp_min(1e-12)  # [F, 3] three times the same
    mass = np.bincount(mesh.faces.flatten().numpy(), (double_area / 6).flatten().numpy(), count)
    half_cotangents = ((there * back).sum(-1) / double_area).clamp(*COTANGENTS) / 2  # [F, 3] of each corner
    start, end = mesh.faces.roll(-1, 1).flatten().numpy(), mesh.faces.roll(1, 1).flatten().numpy()  # opposite edges
    edges = coo_matrix((half_cotangents.flatten().numpy(), (start, end)), shape=(count, count)).tocsr()
    edges = edges + edges.T
    return np.maximum(mass, 1e-9), diags(np.asarray(edges.sum(1)).ravel()) - edges


def neighbour_mean(values: Tensor, edges: tuple[Tensor, Tensor]) -> Tensor:
    """The mean of each vertex's neighbours along `edges_of` the faces: [V, C] -> [V, C]."""
    start, end = edges
    degree = torch.bincount(start, minlength=len(values)).clamp_min(1)[:, None]
    return torch.zeros_like(values).index_add_(0, start, values[end]) / degree


def edges_of(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Both ends of every edge, in both directions."""
    count = int(faces.max()) + 1
    start, end = faces.flatten(), faces.roll(-1, 1).flatten()
    keys = torch.cat([start * count + end, end * count + start]).unique()
    return keys // count, keys % count
