import sys

import pytest
import torch
from render_scenes import frontal, random_cloud

from nopo.camera import Camera
from nopo.errors import DependencyError, RenderError
from nopo.gaussians import Gaussians
from nopo.render import cuda, render

NAMES = ("means", "covars", "opacities", "sh")


def test_without_cuda_says_what_to_do():
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    assert not cuda.available()
    with pytest.raises(DependencyError, match='no CUDA device.*choose the backend "cpu"'):
        render(random_cloud(3), frontal(8, 8), backend="gsplat")


def test_probe_reports_the_last_line_and_ends_in_time():
    python = sys.executable
    assert cuda._probe([python, "-c", "pass"], 60) is None
    failing = [python, "-c", "print('compiling'); raise SystemExit('nvcc: not found')"]
    assert cuda._probe(failing, 60) == "nvcc: not found"
    assert cuda._probe([python, "-c", "import time; time.sleep(60)"], 0.5) == "it did not compile within 0.5 s"


def on_cuda(gaussians: Gaussians, camera: Camera) -> tuple[Gaussians, Camera]:
    return gaussians.to("cuda"), camera.to("cuda")


@pytest.fixture
def gsplat() -> None:
    if not torch.cuda.is_available() or not cuda.available():
        pytest.skip("gsplat does not work here")


@pytest.mark.gpu
def test_gsplat_agrees_with_the_reference(gsplat):
    cloud = random_cloud(400, 3)
    gaussians = Gaussians(cloud.means, cloud.covars, cloud.opacities.clamp_max(0.9), cloud.sh)
    cameras = [frontal(90, 70), frontal(90, 70)]
    background = [0.2, 0.5, 0.7]
    fast = render(gaussians.to("cuda"), [c.to("cuda") for c in cameras], background, backend="gsplat")
    slow = render(gaussians, cameras, background, backend="reference")
    for name in ("rgb", "alpha", "depth"):
        error = (getattr(fast, name).cpu() - getattr(slow, name)).abs()
        assert error.quantile(0.999) < 1e-4 and error.max() < 1e-2, name


@pytest.mark.gpu
def test_gsplat_gradients_agree_with_the_reference(gsplat):
    cloud, camera = random_cloud(120, 3), frontal(53, 41)

    def gradients(device: str, backend: str) -> list[torch.Tensor]:
        leaves = [getattr(cloud, n).detach().to(device).requires_grad_() for n in NAMES]
        viewmat = camera.viewmat.to(device).requires_grad_()
        view = Camera(camera.K.to(device), viewmat, camera.width, camera.height)
        pictures = render(Gaussians(*leaves), view, backend=backend)
        loss = pictures.rgb.square().sum() + pictures.alpha.sum() + pictures.depth.sum()
        return [g.cpu() for g in torch.autograd.grad(loss, [*leaves, viewmat])]

    for got, expected in zip(gradients("cuda", "gsplat"), gradients("cpu", "reference"), strict=True):
        assert (got - expected).abs().max() < 1e-2 * expected.abs().max()


@pytest.mark.gpu
def test_auto_draws_gaussians_on_cuda(gsplat):
    gaussians, camera = on_cuda(random_cloud(50, 1), frontal(32, 24))
    assert render(gaussians, camera).rgb.is_cuda
    cut = render(gaussians, camera, tile_cut=True)  # gsplat cannot: the CPU does, and brings the picture back
    assert cut.rgb.is_cuda
    with pytest.raises(RenderError, match="tile_cut"):
        render(gaussians, camera, backend="gsplat", tile_cut=True)


@pytest.mark.gpu
def test_gsplat_survives_bad_gaussians(gsplat):
    gaussians, camera = on_cuda(random_cloud(20, 1), frontal(32, 24))
    gaussians.means[3, 0] = float("nan")
    gaussians.sh[5, 0, 0] = float("inf")
    assert render(gaussians, camera, backend="gsplat").rgb.isfinite().all()
    nothing = render(gaussians.select(torch.arange(0, device="cuda")), camera, [0.1, 0.2, 0.3], backend="gsplat")
    assert nothing.rgb.shape == (1, 24, 32, 3) and not nothing.alpha.any()
