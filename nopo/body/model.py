"""What every body model offers, whichever file it comes from."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class BodyModel(Protocol):
    """A triangle mesh on the 55-joint skeleton, in the T-pose, whose shape follows from a few coefficients.

    World: metres, +y up, facing +z, the subject's left hand at +x.
    """

    name: str
    faces: Tensor  # [F, 3] int64, vertex indices
    uvs: Tensor  # [U, 2] in [0, 1], v upwards as in an OBJ file
    uv_faces: Tensor  # [F, 3] int64, rows of `uvs`
    joint_weights: Tensor  # [V, 55] rows sum to 1
    bone_weights: Tensor  # [V, 69] rows sum to 1, and over the bones of a joint to its joint weight

    @property
    def num_shapes(self) -> int:
        """K, the number of shape coefficients."""
        ...

    def vertices(self, shape: Tensor | None = None) -> Tensor:
        """Surface [..., V, 3] of the T-pose for shape [..., K]; the template (mean) body without one."""
        ...

    def rest_joints(self, shape: Tensor | None = None) -> Tensor:
        """Joints [..., 55, 3] of the T-pose for shape [..., K]; those of the template without one."""
        ...
