import os
import sys
import types

import pytest
import torch
from render_scenes import frontal, random_cloud

from nopo.camera import Camera
from nopo.errors import DependencyError, RenderError
from nopo.gaussians import Gaussians
from nopo.render import cuda, gsplat_check, render
from nopo.render.settings import Settings

NAMES = ("means", "covars", "opacities", "sh")


def test_without_cuda_says_what_to_do():
    if torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    assert not gsplat_check.available()
    with pytest.raises(DependencyError, match='CUDA.*choose the backend "cpu"'):
        render(random_cloud(3), frontal(8, 8), backend="gsplat")


def test_probe_reports_the_last_line_and_ends_in_time():
    python = sys.executable
    assert gsplat_check._probe([python, "-c", "pass"], 60) is None
    failing = [python, "-c", "print('compiling'); raise SystemExit('a strange failure')"]
    assert gsplat_check._probe(failing, 60) == "a strange failure"
    sleeping = [python, "-c", "import time; time.sleep(60)"]
    assert gsplat_check._probe(sleeping, 0.5) == "it did not compile within 0.5 s"


@pytest.mark.parametrize("said, meaning", [
    ("ModuleNotFoundError: No module named 'gsplat'", "gsplat is not installed"),
    ("gsplat: No CUDA toolkit found. gsplat will be disabled.\nAttributeError: 'NoneType' object", "no nvcc"),
    ("/bin/sh: 1: /usr/local/cuda/bin/nvcc: not found\nninja: build stopped: subcommand failed.", "no nvcc"),
    ("OSError: CUDA_HOME environment variable is not set.", "no nvcc"),
    ("/bin/sh: 1: c++: not found\nninja: build stopped: subcommand failed.", "no compiler"),
    ("CalledProcessError: Command '['where', 'cl']' returned non-zero exit status 1.", "no compiler"),
    ("RuntimeError: ('The detected CUDA version (%s) mismatches the version that was used to compile PyTorch', '11.8')",
     "wrong torch"),
    ("ImportError: gsplat/csrc.so: undefined symbol: _ZN3c104cuda20getStream", "wrong torch"),
    ("RuntimeError: Ninja is required to load C++ extensions", "no ninja"),
])  # fmt: skip
def test_known_failures_are_named(said, meaning):
    assert gsplat_check._cause(said, 1).startswith(meaning)


@pytest.mark.parametrize("works", [True, False])
def test_the_outcome_is_remembered_until_the_machine_changes(tmp_path, monkeypatch, works):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tried = tmp_path / "tried"
    code = f"open({str(tried)!r}, 'a').write('x'); {'pass' if works else 'import gsplat.nothing'}"
    command = [sys.executable, "-c", code]
    outcomes = [gsplat_check._remembered(machine, command) for machine in ("one", "one", "other")]
    assert len(set(outcomes)) == 1 and (outcomes[0] is None) == works
    assert tried.read_text() == "xx"
    (tmp_path / "nopo" / "gsplat-one.json").write_text("no json")
    gsplat_check._remembered("one", command)
    assert tried.read_text() == "xxx"


@pytest.mark.parametrize("code, reason", [
    ("raise SystemExit('torch.OutOfMemoryError: CUDA out of memory.')", "too little memory"),
    ("raise SystemExit('c++: fatal error: Killed signal terminated program cc1plus\\nninja: build stopped.')",
     "too little memory"),
    ("import os; os.kill(os.getpid(), 15)", "it was ended"),
    ("import time; time.sleep(60)", "it did not compile within"),
])  # fmt: skip
def test_a_failure_that_may_pass_is_not_remembered(tmp_path, monkeypatch, code, reason):
    if os.name == "nt" and "os.kill" in code:
        pytest.skip("Windows tells no signals")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(gsplat_check, "_BUILD_SECONDS", 3)
    assert gsplat_check._remembered("one", [sys.executable, "-c", code]).startswith(reason)
    assert gsplat_check._remembered("one", [sys.executable, "-c", "pass"]) is None


def test_one_log_line_says_why(monkeypatch, caplog):
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gsplat_check, "_machine", lambda: "here")
    monkeypatch.setattr(gsplat_check, "_remembered", lambda machine, command: "no nvcc: install it")
    gsplat_check._why_not.cache_clear()
    try:
        assert not gsplat_check.available() and not gsplat_check.available()
    finally:
        gsplat_check._why_not.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        "gsplat cannot be used (no nvcc: install it): the CPU renders."
    ]


def test_cameras_of_a_batch_go_to_gsplat_in_one_call(monkeypatch):
    """Without a GPU: what gsplat is asked for."""
    calls = []

    def rasterization(**arguments):
        calls.append(arguments)
        shape = len(arguments["viewmats"]), arguments["height"], arguments["width"]
        return torch.zeros(*shape, 4), torch.zeros(*shape, 1), {}

    monkeypatch.setitem(sys.modules, "gsplat", types.SimpleNamespace(rasterization=rasterization))
    gaussians = random_cloud(5, 4)
    gaussians.covars[2, 0, 0] = float("nan")
    cameras = [frontal(30, 20), frontal(30, 20), frontal(30, 20)]
    cameras[1].viewmat[0, 0] = float("nan")
    drawn = cuda.rasterize(gaussians, cameras, Settings(3, 0.9, False, 1), torch.zeros(3, 3))
    (call,) = calls
    assert drawn.rgb.shape == (3, 20, 30, 3) and drawn.depth.shape == (3, 20, 30, 1)
    assert call["quats"] is None and call["scales"] is None and call["sh_degree"] == 3 and call["packed"] is False
    good = torch.tensor([0, 1, 3, 4])
    assert torch.equal(call["covars"][good], gaussians.covars[good]) and not call["opacities"][2]
    assert call["opacities"].max() <= 0.9
    assert torch.equal(call["viewmats"][0], cameras[0].viewmat) and not call["viewmats"][1].any()
    assert torch.equal(call["Ks"][0], cameras[0].K) and torch.equal(call["Ks"][1], torch.eye(3))


def on_cuda(gaussians: Gaussians, camera: Camera) -> tuple[Gaussians, Camera]:
    return gaussians.to("cuda"), camera.to("cuda")


@pytest.fixture
def gsplat() -> None:
    if not torch.cuda.is_available() or not gsplat_check.available():
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
