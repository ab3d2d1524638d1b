"""What the original does to a training sample, on the values that were recorded of it."""

from pathlib import Path

import numpy as np
import parity_rules
import pytest
import torch

from nopo.camera import Camera
from nopo.train import original_samples as samples

DATA = Path(__file__).parents[1] / "data"
K = torch.tensor([[0.8, 0, 0.5], [0, 0.8, 0.5244], [0, 0, 1]])  # of the recorded photos, in shares of their sides
CASES = {"pad": ("pad", (112, 80)), "crop": ("crop", (64, 64)), "same": ("crop", (32, 32))}


def read(file: str) -> dict[str, torch.Tensor]:
    with np.load(DATA / file) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive.files}


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return read("golden_samples.npz")


def in_pixels(shares: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return shares * torch.tensor([[size[1]], [size[0]], [1]])


@pytest.mark.parametrize("case", CASES)
def test_photos_masks_and_cameras_take_one_size(golden, case):
    how, before = CASES[case]
    photos, masks = (torch.from_numpy(x) for x in parity_rules.make_images(2, *before))
    expected = golden[f"shim.{case}.image"]
    size = tuple(expected.shape[-2:])
    torch.testing.assert_close(
        samples.fit_photos(photos, size, how, golden[f"shim.{case}.bg"]), expected, rtol=0, atol=1e-6
    )
    torch.testing.assert_close(samples.fit_masks(masks, size, how), golden[f"shim.{case}.mask"], rtol=0, atol=1e-6)
    Ks = samples.fit_cameras(in_pixels(K, before).expand(2, 3, 3), before, size, how)
    torch.testing.assert_close(Ks, in_pixels(golden[f"shim.{case}.K"], size), rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", ["crop", "same"])
def test_skinning_maps_go_along(golden, case):
    maps, expected = golden[f"shim.{case}.in_lbs"].float(), golden[f"shim.{case}.lbs"]
    fitted = samples.fit_maps(maps.permute(0, 3, 1, 2), tuple(expected.shape[1:3]), "crop")
    torch.testing.assert_close(fitted.permute(0, 2, 3, 1), expected, rtol=0, atol=1e-6)


def test_padded_maps_are_zero_where_the_photo_is_filled_up():
    fitted = samples.fit_maps(torch.ones(1, 4, 112, 80), (32, 32), "pad")
    assert fitted[..., 4:27].gt(0.999).all() and fitted[..., :4].eq(0).all() and fitted[..., 27:].eq(0).all()


def test_mirrored_transforms(golden):
    lbs = read("golden_lbs.npz")
    for turns, shifts, wanted in (("global_Rs", "global_Ts", "reflect_"), ("cnl_Rs", "cnl_Ts", "reflect_cnl_")):
        transforms = torch.cat([lbs[turns], lbs[shifts][..., None]], -1)
        expected = torch.cat([golden[wanted + "Rs"], golden[wanted + "Ts"][..., None]], -1)
        assert torch.equal(samples.mirror_transforms(transforms).expand_as(expected), expected)


def test_mirrored_cameras_see_mirrored_points(golden):
    viewmats, Ks = samples.mirror_cameras(golden["cam.c2w"], in_pixels(golden["cam.K"], (1, 1)), 1)
    assert torch.equal(viewmats, golden["cam.reflect_c2w"]) and torch.equal(Ks, golden["cam.reflect_K"])

    viewmat, K = torch.linalg.inv(golden["cam.c2w"][3]), in_pixels(golden["cam.K"][3], (48, 64))
    other, other_K = (x[0] for x in samples.mirror_cameras(viewmat[None], K[None], 64))
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) + golden["cam.c2w"][3, :3, 2] * 8
    seen = Camera(K, viewmat, 64, 48).project(points)
    mirrored = Camera(other_K, other, 64, 48).project(points * torch.tensor([-1.0, 1, 1]))
    torch.testing.assert_close(
        mirrored, seen * torch.tensor([-1.0, 1, 1]) + torch.tensor([64.0, 0, 0]), rtol=1e-4, atol=1e-3
    )


def test_mirrored_pictures_and_skinning():
    maps = torch.rand(1, 55, 2, 3, generator=torch.Generator().manual_seed(0))
    mirrored = samples.mirror_skinning(maps)
    assert torch.equal(mirrored[:, 20], samples.mirror_pictures(maps[:, 21])), "left wrist and right wrist"
    assert torch.equal(samples.mirror_skinning(mirrored), maps)
