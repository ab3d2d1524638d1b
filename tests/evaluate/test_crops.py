"""The original's evaluation script, on the pictures that it was recorded on."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nopo.evaluate.crops import on_white, person_crop
from nopo.evaluate.metrics import psnr, ssim

SIDE = 1024
ELLIPSES = ((0.5, 0.5, 0.12, 0.42), (0.8, 0.44, 0.15, 0.40), (0.2, 0.56, 0.1, 0.38))


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parents[1] / "data" / "golden_metrics.npz") as archive:
        return dict(archive)


def recorded_pair(k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prediction and ground truth (1024, 1024, 3), made by the recorded rule."""
    centre = (np.arange(SIDE) + 0.5) / SIDE
    u, v, c = centre[None, :, None], centre[:, None, None], np.arange(3.0)
    truth = 0.3 * np.sin(2 * math.pi * (5 + c) * u) * np.cos(8 * math.pi * v + c) + 0.5
    pred = truth + 0.05 * np.sin(120 * math.pi * u + k) * np.cos(90 * math.pi * v)
    cu, cv, ru, rv = ELLIPSES[k]
    inside = ((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 < 1
    pictures = (np.where(inside, np.clip(picture, 0, 1), 0) for picture in (pred, truth))
    first, second = (torch.from_numpy(np.round(255 * picture).astype(np.float32) / 255) for picture in pictures)
    return first, second


@pytest.mark.parametrize("k", range(3))
def test_figures_of_the_thuman_script(golden, k):
    pred, truth = recorded_pair(k)
    crop = person_crop(truth)
    assert crop is not None
    assert [side.start for side in crop] == golden["eval.crop_top_left"][k].tolist()
    assert pred[crop].shape == (1000, 500, 3)
    assert psnr(pred[crop], truth[crop]).item() == pytest.approx(golden["eval.psnr"][k], abs=1e-4)
    assert ssim(pred[crop], truth[crop]).item() == pytest.approx(golden["eval.ssim"][k], abs=1e-5)


def test_figures_that_the_original_logs_while_it_runs(golden):
    truth, pred = (torch.from_numpy(golden[f"loss.{name}"]).movedim(1, -1) for name in ("image", "pred"))
    torch.testing.assert_close(
        psnr(pred.clamp(0, 1), truth.clamp(0, 1)), torch.from_numpy(golden["loss.metric_psnr"]), rtol=0, atol=1e-4
    )
    logged = torch.from_numpy(golden["loss.metric_ssim"])
    torch.testing.assert_close(ssim(pred, truth, gaussian=True), logged, rtol=0, atol=1e-5)


def test_black_pictures_have_no_crop():
    assert person_crop(torch.zeros(SIDE, SIDE, 3)) is None


def test_on_white():
    picture = torch.full((2, 2, 3), 0.5)
    assert on_white(picture, torch.tensor([[1.0, 0.0], [0.5, 1.0]]))[..., 0].tolist() == [[0.5, 1.0], [0.75, 0.5]]
