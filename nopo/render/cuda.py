"""Rendering on CUDA by gsplat.

gsplat 1.5.3 draws the same picture but for these details: its largest alpha of one Gaussian in one pixel is 0.999 and
cannot be chosen, so opacities are limited to `max_alpha` instead, which is the same in a Gaussian's centre only; it
cuts a Gaussian at 3.33 standard deviations, where its alpha is below 1/255 anyway; it limits the slope of the
Jacobian about the picture's borders, not about its axis, which differs for Gaussians well outside of the picture when
the principal point is off the centre; equal depths may come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render.settings import BLUR_PX2, NEAR_M, Rendering, Settings


def rasterize(gaussians: Gaussians, views: Sequence[Camera], settings: Settings, backgrounds: Tensor) -> Rendering:
    """Pictures of C cameras in one call; differentiable. Gaussians on CUDA, cameras and backgrounds (C, 3) anywhere.

    Nothing here waits for the GPU but gsplat itself, which reads back how many tiles the Gaussians touch. A camera that
    is on CUDA and not finite sees nothing.
    """
    backgrounds = _brought(backgrounds, gaussians.device)
    if len(gaussians) == 0:
        return _empty(views, backgrounds)
    from gsplat import rasterization

    means, covars, opacities, sh = _finite(gaussians)
    viewmats = _brought(torch.stack([view.viewmat for view in views]), means.device).to(means)  # [C, 4, 4]
    Ks = _brought(torch.stack([view.K for view in views]), means.device).to(means)  # [C, 3, 3]
    good = (viewmats.isfinite() & Ks.isfinite().all((1, 2), keepdim=True)).all((1, 2), keepdim=True)
    pictures, alpha, _ = rasterization(
        means=means,
        quats=None,
        scales=None,
        covars=covars,
        opacities=opacities.clamp_max(settings.max_alpha),
        colors=sh,
        viewmats=torch.where(good, viewmats, 0),  # all depths 0: nearer than the near plane
        Ks=torch.where(good, Ks, torch.eye(3, device=Ks.device)),
        width=views[0].width,
        height=views[0].height,
        near_plane=NEAR_M,
        eps2d=BLUR_PX2,
        sh_degree=settings.sh_degree,
        packed=False,  # packing would wait for the GPU to count
        backgrounds=backgrounds,
        render_mode="RGB+D",
    )
    return Rendering(pictures[..., :3], alpha, pictures[..., 3:])


def _brought(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on this device; from pinned memory, because a copy from other memory waits for the GPU."""
    if tensor.device == device:
        return tensor
    if tensor.requires_grad or device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _finite(gaussians: Gaussians) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means, covars, opacities and sh in float32; those with a value that is not finite become invisible."""
    values = (gaussians.means, gaussians.covars, gaussians.opacities, gaussians.sh)
    good = torch.stack([value.flatten(1).isfinite().all(1) for value in (*values[:2], values[2][:, None], values[3])])
    drawn = good.all(0)  # [N]
    means, covars, opacities, sh = (
        torch.where(drawn.view(-1, *[1] * (value.ndim - 1)), value, 0).float() for value in values
    )  # fmt: skip
    return means, (covars + covars.mT) / 2, opacities, sh.contiguous()


def _empty(views: Sequence[Camera], backgrounds: Tensor) -> Rendering:
    shape = (len(views), views[0].height, views[0].width)
    rgb = backgrounds[:, None, None].expand(*shape, 3).clone()
    return Rendering(rgb, rgb.new_zeros(*shape, 1), rgb.new_zeros(*shape, 1))
