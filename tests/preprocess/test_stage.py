import numpy as np
import pytest
import torch

from nopo.errors import Cancelled, MatteError, PhotoError
from nopo.preprocess.frame import FRAME_MARGIN, frame_person
from nopo.preprocess.stage import cut_out, preprocess


def cutout(height: int, width: int, box: tuple[int, int, int, int], colour=(200, 60, 20)) -> np.ndarray:
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 2] = 255  # blue behind: must never be seen
    top, bottom, left, right = box
    rgba[top:bottom, left:right] = (*colour, 255)
    return rgba


@pytest.mark.parametrize("box", [(100, 300, 150, 200), (0, 200, 0, 60), (250, 400, 100, 400)])
def test_the_person_is_centred_with_the_margin(box: tuple[int, int, int, int]) -> None:
    rgba = cutout(400, 400, box)
    image, mask = frame_person(rgba[..., :3], rgba[..., 3].astype(np.float32) / 255, (128, 128), 1.0)
    assert image.shape == (3, 128, 128) and mask.shape == (128, 128)
    rows, columns = (torch.nonzero((mask > 0.5).any(axis)).squeeze(1) for axis in (1, 0))
    height, width = len(rows), len(columns)
    assert max(height, width) == pytest.approx(128 / FRAME_MARGIN, abs=2)
    assert height / width == pytest.approx((box[1] - box[0]) / (box[3] - box[2]), rel=0.06)
    assert (rows[0] + rows[-1]).item() / 2 == pytest.approx(63.5, abs=1)
    assert (columns[0] + columns[-1]).item() / 2 == pytest.approx(63.5, abs=1)


def test_only_the_person_and_the_background_are_seen() -> None:
    rgba = cutout(300, 200, (50, 250, 80, 120))
    for background in (0.0, 1.0):
        image, mask = frame_person(rgba[..., :3], rgba[..., 3].astype(np.float32) / 255, (64, 64), background)
        assert torch.allclose(image[:, 0, 0], torch.full((3,), background), atol=1e-3)
        expected = torch.tensor([200, 60, 20])[:, None, None] / 255 * mask + (1 - mask) * background
        assert (image - expected).abs().max() < 0.02


def test_a_frame_need_not_be_square() -> None:
    rgba = cutout(300, 200, (50, 250, 80, 120))
    _, mask = frame_person(rgba[..., :3], rgba[..., 3].astype(np.float32) / 255, (96, 64), 0.0)
    assert (mask > 0.5).any(1).sum().item() == pytest.approx(96 / FRAME_MARGIN, abs=2)


def test_photos_of_different_sizes_become_views() -> None:
    done = []
    photos = [cutout(300, 200, (50, 250, 80, 120)), cutout(90, 120, (10, 80, 50, 70))]
    seen = preprocess(photos, size=(64, 64), background=1.0, progress=lambda *event: done.append(event))
    assert seen.views.images.shape == (2, 3, 64, 64)
    assert [m.shape for m in seen.mattes] == [(300, 200), (90, 120)]
    assert seen.cutouts()[1].shape == (90, 120, 4)
    assert done == [("preprocess", 0, 2), ("preprocess", 1, 2), ("preprocess", 2, 2)]


def test_nine_photos_and_none() -> None:
    photo = cutout(90, 120, (10, 80, 50, 70))
    for count in (0, 9):
        with pytest.raises(PhotoError, match=f"^Give 1 to 8 photos of one person, not {count}.$"):
            preprocess([photo] * count, size=(64, 64), background=1.0)


def test_it_can_be_cancelled() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        preprocess([cutout(90, 120, (10, 80, 50, 70))] * 3, size=(64, 64), background=1.0, progress=stop)


def test_a_given_mask_is_taken_as_it_is() -> None:
    photo = cutout(200, 100, (20, 180, 30, 70))
    mask = np.zeros((100, 50), np.uint8)  # half the photo's size, two pieces far apart
    mask[10:60, 15:35] = 255
    mask[80:95, 5:10] = 255
    found = cut_out(photo, mask=mask)
    assert found.matte.shape == (200, 100)
    assert found.matte[100, 50] > 0.9 and found.matte[170, 14] > 0.9 and found.matte[130, 50] < 0.1
    clear = np.dstack([np.full((200, 100, 3), 255, np.uint8), np.zeros((200, 100), np.uint8)])
    clear[40:90, 20:60, 3] = 255
    assert cut_out(photo, mask=clear).matte.sum() == 50 * 40, "the transparency, where a mask has some"
    both = preprocess([photo, photo], size=(64, 64), background=1.0, masks=[None, mask])
    assert (both.views.masks[0] != both.views.masks[1]).any()


def test_masks_that_do_not_fit_are_explained() -> None:
    photo = cutout(200, 100, (20, 180, 30, 70))
    for mask, words in (
        (np.zeros((200, 100), np.uint8), "^The mask of Amy is empty; mark the person in it.$"),
        (np.full((100, 100), 255, np.uint8), "^The mask of Amy has another shape; make it 100×200 pixels.$"),
    ):
        with pytest.raises(MatteError, match=words):
            cut_out(photo, mask=mask, name="Amy")
    with pytest.raises(MatteError, match="^Give one mask for each photo: 2, not 1.$"):
        preprocess([photo] * 2, size=(64, 64), background=1.0, masks=[None])


def test_people_who_stand_apart_are_counted() -> None:
    photo = cutout(200, 300, (20, 180, 30, 70))
    photo[20:180, 130:160, 3] = 255
    photo[150:170, 220:230, 3] = 255  # a bag
    found = cut_out(photo)
    assert found.people == 2 and found.matte[100, 50] == 1 and found.matte[100, 140] == 0
