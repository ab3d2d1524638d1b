import pytest
import torch
from render_scenes import scene_a, scene_b

from nopo.render import render


@pytest.mark.parametrize("recorded, tile_cut", [("official", True), ("notile", False)])
@pytest.mark.parametrize("backend", ["reference", "plain", "cpu"])
def test_scene_a_with_the_original_covariance_focal(backend, recorded, tile_cut):
    gaussians, camera, background, focal, expected = scene_a()
    pictures = render(gaussians, camera, background, backend=backend, tile_cut=tile_cut, cov_focal=focal)
    tolerance = 2e-5
    assert torch.allclose(pictures.rgb[0].permute(2, 0, 1), expected[f"{recorded}.color"], rtol=0, atol=tolerance)
    assert torch.allclose(pictures.alpha[0, ..., 0], expected[f"{recorded}.alpha"], rtol=0, atol=tolerance)
    assert torch.allclose(pictures.depth[0, ..., 0], expected[f"{recorded}.depth"], rtol=0, atol=3 * tolerance)


@pytest.mark.parametrize("backend", ["reference", "plain", "cpu"])
def test_scene_a_with_the_camera_alone_stays_close(backend):
    gaussians, camera, background, _, expected = scene_a()
    pictures = render(gaussians, camera, background, backend=backend)
    assert torch.allclose(pictures.rgb[0].permute(2, 0, 1), expected["notile.color"], rtol=0, atol=4e-3)


def test_ray_angle_focal_is_the_recorded_one():
    _, camera, _, focal, expected = scene_a()
    recorded = camera.width / 2 / torch.stack([expected["tanfovx"], expected["tanfovy"]])
    assert torch.allclose(focal.double(), recorded, rtol=1e-6)


@pytest.mark.parametrize("recorded, tile_cut", [("official", True), ("notile", False)])
@pytest.mark.parametrize("backend", ["reference", "plain", "cpu"])
def test_scene_b_posed_cloud(backend, recorded, tile_cut):
    clouds, cameras, background, focals, expected = scene_b()
    for k in range(2):
        options = {"backend": backend, "tile_cut": tile_cut, "cov_focal": focals[k]}
        everything = render(clouds[k], cameras[k], background, **options)
        picture = everything.rgb[0].permute(2, 0, 1)
        assert torch.allclose(picture, expected[f"{recorded}.color"][k], rtol=0, atol=2e-5)
        from_photos = clouds[k].select(expected["idx"][:, 0] > 0)
        picture = render(from_photos, cameras[k], background, **options).rgb[0].permute(2, 0, 1)
        assert torch.allclose(picture, expected[f"{recorded}.context_color"][k], rtol=0, atol=2e-5)
