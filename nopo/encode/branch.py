"""The Gaussians of one branch of the network, the template's or the photos', before any are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from nopo.gaussians import Gaussians

MASK_THRESHOLD = 1e-3
"""A pixel with more foreground than this gives a Gaussian."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One Gaussian for every pixel of a branch, in the template's T-pose. While training, all carry a batch axis first.

    Attributes:
        grid: (K, H, W): M = K·H·W Gaussians, row-major; K is 1 for the template and V for the photos.
        means: (M, 3) metres.
        covars: (M, 3, 3) square metres.
        opacities: (M,) already multiplied by `mask`.
        sh: (M, S, 3) after the degree mask.
        bone_logits: (M, 69).
        mask: (M,) foreground.
        uncertainty: (M,) log of the expected error of `means` (metres), if the network predicts it.
    """

    grid: tuple[int, int, int]
    means: Tensor
    covars: Tensor
    opacities: Tensor
    sh: Tensor
    bone_logits: Tensor
    mask: Tensor
    uncertainty: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Branch:
        """The same branch with `function` applied to every tensor."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "grid"}
        changed: dict[str, Any] = {name: function(tensor) for name, tensor in tensors.items() if tensor is not None}
        return replace(self, **changed)

    def gaussians(self) -> Gaussians:
        """All M Gaussians (no batch axis)."""
        return Gaussians(self.means, self.covars, self.opacities, self.sh)
