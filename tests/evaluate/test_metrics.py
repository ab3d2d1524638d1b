import pytest
import torch

from nopo.evaluate.metrics import iou, psnr, ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(40, 33, 3, generator=generator)
    return (truth + 0.1 * torch.randn(40, 33, 3, generator=generator)).clamp(0, 1), truth


def test_psnr_and_ssim_are_those_of_scikit_image(pair):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    pred, truth = pair
    expected = peak_signal_noise_ratio(truth.numpy(), pred.numpy(), data_range=1)
    assert psnr(pred, truth).item() == pytest.approx(expected, abs=1e-4)
    expected = structural_similarity(truth.numpy(), pred.numpy(), channel_axis=-1, data_range=1)
    assert ssim(pred, truth).item() == pytest.approx(expected, abs=1e-5)


def test_masked_psnr_ignores_what_lies_outside(pair):
    pred, truth = pair
    mask = torch.zeros(40, 33)
    mask[10:20, 5:15] = 1
    spoiled = pred.clone()
    spoiled[30:] = 0
    assert psnr(spoiled, truth, mask) == psnr(pred, truth, mask)
    assert psnr(pred, truth, mask).item() == pytest.approx(psnr(pred[10:20, 5:15], truth[10:20, 5:15]).item(), abs=1e-4)


def test_iou_counts_pixels():
    a, b = torch.zeros(4, 4), torch.zeros(4, 4)
    a[:2], b[1:3] = 1, 1
    assert iou(a, b).item() == pytest.approx(4 / 12)


def test_batches_give_one_value_a_picture(pair):
    pred, truth = pair
    batch = ssim(torch.stack([pred, truth]), torch.stack([truth, truth]))
    assert batch.shape == (2,) and batch[1].item() == pytest.approx(1.0)
