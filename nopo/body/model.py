"""What every body model offers, whichever file it comes from."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from nopo.body.template import Template


class BodyModel(Protocol):
    """A triangle mesh on the 55-joint skeleton, in the T-pose, whose shape follows from a few coefficients.

    World: metres, +y up, facing +z, the subject's left hand at +x.
    """

    @property
    def name(self) -> str:
        """Which body this is, such as "open" or "smplx-neutral"."""
        ...

    @property
    def faces(self) -> Tensor:
        """[F, 3] int64, vertex indices, counter-clockwise from outside."""
        ...

    @property
    def joint_weights(self) -> Tensor:
        """[V, 55] skinning weights, rows sum to 1."""
        ...

    @property
    def num_shapes(self) -> int:
        """K, the number of shape coefficients."""
        ...

    def vertices(self, shape: Tensor | None = None) -> Tensor:
        """Surface [..., V, 3] of the T-pose for shape [..., K]; the mean body without one."""
        ...

    def rest_joints(self, shape: Tensor | None = None) -> Tensor:
        """Joints [..., 55, 3] of the T-pose for shape [..., K]; those of the mean body without one."""
        ...

    def template(self, size: int) -> Template:
        """Template maps of size x size texels."""
        ...
