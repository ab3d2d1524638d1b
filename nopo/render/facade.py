"""`render`: one function in front of the rasterizers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from nopo.camera import Camera
from nopo.errors import RenderError
from nopo.gaussians import Gaussians
from nopo.render import cuda, gsplat_check
from nopo.render.settings import Rendering, Settings
from nopo.render.threads import cores

LOGGER = logging.getLogger(__name__)

_MAX_SIDE_PX = 1 << 17
_MOST_THREADS = 8  # inside one picture; each has its own sums of gradients
Backend = Literal["auto", "gsplat", "cpu", "plain", "reference"]
# (gaussians, camera, settings, background (3,), covariance focal lengths) -> rgb, alpha, depth (H, W, 3 or 1)
Rasterizer = Callable[[Gaussians, Camera, Settings, Tensor, Tensor | None], tuple[Tensor, Tensor, Tensor]]


def render(
    gaussians: Gaussians,
    cameras: Camera | Sequence[Camera],
    background: Tensor | Sequence[float] | None = None,
    *,
    backend: Backend = "auto",
    tile_cut: bool = False,
    sh_degree: int | None = None,
    max_alpha: float = 0.99,
    cov_focal: Tensor | None = None,
    threads: int | None = None,
) -> Rendering:
    """Pictures of Gaussians; differentiable in means, covars, opacities, sh, the cameras' viewmat and the background.

    A Gaussian with a value that is not finite, or whose projected covariance is not positive, is not drawn.

    Args:
        gaussians: N Gaussians, world frame, metres.
        cameras: one camera, or C of equal picture size.
        background: (3,) or (C, 3) colour; black when None.
        backend: "gsplat" on CUDA (see `nopo.render.cuda` for its small differences); "cpu" compiled with numba;
            "plain" its short scalar twin; "reference" plain torch, slow, any float type and device. "auto" takes
            gsplat for Gaussians on CUDA where it works and can do what is asked for, else "cpu", which also takes
            Gaussians from CUDA and brings the pictures back.
        tile_cut: draw a Gaussian only in the 16×16 tiles that its 3-sigma square touches, as the original's CUDA
            kernel does; off, every pixel where its alpha reaches 1/255 gets it.
        sh_degree: degree to evaluate; by default the Gaussians' own, but at most 3: the kernel that the published
            checkpoints were trained with has no degree 4.
        max_alpha: largest alpha of one Gaussian in one pixel.
        cov_focal: (2,) or (C, 2) focal lengths in pixels that project the covariances, where they differ from the
            cameras': the original derives them from angles between rays.
        threads: threads inside one picture on the CPU; all cores, up to 8, when None; 1 stays in the calling thread
            (for a picture per worker).

    Raises:
        RenderError: no camera, cameras of several sizes, an argument out of range, or not for this backend.
        DependencyError: backend is "gsplat", and it does not work here.
    """
    views = [cameras] if isinstance(cameras, Camera) else list(cameras)
    settings = _settings(gaussians, views, sh_degree, max_alpha, tile_cut, threads)
    like = gaussians.means
    focals: Sequence[Tensor | None] = [None] * len(views)
    if cov_focal is not None:
        focals = cov_focal.to(like.device).expand(len(views), 2).unbind(0)
    colours = _background(background, len(views), like)

    if backend == "auto":
        on_cuda = like.is_cuda and not tile_cut and cov_focal is None
        backend = "gsplat" if on_cuda and gsplat_check.available() else "cpu"
    if backend == "gsplat":
        gsplat_check.require()
        if tile_cut or cov_focal is not None or not like.is_cuda:
            raise RenderError("gsplat takes Gaussians on CUDA, and neither tile_cut nor cov_focal; use backend cpu.")
        return cuda.rasterize(gaussians, views, settings, colours)
    rasterize = _rasterizer(backend)
    pictures = [
        rasterize(gaussians, view.to(like.device), settings, colour.to(like.device), focal)
        for view, colour, focal in zip(views, colours, focals, strict=True)
    ]
    return Rendering(*(_batch(channel) for channel in zip(*pictures, strict=True)))


def drawing_device(device: torch.device) -> torch.device:
    """Where Gaussians are best kept to be drawn: on this device where gsplat works, else on the CPU, which draws."""
    return device if device.type == "cuda" and gsplat_check.available() else torch.device("cpu")


def warm_up(*, gradients: bool = False) -> None:
    """Compile what a picture needs, and keep it on disk: 5 to 15 seconds on a CPU at the first start, then instant.

    With a CUDA device, gsplat may compile as well, for minutes.

    To be called at installation or at the start of a server, never in the middle of a visitor's request.

    Args:
        gradients: compile the backward pass as well.
    """
    from nopo.stretch import compile_loop

    start = time.perf_counter()
    compile_loop()
    means, sh = torch.zeros(8, 3), torch.zeros(8, 1, 3)
    cloud = Gaussians(means.requires_grad_(gradients), 0.01 * torch.eye(3).expand(8, 3, 3), torch.full((8,), 0.5), sh)
    viewmat = torch.eye(4)
    viewmat[2, 3] = 2.0
    camera = Camera(torch.tensor([[16.0, 0, 8], [0, 16, 8], [0, 0, 1]]), viewmat, 16, 16)
    pictures = render(cloud, camera, backend="cpu", threads=1)
    if gradients:
        pictures.rgb.sum().backward()
    LOGGER.info("The CPU renderer is compiled (%.1f s).", time.perf_counter() - start)
    if torch.cuda.is_available():
        gsplat_check.available()


def _batch(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures (H, W, K) as (C, H, W, K), without a copy when there is one."""
    return pictures[0][None] if len(pictures) == 1 else torch.stack(list(pictures))


def _settings(
    gaussians: Gaussians,
    views: Sequence[Camera],
    sh_degree: int | None,
    max_alpha: float,
    tile_cut: bool,
    threads: int | None,
) -> Settings:
    if not views:
        raise RenderError("Give at least one camera to render.")
    if len({(view.width, view.height) for view in views}) > 1:
        raise RenderError("All cameras of one call must have the same picture size; call render once per size.")
    if max(views[0].width, views[0].height) > _MAX_SIDE_PX:
        raise RenderError(f"A picture's side may have up to {_MAX_SIDE_PX} pixels, not {views[0].width} and "
                          f"{views[0].height}.")  # fmt: skip
    for view in views:
        if not view.K.is_cuda:  # looking at it on a GPU would wait for all that is still being drawn there
            _check(view)
    if sh_degree is None:
        sh_degree = min(gaussians.sh_degree, 3)
    if not 0 <= sh_degree <= gaussians.sh_degree:
        raise RenderError(f"sh_degree must be 0 to {gaussians.sh_degree} for these Gaussians, not {sh_degree}.")
    if not 0 < max_alpha < 1:
        raise RenderError(f"max_alpha must lie between 0 and 1, not {max_alpha}.")
    return Settings(sh_degree, max_alpha, tile_cut, max(1, threads or min(cores(), _MOST_THREADS)))


def _check(view: Camera) -> None:
    K = view.K.tolist()
    if not all(map(math.isfinite, sum(K + view.viewmat.tolist(), []))):
        raise RenderError("A camera holds values that are not finite; check its K and viewmat.")
    if not (K[0][0] > 0 and K[1][1] > 0):
        raise RenderError("A camera's focal lengths must be positive; check its K.")


def _background(background: Tensor | Sequence[float] | None, num_views: int, like: Tensor) -> Tensor:
    """The background as (C, 3), where it is given."""
    if background is None:
        return torch.zeros(num_views, 3, dtype=like.dtype)
    colour = torch.as_tensor(background, dtype=like.dtype)
    if colour.shape[-1:] != (3,) or colour.shape[:-1] not in ((), (1,), (num_views,)):
        raise RenderError(f"background must have shape (3,) or ({num_views}, 3), not {tuple(colour.shape)}.")
    return colour.expand(num_views, 3)


def _rasterizer(backend: Backend) -> Rasterizer:
    """The function that draws one picture."""
    if backend == "cpu":
        from nopo.render import vector

        return vector.rasterize
    if backend == "plain":
        from nopo.render import plain

        return plain.rasterize
    if backend == "reference":
        from nopo.render import reference

        return reference.rasterize
    raise RenderError(f"backend must be auto, gsplat, cpu, plain or reference, not {backend}.")
