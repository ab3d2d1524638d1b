import pytest
import torch

from nopo.encode.landmarks import COUNT, HEIGHTS, SIZE, find_landmarks, spread_landmarks

FRONT = torch.tensor([[0.0, 1.0]])


def a_photo(size: int, top: int, left: int, tall: int, wide: int, place: torch.Tensor):
    """A rectangle of a person, all of which shows the template's origin but for a square that shows `place`."""
    masks, means = torch.zeros(1, size, size), torch.zeros(1, size, size, 3)
    masks[0, top : top + tall, left : left + wide] = 1
    row, column, side = top + tall // 4, left + 3 * wide // 4, tall // 8
    means[0, row : row + side, column : column + side] = place
    return means, masks.clone(), masks


@pytest.fixture
def places() -> torch.Tensor:
    return torch.cat([torch.tensor([[0.3, 0.2, 0.1]]), torch.rand(COUNT - 1, 3) + 5])


def test_a_landmark_is_where_its_pixels_are(places):
    means, opacities, masks = a_photo(64, 8, 16, 48, 24, places[0])
    found = find_landmarks(means, opacities, masks, FRONT, places)[0]
    right, down, seen = found[:COUNT], found[COUNT : 2 * COUNT], found[2 * COUNT : 3 * COUNT]
    # The square's middle: rows 20 to 26 and columns 34 to 40; the outline's: rows 8 to 56, columns 16 to 40.
    assert float(seen[0]) > 0.9 and float(seen[1:].max()) < 1e-3
    assert float(right[0] / 3) == pytest.approx((36.5 - 27.5) / 48, abs=0.03)
    assert float(down[0] / 3) == pytest.approx((22.5 - 31.5) / 48, abs=0.03)


def test_lengths_are_in_heights_of_the_outline(places):
    """Nearer by a half and elsewhere in the frame: the same proportions."""
    near = find_landmarks(*a_photo(128, 16, 40, 96, 48, places[0]), FRONT, places)[0]
    far = find_landmarks(*a_photo(128, 60, 10, 48, 24, places[0]), FRONT, places)[0]
    body = slice(0, 2 * COUNT)
    torch.testing.assert_close(near[body], far[body], rtol=0, atol=0.12)
    widths = slice(3 * COUNT, 3 * COUNT + 2 * HEIGHTS)
    torch.testing.assert_close(near[widths], far[widths], rtol=0, atol=0.12)
    assert float(near[3 * COUNT] / 3) == pytest.approx(0.5, abs=1e-5)  # half as wide as high


def test_what_does_not_count_says_nothing(places):
    means, opacities, masks = a_photo(64, 8, 16, 48, 24, places[0])
    found = find_landmarks(means, 0 * opacities, masks, FRONT, places)[0]
    assert not bool(found[: 3 * COUNT].any())


def test_nobody_in_the_photo(places):
    nobody = torch.zeros(2, 32, 48)
    found = find_landmarks(torch.zeros(2, 32, 48, 3), nobody, nobody, FRONT.expand(2, 2), places)
    assert found.shape == (2, SIZE) and bool(found.isfinite().all())


def test_spread_landmarks_are_far_from_each_other():
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    chosen = spread_landmarks(points, 20)
    nearest = (torch.cdist(chosen, chosen) + 9 * torch.eye(20)).amin(1)
    assert float(nearest.min()) > 0.25  # 20 random ones: 0.05
    assert torch.equal(chosen[0], points[points[:, 1].argmax()])
