"""Pictures of an avatar: one view, a turntable, a motion. Needs no network and no weights.

Every picture is a uint8 sRGB array: (H, W, 3) over a background, or (H, W, 4) with straight alpha (colours that are not
multiplied by it) where `background` is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nopo.articulate import Articulator, articulate
from nopo.avatar import Avatar
from nopo.camera import Camera
from nopo.errors import RenderError
from nopo.framing import Framed, Framing, checked_size, shot, solid
from nopo.gaussians import Gaussians
from nopo.motion import Motion, Pose
from nopo.motions import load_motion
from nopo.progress import Progress, silent
from nopo.render import render
from nopo.render.handover import to_bytes, to_host
from nopo.render.threads import cores

Frame: TypeAlias = np.ndarray
"""A picture: (H, W, 3) or (H, W, 4) uint8 sRGB."""

Size: TypeAlias = int | tuple[int, int]
"""Pixels: the side of a square, or (H, W)."""

WHITE = (1.0, 1.0, 1.0)
MAX_FRAMES = 3600
FRAMING_POINTS = 2000
"""Gaussians that decide how far the camera stands: enough to find every limb."""

FRAMING_POSES = 40


def view(
    avatar: Avatar,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 5.0,
    *,
    size: Size = 512,
    pose: Pose | Literal["relaxed", "t"] = "relaxed",
    background: Sequence[float] | None = WHITE,
    framing: Framing = "whole",
) -> Frame:
    """One picture of an avatar.

    Args:
        avatar: who.
        azimuth_deg: 0 sees the front, 90 the person's left side.
        elevation_deg: positive looks down from above.
        size: of the picture, pixels.
        pose: a pose, "relaxed" with the arms down, or "t" as the network made it.
        background: sRGB in [0, 1], or None for transparency.
        framing: how much of the person is seen.

    Raises:
        RenderError: a size, pose or framing that there is not.
    """
    sides, framed = checked_size(size), Framed(avatar, framing)
    posed = _posed(avatar, pose)
    camera = shot(framed.points(posed), framing, elevation_deg, sides).camera(azimuth_deg, elevation_deg)
    return _drawn(posed, camera, background, threads=None).cpu().numpy()


def turntable(
    avatar: Avatar,
    *,
    size: Size = 512,
    frames: int = 60,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 5.0,
    pose: Pose | Literal["relaxed", "t"] = "relaxed",
    background: Sequence[float] | None = WHITE,
    framing: Framing = "whole",
    progress: Progress = silent,
) -> Iterator[Frame]:
    """Once around the avatar, beginning at `azimuth_deg`; the last frame is followed by the first without a jump.

    Arguments are those of `view`.

    Yields:
        `frames` pictures.
    """
    _check_frames(frames)
    sides, framed = checked_size(size), Framed(avatar, framing)
    posed = _posed(avatar, pose)
    around = shot(framed.points(posed), framing, elevation_deg, sides)
    cameras = [around.camera(azimuth_deg + 360 * i / frames, elevation_deg) for i in range(frames)]
    yield from _in_order(lambda i: _drawn(posed, cameras[i], background), frames, posed.device, progress)


def animate(
    avatar: Avatar,
    motion: Motion,
    *,
    size: Size = 512,
    azimuth_deg: float = 20.0,
    elevation_deg: float = 5.0,
    background: Sequence[float] | None = WHITE,
    framing: Framing = "whole",
    progress: Progress = silent,
) -> Iterator[Frame]:
    """The avatar moves.

    The camera stands still and sees the whole motion; nearer framings go along with the pelvis.

    Yields:
        One picture for each frame of the motion, to be shown at `motion.fps`; arguments are those of `view`.
    """
    _check_frames(len(motion))
    sides = checked_size(size)
    goes_along = framing != "whole"
    fixed = shot(_reach(avatar, motion, framing, goes_along), framing, elevation_deg, sides, azimuth_deg)
    person = Articulator(avatar)
    transforms = person.transforms(motion.rotations, motion.transl)  # [T, 55, 3, 4]

    def picture(i: int) -> Tensor:
        camera = fixed.camera(azimuth_deg, elevation_deg, motion.transl[i] if goes_along else None)
        return _drawn(person.place(transforms[i]), camera, background)

    yield from _in_order(picture, len(motion), avatar.gaussians.device, progress)


def _posed(avatar: Avatar, pose: Pose | Literal["relaxed", "t"]) -> Gaussians:
    if pose == "t":
        return avatar.gaussians
    if pose == "relaxed":
        pose = load_motion("idle", rest_joints=avatar.rest_joints)[0]
    if not isinstance(pose, Pose):
        raise RenderError(f'A pose is a Pose, "relaxed" or "t", not {pose!r}.')
    return articulate(avatar, pose)


def _check_frames(frames: int) -> None:
    if not 1 <= frames <= MAX_FRAMES:
        raise RenderError(
            f"A video has 1 to {MAX_FRAMES} frames, not {frames}: choose another length or another frame rate."
        )


def _reach(avatar: Avatar, motion: Motion, framing: Framing, goes_along: bool) -> Tensor:
    """Where the framed part of the person gets to during the motion (M, 3), as seen by the camera that goes along."""
    visible = torch.nonzero(solid(avatar.gaussians)).squeeze(1)
    few = visible[:: max(1, len(visible) // FRAMING_POINTS)]
    sparse = Avatar(avatar.gaussians.select(few), avatar.bone_weights[few], avatar.rest_joints, avatar.model)
    person, framed = Articulator(sparse), Framed(sparse, framing)
    frames = range(0, len(motion), max(1, len(motion) // FRAMING_POSES))
    points = [framed.points(person.pose(motion[i])) for i in frames]
    if goes_along:
        points = [seen - motion.transl[i].to(seen) for seen, i in zip(points, frames, strict=True)]
    return torch.cat(points)


def _drawn(gaussians: Gaussians, camera: Camera, background: Sequence[float] | None, threads: int | None = 1) -> Tensor:
    """A picture (H, W, 3 or 4) uint8, on the Gaussians' device."""
    drawn = render(gaussians, camera, background, threads=threads)
    picture = drawn.rgb[0]  # [H, W, 3]
    if background is None:  # over black, colours come multiplied by alpha
        alpha = drawn.alpha[0]  # [H, W, 1]
        picture = torch.cat([picture / alpha.clamp_min(1e-6), alpha], -1)
    return to_bytes(picture)


def _in_order(
    picture: Callable[[int], Tensor], count: int, device: torch.device, progress: Progress
) -> Iterator[Frame]:
    """Pictures 0, 1, 2…, drawn by one worker a core, a few ahead of the one that is asked for.

    On the CPU a whole picture per worker beats several workers inside one picture; a GPU is fed by one worker.
    """
    workers = cores() if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, "nopo-render")
    ahead: deque[Future[Frame]] = deque()
    draw = torch.inference_mode()(picture)
    arriving = to_host(draw(i) for i in range(count))

    def frame(i: int) -> Frame:
        return draw(i).numpy() if device.type == "cpu" else next(arriving)

    progress("render", 0, count)
    try:
        for i in range(count + 2 * workers):
            if i < count:
                ahead.append(pool.submit(frame, i))
            if i >= 2 * workers:
                yield ahead.popleft().result()
                progress("render", i - 2 * workers + 1, count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
