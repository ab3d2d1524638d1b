import torch
import torch.nn.functional as F

from nopo.encode.norm import GroupNorm
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


def test_group_norm_is_worked_out_in_its_weights_precision_under_autocast():
    """In bfloat16, values about 100 are half a unit apart: variances of 1 would be nonsense."""
    norm, x = GroupNorm(16), torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16() + 100
    exact = F.group_norm(x.double(), 8, norm.weight.double(), norm.bias.double())
    with torch.autocast("cpu", torch.bfloat16):
        result = norm(x)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), exact, atol=0.01, rtol=0.01)
