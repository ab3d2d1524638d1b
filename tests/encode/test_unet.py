import torch

from nopo.encode.unet import bearings


def person(columns: slice, size: tuple[int, int] = (32, 32)) -> torch.Tensor:
    masks = torch.zeros(1, *size)
    masks[:, 4:-4, columns] = 1
    return masks


def test_the_left_of_the_picture_is_the_right_of_who_faces_it_and_the_left_of_who_does_not():
    front, back = (bearings(person(slice(8, 24)), torch.tensor([[0.0, way]]))[0] for way in (1.0, -1.0))
    assert torch.equal(front[:2], back[:2])
    assert torch.equal(front[2], -back[2]) and front[2, 0, 0] < 0 < front[2, 0, -1]
    sideways = bearings(person(slice(8, 24)), torch.tensor([[1.0, 0.0]]))[0]
    assert torch.equal(sideways[3], front[0]) and not sideways[2].any()


def test_columns_and_rows_count_from_the_middle_of_the_person():
    here, there = (bearings(person(columns), torch.tensor([[0.0, 1.0]]))[0] for columns in (slice(2, 8), slice(20, 26)))
    torch.testing.assert_close(here[:, :, 2:8], there[:, :, 20:26])
    assert abs(float(here[0, 16, 2:8].mean())) < 1e-6


def test_a_photo_without_anybody_has_finite_bearings():
    assert bearings(torch.zeros(1, 16, 16), torch.tensor([[0.0, 1.0]])).isfinite().all()
