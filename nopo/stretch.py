"""Stretching: splats that grow with the surface where a joint pulls it apart, so that no gaps open between them.

Blended skinning gives every Gaussian its own linear map, and where weights change from one Gaussian to the next these
maps say nothing of how far the two move apart: over a bent hip, a shoulder or an elbow the surface is drawn out to
twice its length, and splats of the old size leave stripes. Here each Gaussian looks at its neighbours and takes the
linear map that carries all of them best (weighted least squares). Our own addition; the original has none of it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NEIGHBOURS = 6
REACH_M = 0.03
"""Neighbours are no farther than this in the T-pose."""

ALIKE = 0.6
"""Sum of the differences between two Gaussians' weights, 0 to 2, from which on they lie on different parts."""

SAME = 0.01
"""The same sum, below which two Gaussians move together."""

STIFFNESS = 0.1
"""Share of the neighbours' spread that holds against stretching: what few or one-sided neighbours say counts less."""

MOST = 1.5
"""Largest addition to a linear map (Frobenius norm)."""


class Stretch:
    """What the neighbours of N Gaussians add to the linear maps that move them."""

    @torch.no_grad()
    def __init__(self, means: Tensor, weights: Tensor) -> None:
        """Find the neighbours.

        Args:
            means: [N, 3] in the T-pose, metres.
            weights: [N, K] skinning weights, rows sum to 1.
        """
        index, distance = neighbours_of(means)
        apart = torch.stack([(weights[at] - weights).abs().sum(-1) for at in index.T], -1)
        counts = (apart < ALIKE) * (1 - (distance / REACH_M).square()).clamp_min(0)
        self.rows = ((counts * apart).amax(1) > SAME).nonzero()[:, 0]  # [R]
        index, counts = index[self.rows], counts[self.rows, :, None]
        offsets = means[index] - means[self.rows, None]  # [R, M, 3]
        spread = offsets.mT @ (counts * offsets)
        stiff = STIFFNESS / 2 * spread.diagonal(dim1=1, dim2=2).sum(1) + 1e-9
        share = torch.linalg.solve(spread + torch.diag_embed(stiff[:, None].expand(-1, 3)), (counts * offsets).mT).mT
        self._index = index.contiguous()  # [R, M]
        self._share = share.contiguous()  # [R, M, 3]
        self._known = (offsets.mT @ share).contiguous()  # [R, 3, 3]

    def __call__(self, moved: Tensor, linear: Tensor) -> Tensor:
        """Linear maps [3, 3, N] -> the same with what the neighbours add.

        Args:
            moved: [3, N] the Gaussians' places in the pose.
            linear: [3, 3, N] the blended maps that brought them there.
        """
        plain = moved.device.type == "cpu" and moved.dtype == torch.float32 and not moved.requires_grad
        return self._by_loops(moved, linear) if plain and len(self.rows) else self.by_tensors(moved, linear)

    def by_tensors(self, moved: Tensor, linear: Tensor) -> Tensor:
        """As a call, on any device and with gradients."""
        own, here = linear[..., self.rows], moved[:, self.rows]
        more = -torch.einsum("acr,rcb->abr", own, self._known)
        for index, share in zip(self._index.T, self._share.unbind(1), strict=True):
            more = more + (moved[:, index] - here)[:, None] * share.T
        return linear.index_add(-1, self.rows, more * (MOST / more.flatten(0, 1).norm(dim=0).clamp_min(MOST)))

    def _by_loops(self, moved: Tensor, linear: Tensor) -> Tensor:
        from nopo.stretch_loops import add_stretch

        stretched = linear.clone(memory_format=torch.contiguous_format)
        add_stretch(
            moved.T.contiguous().numpy(), self.rows.numpy(), self._index.numpy(), self._share.numpy(),
            self._known.numpy(), np.float32(MOST), stretched.numpy(),
        )  # fmt: skip
        return stretched


def neighbours_of(means: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest NEIGHBOURS within REACH_M of each of N points [N, 3]; what is not finite has none, and is none.

    Returns:
        indices [N, NEIGHBOURS], distances [N, NEIGHBOURS] in metres; where there are fewer, its own index and an
        infinite distance.
    """
    from scipy.spatial import cKDTree

    points = means.detach().cpu().numpy()
    far = 1e3 * np.arange(1, len(points) + 1, dtype=points.dtype)[:, None]  # from the person and from each other
    points = np.where(np.isfinite(points).all(1, keepdims=True), points, far)
    distance, index = cKDTree(points).query(points, k=NEIGHBOURS + 1, distance_upper_bound=REACH_M)
    own = np.arange(len(points))[:, None]
    there = (index < len(points)) & (index != own)
    order = np.argsort(~there, axis=1, kind="stable")[:, :NEIGHBOURS]  # the point itself comes last
    index, distance = (
        np.take_along_axis(x, order, 1) for x in (np.where(there, index, own), np.where(there, distance, np.inf))
    )
    return torch.from_numpy(index).to(means.device), torch.from_numpy(distance).to(means)


def compile_loop() -> None:
    """Compile what `Stretch` needs on a CPU, and keep it on disk."""
    from nopo.stretch_loops import add_stretch

    none = np.zeros(0, np.int64)
    add_stretch(
        np.zeros((1, 3), np.float32), none, none.reshape(0, 1), np.zeros((0, 1, 3), np.float32),
        np.zeros((0, 3, 3), np.float32), np.float32(MOST), np.zeros((3, 3, 1), np.float32),
    )  # fmt: skip
