import math

import pytest
import torch

from nopo.camera import Camera, framing_distance, framing_orbit, intrinsics, look_at, orbit
from nopo.errors import NopoError


def test_look_at_is_a_rigid_transform_that_keeps_the_target_ahead_and_up_up() -> None:
    for eye in ([0.0, 0, 3], [2.0, 1, -1], [0.0, 4, 0], [0.0, -4, 0]):
        eye, target = torch.tensor(eye), torch.tensor([0.1, 0.2, 0.3])
        viewmat = look_at(eye, target)
        rotation = viewmat[:3, :3]
        assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-6)
        assert torch.linalg.det(rotation).item() == pytest.approx(1, abs=1e-5)
        seen = rotation @ target + viewmat[:3, 3]
        assert torch.allclose(seen, torch.tensor([0, 0, (target - eye).norm()]), atol=1e-5)
        assert (rotation @ torch.tensor([0.0, 1, 0]))[1] <= 1e-6  # y points down in the picture


def test_the_front_camera_sees_the_left_hand_on_the_right() -> None:
    camera = orbit(torch.zeros(3), 3.0, 0.0, size=(100, 200))
    left_hand, head = camera.project(torch.tensor([[0.7, 0.0, 0], [0, 0.8, 0]]))
    assert left_hand[0] > 100 and head[1] < 50
    assert torch.allclose(camera.project(torch.zeros(3)), torch.tensor([100.0, 50.0, 3.0]))


def test_azimuth_90_stands_at_the_subjects_left() -> None:
    camera = orbit(torch.zeros(3), 2.0, 90.0)
    assert camera.project(torch.tensor([0.5, 0, 0]))[2] == pytest.approx(1.5, abs=1e-5)
    above = orbit(torch.zeros(3), 2.0, 0.0, 60.0)
    assert above.project(torch.tensor([0, 0.5, 0]))[2] < 2


@pytest.mark.parametrize("elevation", [-90.0, -89.5, 0.0, 30.0, 89.5, 90.0, 150.0])
def test_every_orbit_turns_and_stays_upright(elevation: float) -> None:
    """Also one from straight above."""
    before, after = (orbit(torch.zeros(3), 2.0, azimuth, elevation).viewmat[:3, :3] for azimuth in (0.0, 40.0))
    turned = math.degrees(math.acos((float((after @ before.T).trace()) - 1) / 2))
    assert turned == pytest.approx(40, abs=0.1)
    assert torch.allclose(after @ after.T, torch.eye(3), atol=1e-6)
    assert torch.linalg.det(after).item() == pytest.approx(1, abs=1e-5) and after[1, 1] <= 1e-6


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 5.0), (130.0, -40.0), (-75.0, 88.0), (200.0, 120.0)])
def test_an_orbiting_camera_looks_at_its_center(azimuth: float, elevation: float) -> None:
    center = torch.tensor([0.2, -0.1, 0.4])
    viewmat = orbit(center, 3.0, azimuth, elevation).viewmat
    eye = -viewmat[:3, :3].T @ viewmat[:3, 3]
    torch.testing.assert_close(viewmat, look_at(eye, center), atol=2e-5, rtol=0)


def test_the_field_of_view_spans_the_shorter_side() -> None:
    k = intrinsics(60.0, (300, 400))
    assert 2 * math.degrees(math.atan(150 / k[1, 1])) == pytest.approx(60)
    assert k[0, 2] == 200 and k[1, 2] == 150


@pytest.mark.parametrize("size", [(256, 256), (300, 200), (200, 500)])
@pytest.mark.parametrize("elevation", [0.0, 15.0, -40.0])
def test_framing_sees_all_points_from_everywhere_without_waste(size: tuple[int, int], elevation: float) -> None:
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.6, 1.7, 0.4])
    depths, filled = set(), 0.0
    for azimuth in range(0, 360, 15):
        camera = framing_orbit(points, azimuth, elevation, size=size)
        xy = camera.project(points)[:, :2]
        assert (xy >= 0).all() and (xy[:, 0] <= size[1]).all() and (xy[:, 1] <= size[0]).all()
        middle = camera.project(((points.amin(0) + points.amax(0)) / 2)[None])[0]
        depths.add(round(middle[2].item(), 4))
        middle_px = torch.tensor([size[1], size[0]]) / 2
        filled = max(filled, ((xy - middle_px).abs() / middle_px).max().item())
    assert len(depths) == 1  # a turntable that does not breathe
    assert filled == pytest.approx(1 / 1.12, abs=0.03)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(NopoError, match="Camera needs K"):
        Camera(torch.eye(4), torch.eye(4), 10, 10)
    with pytest.raises(NopoError, match="at least 1×1"):
        Camera(torch.eye(3), torch.eye(4), 0, 10)


def test_one_azimuth_is_framed_more_closely_than_a_turn() -> None:
    points = torch.tensor([[0.0, 0.8, 0], [0, -0.8, 0], [0, 0, 1.0], [0, 0, -1.0]])
    center, near = framing_distance(points, [0.0])
    assert near < framing_distance(points)[1]
    camera = orbit(center, near, 0.0)
    assert (camera.project(points)[:, 1] > 0).all() and (camera.project(points)[:, 1] < 512).all()
