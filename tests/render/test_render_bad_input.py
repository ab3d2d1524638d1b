import math
import multiprocessing
import resource
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import pytest
import torch
from render_scenes import frontal, random_cloud

from nopo.camera import Camera
from nopo.gaussians import Gaussians
from nopo.render import render, vector, warm_up
from nopo.render.compiler import _writable_folder

BACKENDS = ["reference", "plain", "cpu"]
NAMES = ("means", "covars", "opacities", "sh")
GREY = [0.5, 0.25, 0.75]


def changed(gaussians: Gaussians, **values: torch.Tensor) -> Gaussians:
    return Gaussians(*(values.get(name, getattr(gaussians, name)) for name in NAMES))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_gaussians_that_are_not_finite_are_not_drawn(backend, bad, name):
    good, camera = random_cloud(21, 1), frontal(40, 30)
    values = {n: getattr(good, n).clone() for n in NAMES}
    values[name][7].view(-1)[0] = bad
    leaves = {n: v.requires_grad_() for n, v in values.items()}
    pictures = render(Gaussians(**leaves), camera, GREY, backend=backend)
    rest = good.select(torch.arange(21) != 7)
    assert torch.allclose(pictures.rgb, render(rest, camera, GREY, backend=backend).rgb, atol=1e-6)
    pictures.rgb.square().sum().backward()
    for leaf in leaves.values():
        assert leaf.grad is not None and leaf.grad.isfinite().all() and (leaf.grad[7] == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_gaussians(backend, count):
    gaussians, camera = random_cloud(20, 2).select(torch.arange(count)), frontal(30, 20)
    values = [getattr(gaussians, n).requires_grad_() for n in NAMES]
    pictures = render(Gaussians(*values), camera, GREY, backend=backend)
    expected = render(gaussians, camera, GREY, backend="reference")
    assert torch.allclose(pictures.rgb, expected.rgb, atol=1e-5)
    if count == 0:
        assert (pictures.rgb == torch.tensor(GREY)).all() and not pictures.alpha.any() and not pictures.depth.any()
    if pictures.rgb.requires_grad:
        pictures.rgb.sum().backward()
        assert all(v.grad is None or v.grad.shape == v.shape for v in values)


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_behind_the_camera_or_too_near(backend):
    gaussians, camera = random_cloud(30, 0), frontal(16, 16)
    for distance in (-5.0, 0.1):
        axis = camera.viewmat[2, :3]
        centre = -camera.viewmat[:3, :3].T @ camera.viewmat[:3, 3]
        means = (centre + distance * axis).expand(30, 3)
        pictures = render(changed(gaussians, means=means), camera, GREY, backend=backend)
        assert (pictures.rgb == torch.tensor(GREY)).all() and not pictures.alpha.any()


@pytest.mark.parametrize("backend", ["plain", "cpu"])
def test_one_gaussian_covers_the_screen(backend):
    one, camera = random_cloud(1, 0), frontal(123, 77)
    for metres in (3.0, 1e4):
        huge = changed(one, covars=metres**2 * torch.eye(3)[None], means=torch.zeros(1, 3))
        pictures = render(huge, camera, GREY, backend=backend)
        expected = render(huge, camera, GREY, backend="reference")
        assert torch.allclose(pictures.rgb, expected.rgb, atol=1e-4) and (pictures.alpha > 0.02).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_covariances_that_are_not_positive(backend):
    gaussians, camera = random_cloud(24, 0), frontal(32, 32)
    negative = gaussians.covars.clone()
    negative[::2] *= -1
    drawn = render(changed(gaussians, covars=negative), camera, backend=backend)
    rest = render(gaussians.select(torch.arange(24) % 2 == 1), camera, backend=backend)
    assert torch.allclose(drawn.rgb, rest.rgb, atol=1e-6)
    points = render(changed(gaussians, covars=torch.zeros(24, 3, 3)), camera, backend=backend)
    assert points.rgb.isfinite().all() and points.alpha.max() > 0.05  # blurred to about a pixel


@pytest.mark.parametrize("backend", BACKENDS)
def test_layout_in_memory_does_not_matter(backend):
    gaussians, camera = random_cloud(40, 3), frontal(32, 24)
    strided = Gaussians(
        gaussians.means.T.contiguous().T,
        gaussians.covars.movedim(0, -1).contiguous().movedim(-1, 0),
        torch.stack([gaussians.opacities, gaussians.opacities], 1)[:, 0],
        gaussians.sh.permute(2, 1, 0).contiguous().permute(2, 1, 0),
    )
    assert not any(getattr(strided, n).is_contiguous() for n in NAMES)
    picture = render(strided, camera, backend=backend).rgb
    assert torch.allclose(picture, render(gaussians, camera, backend=backend).rgb, atol=1e-6)


def test_lists_in_groups_draw_the_same_picture(monkeypatch):
    gaussians, camera = random_cloud(500, 1), frontal(64, 100)

    def picture_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        means = gaussians.means.clone().requires_grad_()
        rgb = render(changed(gaussians, means=means), camera, threads=2).rgb
        return rgb, torch.autograd.grad(rgb.square().sum(), means)[0]

    whole = picture_and_gradient()
    monkeypatch.setattr(vector, "_MAX_ENTRIES", 300)
    for one, other in zip(whole, picture_and_gradient(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_many_threads_at_once():
    """Visitors of a page: the same picture for each of them, from threads of their own."""
    gaussians, camera = random_cloud(2000, 1), frontal(96, 96)
    expected = render(gaussians, camera).rgb
    wrong: list[str] = []

    def visit(threads: int) -> None:
        for _ in range(5):
            if not torch.equal(render(gaussians, camera, threads=threads).rgb, expected):
                wrong.append(f"{threads} threads")

    visitors = [threading.Thread(target=visit, args=(1 + k % 3,)) for k in range(6)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not wrong


def test_changing_the_picture_before_the_backward_pass_is_an_error():
    gaussians = random_cloud(20, 0)
    rgb = render(changed(gaussians, means=gaussians.means.requires_grad_()), frontal(16, 16)).rgb
    loss = rgb.square().sum()
    with torch.no_grad():
        rgb.clamp_(0, 0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_forked_child_renders():
    """Loaders of training data fork after the parent has rendered."""
    gaussians, camera = random_cloud(20, 0), frontal(16, 16)
    expected = render(gaussians, camera, threads=2).rgb
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        process = multiprocessing.get_context("fork").Process(target=_same_or_exit, args=(gaussians, camera, expected))
        process.start()
    process.join(60)
    assert process.exitcode == 0


def _same_or_exit(gaussians: Gaussians, camera: Camera, expected: torch.Tensor) -> None:
    sys.exit(0 if torch.equal(render(gaussians, camera, threads=2).rgb, expected) else 1)


def test_inference_mode_and_float64():
    gaussians, camera = random_cloud(30, 1), frontal(20, 20)
    expected = render(gaussians, camera).rgb
    with torch.inference_mode():
        assert torch.equal(render(gaussians, camera).rgb, expected)
    double = Gaussians(*(getattr(gaussians, n).double() for n in NAMES))
    assert torch.equal(render(double, camera).rgb, expected)


def test_warm_up_compiles_what_a_picture_needs():
    warm_up(gradients=True)
    from nopo.render.vector_blend import blend
    from nopo.render.vector_blend_grad import blend_grad
    from nopo.render.vector_project import project

    before = [len(f.signatures) for f in (blend, blend_grad, project)]
    picture = render(random_cloud(50, 3).select(torch.arange(50)), frontal(33, 17), GREY, threads=2).rgb
    assert picture.isfinite().all()
    assert [len(f.signatures) for f in (blend, blend_grad, project)] == before == [1, 1, 1]


def test_unwritable_cache_folder_is_no_failure(tmp_path, monkeypatch):
    """A container without a writable home compiles at every start, somewhere temporary."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = Path(_writable_folder())
    assert folder.is_dir() and folder.parent == tmp_path


@pytest.mark.slow
def test_ten_million_gaussians_in_bounded_memory():
    count = 10_000_000
    random = torch.Generator().manual_seed(0)
    means = torch.randn(count, 3, generator=random) * 0.4
    covars = (1e-5 * torch.eye(3)).expand(count, 3, 3)
    cloud = Gaussians(means, covars.contiguous(), torch.full((count,), 0.5), torch.zeros(count, 1, 3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pictures = render(cloud, frontal(512, 512))
    used_gib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    assert pictures.alpha.mean() > 0.3 and used_gib < 2


@pytest.mark.slow
def test_a_picture_of_8192_pixels():
    gaussians = random_cloud(200, 0)
    pictures = render(gaussians, frontal(8192, 8192), GREY)
    assert pictures.rgb.shape == (1, 8192, 8192, 3) and pictures.rgb[0, ::64, ::64].isfinite().all()
    assert pictures.alpha[0, ::64, ::64].max() > 0.9
