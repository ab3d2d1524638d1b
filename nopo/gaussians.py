"""3D Gaussians: the one type for canonical, posed and rendered clouds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from nopo.errors import NopoError


@dataclass(frozen=True, eq=False)
class Gaussians:
    """A cloud of N Gaussians with activated values (no logits, no log-scales).

    Attributes:
        means: (N, 3) centres, metres, world frame (+y up).
        covars: (N, 3, 3) symmetric covariances, square metres.
        opacities: (N,) in [0, 1].
        sh: (N, S, 3) spherical harmonics coefficients of the sRGB colour, S = (degree + 1)².
    """

    means: Tensor
    covars: Tensor
    opacities: Tensor
    sh: Tensor

    def __post_init__(self) -> None:
        n = self.means.shape[0]
        expected = {"means": (n, 3), "covars": (n, 3, 3), "opacities": (n,)}
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise NopoError(f"Gaussians.{name} must have shape {shape}, not {tuple(getattr(self, name).shape)}.")
        if self.sh.ndim != 3 or self.sh.shape[0] != n or self.sh.shape[2] != 3:
            raise NopoError(f"Gaussians.sh must have shape ({n}, S, 3), not {tuple(self.sh.shape)}.")
        if self.sh.shape[1] not in (1, 4, 9, 16, 25):
            raise NopoError(f"Gaussians.sh must hold 1, 4, 9, 16 or 25 coefficients, not {self.sh.shape[1]}.")

    def __len__(self) -> int:
        return self.means.shape[0]

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 4."""
        return math.isqrt(self.sh.shape[1]) - 1

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.means.device

    def to(self, device: torch.device | str) -> Gaussians:
        """The same cloud on another device."""
        return Gaussians(*(getattr(self, f.name).to(device) for f in fields(self)))

    def select(self, index: Tensor) -> Gaussians:
        """The Gaussians picked by a boolean mask (N,) or by integer indices (K,)."""
        return Gaussians(*(getattr(self, f.name)[index] for f in fields(self)))

    @staticmethod
    def cat(clouds: Sequence[Gaussians]) -> Gaussians:
        """One cloud out of several of equal SH degree, in order."""
        return Gaussians(*(torch.cat([getattr(c, f.name) for c in clouds]) for f in fields(Gaussians)))
