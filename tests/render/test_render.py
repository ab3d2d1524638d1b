import pytest
import torch
from render_scenes import frontal, random_cloud

from nopo.camera import Camera
from nopo.errors import RenderError
from nopo.gaussians import Gaussians
from nopo.render import render

BACKENDS = ["reference", "plain", "cpu"]
FAST = ["plain", "cpu"]
NAMES = ("means", "covars", "opacities", "sh")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(1, 1), (7, 61), (97, 33)])
def test_shapes_and_ranges(backend, size):
    width, height = size
    pictures = render(random_cloud(50), [frontal(width, height)] * 2, [0.1, 0.2, 0.3], backend=backend)
    assert pictures.rgb.shape == (2, height, width, 3)
    assert pictures.alpha.shape == pictures.depth.shape == (2, height, width, 1)
    assert pictures.rgb.dtype == torch.float32
    assert pictures.rgb.isfinite().all() and (pictures.rgb >= 0).all()
    assert (pictures.alpha >= 0).all() and (pictures.alpha <= 1).all()


def test_one_gaussian_by_hand():
    """A flat disc facing the camera: the picture is the formula, pixel by pixel."""
    variance, opacity, depth, f_px = 0.01, 0.8, 2.0, 40.0
    gaussians = Gaussians(torch.zeros(1, 3), torch.diag(torch.tensor([variance, variance, 1e-8]))[None],
                          torch.tensor([opacity]), torch.zeros(1, 1, 3))  # fmt: skip
    viewmat = torch.eye(4)
    viewmat[2, 3] = depth
    camera = Camera(torch.tensor([[f_px, 0, 8.5], [0, f_px, 8.5], [0, 0, 1]]), viewmat, 17, 17)
    steps = torch.arange(17) - 8.0  # the centre of pixel 8 is at 8.5
    squared = steps[:, None] ** 2 + steps**2
    alpha = opacity * torch.exp(-squared / 2 / (variance * (f_px / depth) ** 2 + 0.3))
    alpha = torch.where(alpha >= 1 / 255, alpha, 0)
    for backend in BACKENDS:
        pictures = render(gaussians, camera, [1.0, 0.0, 0.0], backend=backend)
        assert torch.allclose(pictures.alpha[0, ..., 0], alpha, atol=2e-6)
        assert torch.allclose(pictures.depth[0, ..., 0], depth * alpha, atol=5e-6)
        assert torch.allclose(pictures.rgb[0, ..., 0], 0.5 * alpha + (1 - alpha), atol=2e-6)
        assert torch.allclose(pictures.rgb[0, ..., 2], 0.5 * alpha, atol=2e-6)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("degree", range(5))
def test_agrees_with_the_reference(backend, degree):
    gaussians, camera = random_cloud(400, degree, seed=degree), frontal(90, 70)
    options = {"background": torch.tensor([0.3, 0.6, 0.9]), "sh_degree": degree}
    slow = render(random_cloud(400, degree, torch.float64, degree), camera, backend="reference", **options)
    for threads in (1, 3):
        fast = render(gaussians, camera, backend=backend, threads=threads, **options)
        for name in ("rgb", "alpha", "depth"):
            error = (getattr(fast, name) - getattr(slow, name)).abs()
            assert error.max() < 4e-3 and error.square().mean() < 10**-10.5, name


def test_several_tiles_side_by_side_agree_with_the_reference():
    """Splats across the borders of the fast rasterizer's tiles of 128×8 pixels, and a last tile that is not whole."""
    K = torch.tensor([[220.0, 0, 150.5], [0, 220.0, 13.5], [0, 0, 1]])
    camera = Camera(K, frontal(301, 27).viewmat, 301, 27)
    results = []
    for backend in ("reference", "cpu"):
        means = random_cloud(400, 1).means.requires_grad_()
        cloud = random_cloud(400, 1)
        pictures = render(Gaussians(means, cloud.covars, cloud.opacities, cloud.sh), camera, backend=backend, threads=2)
        results.append((pictures.rgb, torch.autograd.grad(pictures.rgb.square().sum(), means)[0]))
    (expected, slope), (got, fast_slope) = results
    assert (expected[0, :, 120:136] > 0.05).any() and (expected[0, :, 250:262] > 0.05).any()
    assert (got - expected).abs().max() < 4e-3
    assert (fast_slope - slope).abs().max() < 2e-3 * slope.abs().max()


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("tile_cut", [False, True])
def test_gradients_agree_with_the_reference(backend, tile_cut):
    camera = frontal(53, 41, torch.float64)
    random = torch.Generator().manual_seed(1)
    weights = [torch.randn(2, 41, 53, k, generator=random, dtype=torch.float64) for k in (3, 1, 1)]

    def gradients(backend: str, dtype: torch.dtype) -> list[torch.Tensor]:
        cloud = random_cloud(120, 3, dtype, seed=3)
        leaves = [getattr(cloud, name).requires_grad_() for name in NAMES]
        viewmat = camera.viewmat.to(dtype).requires_grad_()
        other = torch.eye(4, dtype=dtype)
        other[0, 3] = 0.2
        background = torch.tensor([0.2, 0.5, 0.7], dtype=dtype, requires_grad=True)
        views = [Camera(camera.K.to(dtype), v, camera.width, camera.height) for v in (viewmat, viewmat @ other)]
        pictures = render(Gaussians(*leaves), views, background, backend=backend, tile_cut=tile_cut, threads=2)
        outputs = (pictures.rgb, pictures.alpha, pictures.depth)
        loss = sum((w.to(dtype) * o).sum() for w, o in zip(weights, outputs, strict=True))
        return list(torch.autograd.grad(loss, [*leaves, viewmat, background]))

    slow, fast = gradients("reference", torch.float64), gradients(backend, torch.float32)
    for name, expected, got in zip((*NAMES, "viewmat", "background"), slow, fast, strict=True):
        assert (got - expected).abs().max() < 2e-4 * expected.abs().max(), name


def test_reference_gradients_are_the_slopes():
    """Autograd against finite differences, through every input and the early stop."""
    cloud, camera = random_cloud(6, 1, torch.float64, seed=5), frontal(9, 7, torch.float64)

    def pictures(means, factors, opacities, sh, viewmat):
        gaussians = Gaussians(means, factors @ factors.mT, opacities, sh)
        view = Camera(camera.K, viewmat, camera.width, camera.height)
        result = render(gaussians, view, [0.1, 0.2, 0.3], backend="reference")
        return result.rgb, result.alpha, result.depth

    factors = torch.linalg.cholesky(cloud.covars)
    inputs = [t.clone().requires_grad_() for t in (cloud.means, factors, cloud.opacities, cloud.sh, camera.viewmat)]
    assert torch.autograd.gradcheck(pictures, inputs, eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_default_degree_ignores_the_fourth(backend):
    gaussians, camera = random_cloud(30, 4), frontal(32, 32)
    lower = Gaussians(gaussians.means, gaussians.covars, gaussians.opacities, gaussians.sh[:, :16].contiguous())
    default = render(gaussians, camera, backend=backend).rgb
    assert torch.equal(default, render(lower, camera, backend=backend).rgb)
    assert not torch.equal(default, render(gaussians, camera, backend=backend, sh_degree=4).rgb)


def test_cameras_of_a_batch_are_independent():
    gaussians, first = random_cloud(60), frontal(40, 30)
    second = Camera(first.K * torch.tensor([[1.3], [1.3], [1.0]]), first.viewmat, 40, 30)
    backgrounds = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    both = render(gaussians, [first, second], backgrounds)
    for index, camera in enumerate((first, second)):
        assert torch.equal(both.rgb[index], render(gaussians, camera, backgrounds[index]).rgb[0])


def test_wrong_arguments_say_what_to_do():
    gaussians, camera = random_cloud(5, 1), frontal(8, 8)
    with pytest.raises(RenderError, match="at least one camera"):
        render(gaussians, [])
    with pytest.raises(RenderError, match="up to 131072 pixels"):
        render(gaussians, Camera(camera.K, camera.viewmat, 1, 200_000))
    with pytest.raises(RenderError, match="same picture size"):
        render(gaussians, [camera, frontal(9, 8)])
    with pytest.raises(RenderError, match="0 to 1"):
        render(gaussians, camera, sh_degree=3)
    with pytest.raises(RenderError, match="max_alpha"):
        render(gaussians, camera, max_alpha=1.5)
    with pytest.raises(RenderError, match="background must have shape"):
        render(gaussians, camera, torch.zeros(4))
    with pytest.raises(RenderError, match="not finite"):
        render(gaussians, Camera(camera.K, camera.viewmat * float("nan"), 8, 8))
    with pytest.raises(RenderError, match="focal"):
        render(gaussians, Camera(-camera.K, camera.viewmat, 8, 8))
    with pytest.raises(RenderError, match="backend must be"):
        render(gaussians, camera, backend="opengl")
