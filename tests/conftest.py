"""What the tests of the whole flow share: a model, a photo that needs no matting, a small avatar."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from nopo.avatar import Avatar
from nopo.body.open import load_open_body
from nopo.gaussians import Gaussians

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium that draws WebGL by software."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of the open network with random weights: quick to make, and as heavy as the shipped one."""
    from nopo.encode.checkpoint import save_network
    from nopo.encode.config import ModelConfig
    from nopo.encode.network import Network

    torch.manual_seed(0)
    network = Network(ModelConfig.open())
    network.shape.template_joints.copy_(load_open_body().rest_joints())
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_network(network, path)
    return str(path)


@pytest.fixture(scope="session")
def cutout_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn person on a transparent background."""
    image = Image.new("RGBA", (240, 320), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((100, 30, 140, 80), (220, 170, 140, 255))
    draw.rectangle((85, 78, 155, 180), (180, 40, 40, 255))
    draw.rectangle((88, 180, 116, 295), (40, 50, 120, 255))
    draw.rectangle((124, 180, 152, 295), (40, 50, 120, 255))
    path = tmp_path_factory.mktemp("photos") / "drawn.png"
    image.save(path)
    return path


@pytest.fixture(scope="session")
def body_avatar() -> Avatar:
    """The open body's template as an avatar: one grey-to-white splat at every third vertex."""
    body = load_open_body()
    means = body.vertices()[::3]
    n = len(means)
    covars = torch.eye(3).expand(n, 3, 3) * 0.008**2
    sh = (means[:, None, :] - means.amin(0)) / (means.amax(0) - means.amin(0))
    return Avatar(
        Gaussians(means, covars.contiguous(), torch.full((n,), 0.9), sh),
        body.bone_weights[::3],
        body.rest_joints(),
        "test",
    )


@pytest.fixture(scope="session")
def saved_avatar(body_avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("avatars") / "body.safetensors"
    body_avatar.save(path)
    return path
