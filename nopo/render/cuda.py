"""Rendering on CUDA by gsplat, and whether this machine can.

gsplat 1.5.3 draws the same picture but for these details: its largest alpha of one Gaussian in one pixel is 0.999 and
cannot be chosen, so opacities are limited to `max_alpha` instead, which is the same in a Gaussian's centre only; it
cuts a Gaussian at 3.33 standard deviations, where its alpha is below 1/255 anyway; it limits the slope of the
Jacobian about the picture's borders, not about its axis, which differs for Gaussians well outside of the picture when
the principal point is off the centre; equal depths may come in any order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from nopo.camera import Camera
from nopo.errors import DependencyError
from nopo.gaussians import Gaussians
from nopo.render.settings import BLUR_PX2, NEAR_M, Rendering, Settings

LOGGER = logging.getLogger(__name__)

_BUILD_SECONDS = 600  # gsplat compiles its CUDA code when it is first imported
_PROBE = """
import torch, gsplat
one = torch.ones(1, device="cuda")
camera = torch.eye(4, device="cuda")[None]
gsplat.rasterization(torch.tensor([[0.0, 0, 2]], device="cuda"), None, None, one, torch.ones(1, 3, device="cuda"),
                     camera, torch.tensor([[[8.0, 0, 4], [0, 8, 4], [0, 0, 1]]], device="cuda"), 8, 8,
                     covars=torch.eye(3, device="cuda")[None])
torch.cuda.synchronize()
"""


def available() -> bool:
    """Whether gsplat works here; tried once, in another process, with a limit on its time. Says once why not."""
    reason = _why_not()
    return reason is None


def require() -> None:
    """Go on only where gsplat works.

    Raises:
        DependencyError: it does not; the message says why.
    """
    reason = _why_not()
    if reason is not None:
        raise DependencyError(f'gsplat cannot be used here ({reason}); choose the backend "cpu".')


@cache
def _why_not() -> str | None:
    """Why gsplat cannot be used, or None if it can."""
    if not torch.cuda.is_available():
        return "no CUDA device"
    if os.environ.get("SPACES_ZERO_GPU"):  # where CUDA looks present all the time, and nothing compiles
        reason: str | None = "a ZeroGPU Space has no CUDA compiler"
    else:
        reason = _probe([sys.executable, "-c", _PROBE], _BUILD_SECONDS)
    if reason is not None:
        LOGGER.warning("gsplat cannot be used (%s): the CPU renders.", reason)
    return reason


def _probe(command: Sequence[str], seconds: float) -> str | None:
    """Run a command to its end; what went wrong, in a few words, or None."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the compilers that it started, too
        process.kill()
        process.communicate()
        return f"it did not compile within {seconds:g} s"
    if process.returncode == 0:
        return None
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"it ended with code {process.returncode}"


def rasterize(gaussians: Gaussians, views: Sequence[Camera], settings: Settings, backgrounds: Tensor) -> Rendering:
    """Pictures of C cameras in one call; differentiable. Everything on CUDA, backgrounds (C, 3)."""
    if len(gaussians) == 0:
        return _empty(views, backgrounds)
    from gsplat import rasterization

    means, covars, opacities, sh = _finite(gaussians)
    pictures, alpha, _ = rasterization(
        means=means,
        quats=None,
        scales=None,
        covars=covars,
        opacities=opacities.clamp_max(settings.max_alpha),
        colors=sh,
        viewmats=torch.stack([view.viewmat for view in views]).to(means),
        Ks=torch.stack([view.K for view in views]).to(means),
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
