"""Transparency, sizes and framings; turns and motions are tested with the pipeline."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nopo import Motion, show
from nopo.avatar import Avatar
from nopo.body.skeleton import JOINT_NAMES
from nopo.errors import RenderError
from nopo.export.animated import write_gif, write_webp
from nopo.framing import Framed

COLOURS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.2, 0.7, 0.1))


def over(frame: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """A picture with straight alpha on a colour (H, W, 3), levels."""
    alpha = frame[..., 3:] / 255
    return frame[..., :3] * alpha + (1 - alpha) * 255 * np.array(colour)


def extent(frame: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column that hold something."""
    rows, columns = (np.flatnonzero((frame[..., 3] > 127).any(axis)) for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


@pytest.mark.parametrize("colour", COLOURS)
def test_transparent_pictures_laid_over_a_colour_are_those_drawn_on_it(body_avatar: Avatar, colour) -> None:
    clear = show.view(body_avatar, 30, size=96, background=None)
    assert clear.shape == (96, 96, 4) and clear.dtype == np.uint8
    drawn = show.view(body_avatar, 30, size=96, background=colour)
    assert np.abs(over(clear, colour) - drawn).max() <= 1.5  # two roundings: no fringe on any background
    assert clear[0, 0, 3] == 0 and clear[..., 3].max() > 250
    assert ((clear[..., 3] > 0) & (clear[..., 3] < 250)).sum() > 50  # edges are soft


def test_turns_and_motions_are_transparent_too(body_avatar: Avatar) -> None:
    assert next(show.turntable(body_avatar, size=64, background=None)).shape == (64, 64, 4)
    moving = show.animate(body_avatar, Motion.load("wave").resample(2), size=(48, 80), background=None)
    assert all(frame.shape == (48, 80, 4) and frame[..., 3].max() > 250 for frame in moving)


def test_pictures_may_be_wide_or_tall_and_hold_the_person(body_avatar: Avatar) -> None:
    for height, width in ((64, 128), (128, 64)):
        top, bottom, left, right = extent(show.view(body_avatar, size=(height, width), pose="t", background=None))
        assert top > 0 and bottom < height - 1 and left > 0 and right < width - 1
        assert max((bottom - top) / height, (right - left) / width) > 0.75


def test_framings_come_nearer(body_avatar: Avatar) -> None:
    whole, half, head = (
        show.view(body_avatar, size=128, elevation_deg=0, framing=f, background=None) for f in ("whole", "half", "head")
    )
    assert extent(whole)[1] < 127 and extent(half)[1] == extent(head)[1] == 127  # the lower part is cut off
    for frame in (whole, half, head):
        assert extent(frame)[0] > 0  # the crown never
    covered = [(frame[..., 3] > 127).mean() for frame in (whole, half, head)]
    assert covered[0] < covered[1] / 1.5 and covered[1] < covered[2]


def test_a_turn_may_begin_anywhere(body_avatar: Avatar) -> None:
    first = next(show.turntable(body_avatar, size=64, frames=5, azimuth_deg=90, framing="half"))
    assert np.array_equal(first, show.view(body_avatar, 90, size=64, framing="half"))


def test_near_cameras_go_along_and_see_raised_hands(body_avatar: Avatar) -> None:
    still = Motion.load("cheer").resample(3)
    far = Motion(still.rotations, still.transl + torch.linspace(0, 4, len(still))[:, None], still.fps)
    for framing in ("half", "head"):
        walked = list(show.animate(body_avatar, far, size=64, framing=framing, background=None))
        stood = list(show.animate(body_avatar, still, size=64, framing=framing, background=None))
        for a, b in zip(walked, stood, strict=True):
            assert np.abs(a[..., 3].astype(int) - b[..., 3]).mean() < 2
    assert min(extent(frame)[0] for frame in show.animate(body_avatar, still, size=64, framing="half", background=None))


def test_the_half_that_is_seen_has_no_legs(body_avatar: Avatar) -> None:
    hip = JOINT_NAMES.index("left_hip")
    lowest = {f: Framed(body_avatar, f).points(body_avatar.gaussians)[:, 1].min() for f in ("whole", "half", "head")}
    assert lowest["whole"] < body_avatar.rest_joints[hip, 1] < lowest["half"] < lowest["head"]


@pytest.mark.parametrize("write", [write_webp, write_gif])
def test_loops_have_no_seam(body_avatar: Avatar, tmp_path, write) -> None:
    """From the last frame to the first is a step like any other."""
    from PIL import Image

    path = write(tmp_path / "turn", show.turntable(body_avatar, size=64, frames=24, background=None), 12)
    with Image.open(path) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(over(np.asarray(image.convert("RGBA")), (1, 1, 1)))
    steps = [np.abs(a - b).mean() for a, b in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert len(steps) == 24 and steps[-1] < 1.3 * max(steps[0], steps[-2])


def test_what_there_is_not_is_said(body_avatar: Avatar) -> None:
    with pytest.raises(RenderError, match="'feet'"):
        show.view(body_avatar, framing="feet")  # type: ignore[arg-type]
    with pytest.raises(RenderError, match="16 to 2048 pixels, not 4000"):
        show.view(body_avatar, size=(64, 4000))


LOOKS = {
    "view": lambda avatar, framing: show.view(avatar, size=64, framing=framing, background=None),
    "animate": lambda avatar, framing: next(
        show.animate(avatar, Motion.load("wave").resample(1), size=64, framing=framing, background=None)
    ),
}


@pytest.mark.parametrize("framing", ["whole", "half", "head"])
@pytest.mark.parametrize("look", LOOKS)
def test_gaussians_that_are_nowhere_are_left_out(body_avatar: Avatar, look, framing) -> None:
    g = body_avatar.gaussians
    means = g.means.clone()
    means[100, 1], means[101, 0], means[102] = torch.nan, torch.inf, -torch.inf
    holed = replace(body_avatar, gaussians=replace(g, means=means))
    kept = torch.ones(len(g), dtype=torch.bool).index_fill(0, torch.tensor([100, 101, 102]), False)
    without = replace(body_avatar, gaussians=g.select(kept), bone_weights=body_avatar.bone_weights[kept])
    assert np.abs(LOOKS[look](holed, framing).astype(int) - LOOKS[look](without, framing)).max() <= 1


@pytest.mark.parametrize("framing", ["whole", "half", "head"])
@pytest.mark.parametrize("look", LOOKS)
def test_somebody_faint_is_framed_like_anybody(body_avatar: Avatar, look, framing) -> None:
    opacities = torch.full_like(body_avatar.gaussians.opacities, 0.2)
    faint = replace(body_avatar, gaussians=replace(body_avatar.gaussians, opacities=opacities))
    covered, wanted = ((LOOKS[look](avatar, framing)[..., 3] > 30).mean() for avatar in (faint, body_avatar))
    assert covered == pytest.approx(wanted, rel=0.2)


@pytest.mark.parametrize("look", LOOKS)
def test_nobody_is_one_sentence(body_avatar: Avatar, look) -> None:
    g = body_avatar.gaussians
    nobody = replace(body_avatar, gaussians=g.select(torch.arange(0)), bone_weights=torch.zeros(0, 69))
    nowhere = replace(body_avatar, gaussians=replace(g, means=g.means * torch.nan))
    for avatar in (nobody, nowhere):
        with pytest.raises(RenderError, match="nothing that can be seen"):
            LOOKS[look](avatar, "whole")


def test_a_motion_that_is_too_long_says_what_helps(body_avatar: Avatar) -> None:
    motion = Motion(torch.zeros(7200, 55, 3), torch.zeros(7200, 3), 120)
    with pytest.raises(RenderError, match="1 to 3600 frames, not 7200: choose another length or another frame rate"):
        next(show.animate(body_avatar, motion))
