import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nopo import Motion, Pipeline, show
from nopo.articulate import warp_shape
from nopo.avatar import Avatar
from nopo.errors import Cancelled, NopoError, RenderError
from nopo.motion import Pose
from nopo.pipeline import choose_device, in_own_proportions
from nopo.views import Views


@pytest.fixture(scope="module")
def pipeline(model: str) -> Pipeline:
    return Pipeline.load(model, device="cpu")


def person_rows(frame: np.ndarray) -> np.ndarray:
    """Which rows of a picture on white hold something."""
    return np.flatnonzero((frame < 250).any((1, 2)))


def test_paths_pictures_and_arrays_give_the_same_avatar(pipeline: Pipeline, cutout_photo: Path) -> None:
    image = Image.open(cutout_photo)
    avatars = [pipeline.reconstruct([source]) for source in (cutout_photo, str(cutout_photo), image, np.asarray(image))]
    assert len(avatars[0].gaussians) > 5000
    for avatar in avatars[1:]:
        assert torch.equal(avatar.gaussians.means, avatars[0].gaussians.means)
    assert torch.allclose(avatars[0].bone_weights.sum(1), torch.ones(len(avatars[0].gaussians)), atol=1e-4)


def test_more_photos_make_more_gaussians_and_progress_is_told(cutout_photo: Path) -> None:
    pipeline = Pipeline.load("open", device="cpu")  # what random weights say of a photo is too faint to be kept
    told = []
    avatar = pipeline.reconstruct([cutout_photo] * 2, progress=lambda *event: told.append(event))
    assert len(avatar.gaussians) > len(pipeline.reconstruct([cutout_photo]).gaussians)
    assert told == [
        ("preprocess", 0, 2),
        ("preprocess", 1, 2),
        ("preprocess", 2, 2),
        ("encode", 0, 1),
        ("encode", 1, 1),
    ]


@pytest.mark.parametrize(("count", "side"), [(1, 512), (3, 512), (4, 432), (5, 384), (6, 352), (8, 304)])
def test_the_more_photos_the_less_fine_so_that_memory_stays_bounded(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, count: int, side: int
) -> None:
    seen = []

    class Network:
        config = pipeline.network.config

        def __call__(self, images: torch.Tensor, masks: torch.Tensor, *_: object) -> None:
            seen.extend([images, masks])
            raise Cancelled

    monkeypatch.setattr(pipeline, "network", Network())
    masks = torch.zeros(count, 512, 512)
    masks[:, 128:256] = 1
    with pytest.raises(Cancelled):
        pipeline.encode(Views(masks[:, None].expand(-1, 3, -1, -1), masks))
    images, masks = seen
    assert images.shape == (count, 3, side, side) and masks.shape == (count, side, side)
    assert masks.mean() == images.mean() == 0.25, "the same picture, smaller"


def test_the_avatar_gets_its_own_proportions(body_avatar: Avatar) -> None:
    assert in_own_proportions(body_avatar, None) is body_avatar
    longer = body_avatar.rest_joints * 1.2
    grown = in_own_proportions(body_avatar, longer)
    assert torch.equal(grown.rest_joints, longer)
    expected = warp_shape(body_avatar.gaussians, body_avatar.bone_weights, body_avatar.rest_joints, longer)
    assert torch.equal(grown.gaussians.means, expected.means)
    height = [cloud.means[:, 1].max() - cloud.means[:, 1].min() for cloud in (grown.gaussians, body_avatar.gaussians)]
    assert 1.1 < (height[0] / height[1]).item() < 1.3


def test_a_turntable_turns_and_closes(body_avatar: Avatar) -> None:
    frames = list(show.turntable(body_avatar, size=96, frames=8))
    assert len(frames) == 8
    assert all(frame.shape == (96, 96, 3) and frame.dtype == np.uint8 for frame in frames)
    assert np.array_equal(frames[2], show.view(body_avatar, 90, size=96))
    rows = [person_rows(frame) for frame in frames]
    assert max(r[0] for r in rows) - min(r[0] for r in rows) <= 2  # neither bobs nor breathes
    assert 0 < rows[0][0] and rows[0][-1] < 95  # all of the person is seen
    front, back = (frame.astype(float) for frame in (frames[0], frames[4]))
    assert np.abs((front < 250).any(2) ^ (back < 250).any(2)[:, ::-1]).mean() < 0.02


def test_relaxed_arms_hang_and_t_arms_spread(body_avatar: Avatar) -> None:
    relaxed, spread = (show.view(body_avatar, elevation_deg=0, size=96, pose=pose) for pose in ("relaxed", "t"))
    widths = [np.ptp(np.flatnonzero((f < 250).any((0, 2)))) / np.ptp(person_rows(f)) for f in (relaxed, spread)]
    assert widths[0] < 0.6 and widths[1] > 0.85
    assert np.array_equal(show.view(body_avatar, size=64, pose=Pose.rest()), show.view(body_avatar, size=64, pose="t"))


def test_an_animation_has_a_frame_for_each_pose_and_stays_in_the_picture(body_avatar: Avatar) -> None:
    motion = Motion.load("jumping-jack")
    frames = list(show.animate(body_avatar, motion, size=64))
    assert len(frames) == len(motion)
    inked = np.stack(frames) < 250
    assert not (inked[:, 0].any() or inked[:, -1].any() or inked[:, :, 0].any() or inked[:, :, -1].any())
    assert np.abs(np.diff(inked.astype(int), axis=0)).sum() > 0


def test_the_background_has_its_colour(body_avatar: Avatar) -> None:
    frame = show.view(body_avatar, size=64, background=(1.0, 0.5, 0.0))
    assert frame[0, 0].tolist() == [255, 128, 0]


def test_work_can_be_stopped_between_frames(body_avatar: Avatar) -> None:
    drawn = []

    def stop(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        for frame in show.turntable(body_avatar, size=64, frames=1000, progress=stop):
            drawn.append(frame)
    assert len(drawn) == 3


def test_visitors_do_not_disturb_each_other(pipeline: Pipeline, cutout_photo: Path) -> None:
    alone = pipeline.view(pipeline.reconstruct([cutout_photo]), size=64)
    results: list[np.ndarray] = []

    def visit() -> None:
        results.append(list(pipeline.turntable(pipeline.reconstruct([cutout_photo]), size=64, frames=3))[0])

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(results) == 3 and all(np.array_equal(frame, alone) for frame in results)


def test_impossible_requests(body_avatar: Avatar) -> None:
    with pytest.raises(RenderError, match="side of 16 to 2048 pixels, not 100000"):
        show.view(body_avatar, size=100_000)
    with pytest.raises(RenderError, match="1 to 3600 frames, not 0"):
        next(show.turntable(body_avatar, frames=0))
    with pytest.raises(RenderError, match="'sitting'"):
        show.view(body_avatar, pose="sitting")  # type: ignore[arg-type]
    with pytest.raises(NopoError, match='The device "cuda:99" cannot be used here'):
        choose_device("cuda:99")
