"""Other renderers of Gaussian splats on a CPU, for comparison: optional, adapted to the CPU at run time.

    pip install gswarp==1.1.0 splax==0.2.3

Both are made for CUDA. Warp, which both are written in, runs their kernels on one CPU thread once "CPU blocks" are
allowed; gswarp's check for a CUDA device and splax's recording of CUDA graphs are switched off.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.rotations import matrix_to_quaternion

Draw = Callable[[], np.ndarray]
"""Draws one picture (H, W, 3) on white."""


def scales_and_quats(gaussians: Gaussians) -> tuple[torch.Tensor, torch.Tensor]:
    """Standard deviations (N, 3) and rotations wxyz (N, 4) of the covariances."""
    variances, axes = torch.linalg.eigh(gaussians.covars)
    axes = axes * torch.linalg.det(axes)[:, None, None]  # proper rotations
    return variances.clamp_min(0).sqrt(), matrix_to_quaternion(axes)


def gswarp(gaussians: Gaussians, camera: Camera) -> Draw:
    """Gswarp 1.1.0."""
    import warp

    warp.config.enable_cpu_blocks = True
    warp.config.quiet = True
    import gswarp as package
    import gswarp.rasterizer as rasterizer

    rasterizer.validate_rasterizer_inputs = lambda *args, **kwargs: None
    scales, quats = scales_and_quats(gaussians)
    tan = float(0.5 * camera.width / camera.K[0, 0])
    near, far = 0.01, 100.0
    projection = torch.zeros(4, 4)
    projection[0, 0] = projection[1, 1] = 1 / tan
    projection[2, 2], projection[2, 3], projection[3, 2] = far / (far - near), -far * near / (far - near), 1.0
    view = camera.viewmat.T.contiguous()
    settings = package.GaussianRasterizationSettings(
        image_height=camera.height, image_width=camera.width, tanfovx=tan, tanfovy=tan, bg=torch.ones(3),
        scale_modifier=1.0, viewmatrix=view, projmatrix=(view @ projection.T).contiguous(),
        sh_degree=gaussians.sh_degree, campos=torch.linalg.inv(camera.viewmat)[:3, 3], prefiltered=False, debug=False,
    )  # fmt: skip

    def draw() -> np.ndarray:
        with torch.no_grad():
            pictures = package.GaussianRasterizer(settings)(
                means3D=gaussians.means, means2D=torch.zeros_like(gaussians.means), shs=gaussians.sh,
                opacities=gaussians.opacities[:, None], scales=scales, rotations=quats,
            )  # fmt: skip
        return pictures[0].permute(1, 2, 0).numpy()

    return draw


def splax(gaussians: Gaussians, camera: Camera) -> Draw:
    """Splax 0.2.3."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("SCIPY_ARRAY_API", "1")
    import warp

    warp.config.enable_cpu_blocks = True
    warp.config.quiet = True
    original = warp.jax_callable
    if not getattr(original, "without_graphs", False):

        def without_graphs(*args: object, **kwargs: object) -> object:
            return original(*args, **{**kwargs, "graph_mode": warp.JaxCallableGraphMode.NONE})

        without_graphs.without_graphs = True  # type: ignore[attr-defined]
        warp.jax_callable = without_graphs
    import jax.numpy as jnp
    import splax as package

    scales, quats = scales_and_quats(gaussians)
    opacity = gaussians.opacities.clamp(1e-4, 1 - 1e-4)
    values = (gaussians.means, scales.log(), quats, gaussians.sh, torch.logit(opacity))
    arrays = [jnp.asarray(value.numpy()) for value in values]
    view, focal = jnp.asarray(camera.viewmat.numpy()), (float(camera.K[0, 0]), float(camera.K[1, 1]))
    size = (camera.height, camera.width)

    def draw() -> np.ndarray:
        return np.asarray(package.render(*arrays, viewmat=view, background=jnp.ones(3), img_shape=size, f=focal)[0])

    return draw
