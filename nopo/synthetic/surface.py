"""Who touches whom on a mesh, and what follows from it: normals and smoothing, sums over neighbours in one call."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def unit(vectors: Tensor) -> Tensor:
    """Vectors [P, 3] at unit length, zero where they are zero; the result lies in memory one axis after the other."""
    axes = vectors.T.contiguous()
    return (axes / (axes * axes).sum(0).sqrt().clamp_min(1e-12)).T  # many times faster than torch's norm of three


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles, and the lists that sums over neighbours need.

    Attributes:
        faces: [F, 3].
        around: [3F] the faces round each vertex, vertex by vertex.
        around_start: [V + 1] where those of each vertex begin.
        next_to: [3F] the vertex that follows it in each of those faces: its neighbours, where the mesh is closed.
    """

    faces: Tensor
    around: Tensor
    around_start: Tensor
    next_to: Tensor

    @staticmethod
    def of(faces: Tensor, vertices: int) -> Surface:
        """The lists of a mesh of that many vertices."""
        corner = faces.T.reshape(-1)  # corner 0 of all faces, then corner 1, then corner 2
        order = corner.argsort(stable=True)
        start = torch.zeros(vertices + 1, dtype=torch.int64)
        start[1:] = torch.bincount(corner, minlength=vertices).cumsum(0)
        following = faces.roll(-1, 1).T.reshape(-1)
        return Surface(faces, order % len(faces), start, following[order])

    def normals(self, points: Tensor) -> Tensor:
        """Area-weighted unit normals [V, 3] of a mesh [V, 3], outwards; zero where a piece has shrunk to a point."""
        a, b, c = (points.index_select(0, self.faces[:, k]) for k in range(3))
        face = torch.linalg.cross(b - a, c - a)  # [F, 3]
        return unit(self._sum(face, self.around))

    def smooth(self, values: Tensor, rounds: int = 1) -> Tensor:
        """Average of the neighbours of each vertex, `rounds` times over: [V, C] -> [V, C]."""
        degree = (self.around_start[1:] - self.around_start[:-1]).clamp_min(1)[:, None]
        for _ in range(rounds):
            values = self._sum(values, self.next_to) / degree
        return values

    def _sum(self, values: Tensor, members: Tensor) -> Tensor:
        return embedding_bag(members, values, self.around_start, mode="sum", include_last_offset=True)
