"""The plain CPU rasterizer: projection in torch, blending by the scalar kernels of `plain_kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.projection import project
from nopo.render.settings import Settings
from nopo.render.threads import run_parts

_BAND_ROWS = 16


def rasterize(
    gaussians: Gaussians, camera: Camera, settings: Settings, background: Tensor, cov_focal: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """One picture: colours (H, W, 3) on the background (3,), alpha (H, W, 1), depth (H, W, 1)."""
    splats = project(gaussians, camera, settings, cov_focal)
    size = (camera.height, camera.width)
    picture, transmittance = _Blend.apply(
        splats.means, splats.conics, splats.opacities, splats.features, splats.boxes, size, settings
    )
    transmittance = transmittance[..., None]
    return picture[..., :3] + transmittance * background, 1 - transmittance, picture[..., 3:]


class _Blend(torch.autograd.Function):
    """Blending of sorted splats, with hand-written gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        conics: Tensor,
        opacities: Tensor,
        features: Tensor,
        boxes: Tensor,
        size: tuple[int, int],
        settings: Settings,
    ) -> tuple[Tensor, Tensor]:
        from nopo.render.plain_kernels import blend_rows

        picture, transmittance = means.new_zeros(*size, 4), means.new_ones(size)
        arrays = [_array(t) for t in (means, conics, opacities, features, boxes, picture, transmittance)]
        max_alpha = arrays[0].dtype.type(settings.max_alpha)

        def work(part: int) -> None:
            for first in range(part * _BAND_ROWS, size[0], settings.threads * _BAND_ROWS):
                last = min(first + _BAND_ROWS, size[0])
                blend_rows(first, last, max_alpha, *arrays)

        run_parts(work, settings.threads)
        ctx.save_for_backward(means, conics, opacities, features, boxes, picture, transmittance)
        ctx.settings = settings
        return picture, transmittance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v_picture: Tensor, v_transmittance: Tensor) -> tuple[Tensor | None, ...]:
        from nopo.render.plain_kernels import blend_rows_grad

        arrays = [_array(t) for t in (*ctx.saved_tensors, v_picture, v_transmittance)]
        settings, height = ctx.settings, len(v_picture)
        max_alpha = arrays[0].dtype.type(settings.max_alpha)
        totals = np.zeros(
            (settings.threads, len(arrays[0]), 10), arrays[0].dtype
        )  # one per part: no two write the same

        def work(part: int) -> None:
            for first in range(part * _BAND_ROWS, height, settings.threads * _BAND_ROWS):
                last = min(first + _BAND_ROWS, height)
                blend_rows_grad(first, last, max_alpha, totals[part], *arrays)

        run_parts(work, settings.threads)
        grads = torch.from_numpy(totals.sum(0))  # [M, 10]
        return grads[:, :2], grads[:, 2:5], grads[:, 5], grads[:, 6:], None, None, None


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()
