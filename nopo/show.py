"""Pictures of an avatar: one view, a turntable, a motion. Needs no network and no weights."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from nopo.articulate import Articulator, articulate
from nopo.avatar import Avatar
from nopo.camera import Camera, framing_distance, framing_orbit, orbit
from nopo.errors import RenderError
from nopo.gaussians import Gaussians
from nopo.motion import Motion, Pose
from nopo.motions import load_motion
from nopo.progress import Progress, silent
from nopo.render import render

Frame: TypeAlias = np.ndarray
"""A picture: (H, W, 3) uint8 sRGB."""

WHITE = (1.0, 1.0, 1.0)
MAX_SIZE = 2048
MAX_FRAMES = 3600
FRAMING_POINTS = 2000
"""Gaussians that decide how far the camera stands: enough to find every limb."""

FRAMING_POSES = 40


def view(
    avatar: Avatar,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 5.0,
    *,
    size: int = 512,
    pose: Pose | Literal["relaxed", "t"] = "relaxed",
    background: Sequence[float] = WHITE,
) -> Frame:
    """One picture of an avatar.

    Args:
        avatar: who.
        azimuth_deg: 0 sees the front, 90 the person's left side.
        elevation_deg: positive looks down from above.
        size: side of the square picture, pixels.
        pose: a pose, "relaxed" with the arms down, or "t" as the network made it.
        background: sRGB in [0, 1].
    """
    posed = _posed(avatar, pose)
    camera = framing_orbit(_solid_points(posed), azimuth_deg, elevation_deg, size=_checked_size(size))
    return _picture(posed, camera, background, threads=None)


def turntable(
    avatar: Avatar,
    *,
    size: int = 512,
    frames: int = 60,
    elevation_deg: float = 5.0,
    pose: Pose | Literal["relaxed", "t"] = "relaxed",
    background: Sequence[float] = WHITE,
    progress: Progress = silent,
) -> Iterator[Frame]:
    """Once around the avatar, beginning at its front; the last frame is followed by the first without a jump.

    Yields:
        `frames` pictures (size, size, 3) uint8.
    """
    _check_frames(frames)
    posed = _posed(avatar, pose)
    sides = _checked_size(size)
    center, distance = framing_distance(_solid_points(posed), elevation_deg=elevation_deg, size=sides)
    cameras = [orbit(center, distance, 360 * i / frames, elevation_deg, size=sides) for i in range(frames)]
    yield from _in_order(lambda i: _picture(posed, cameras[i], background), frames, posed.device, progress)


def animate(
    avatar: Avatar,
    motion: Motion,
    *,
    size: int = 512,
    azimuth_deg: float = 20.0,
    elevation_deg: float = 5.0,
    background: Sequence[float] = WHITE,
    progress: Progress = silent,
) -> Iterator[Frame]:
    """The avatar moves, before a camera that stands still and sees the whole motion.

    Yields:
        One picture (size, size, 3) uint8 for each frame of the motion, to be shown at `motion.fps`.
    """
    _check_frames(len(motion))
    sides = _checked_size(size)
    center, distance = framing_distance(_reach(avatar, motion), [azimuth_deg], elevation_deg, size=sides)
    camera = orbit(center, distance, azimuth_deg, elevation_deg, size=sides)
    person = Articulator(avatar)
    yield from _in_order(
        lambda i: _picture(person.pose(motion[i]), camera, background), len(motion), avatar.gaussians.device, progress
    )


def _posed(avatar: Avatar, pose: Pose | Literal["relaxed", "t"]) -> Gaussians:
    if pose == "t":
        return avatar.gaussians
    if pose == "relaxed":
        pose = load_motion("idle", rest_joints=avatar.rest_joints)[0]
    if not isinstance(pose, Pose):
        raise RenderError(f'A pose is a Pose, "relaxed" or "t", not {pose!r}.')
    return articulate(avatar, pose)


def _checked_size(size: int) -> tuple[int, int]:
    if not 16 <= size <= MAX_SIZE:
        raise RenderError(f"A picture has a side of 16 to {MAX_SIZE} pixels, not {size}.")
    return size, size


def _check_frames(frames: int) -> None:
    if not 1 <= frames <= MAX_FRAMES:
        raise RenderError(f"A video has 1 to {MAX_FRAMES} frames, not {frames}.")


def _solid_points(gaussians: Gaussians) -> Tensor:
    """Centres (N, 3) that the camera must see: no faint Gaussians, no strays."""
    solid = gaussians.means[gaussians.opacities > 0.3]
    if len(solid) < 100:
        return gaussians.means
    center = solid.median(0).values
    distance = (solid - center).abs()
    limit = distance.sort(0).values[int(0.998 * (len(solid) - 1))] * 1.05
    return solid[(distance <= limit).all(1)]


def _reach(avatar: Avatar, motion: Motion) -> Tensor:
    """Where the person's outline gets to during the motion (M, 3)."""
    visible = torch.nonzero(avatar.gaussians.opacities > 0.3).squeeze(1)
    few = visible[:: max(1, len(visible) // FRAMING_POINTS)]
    sparse = Avatar(avatar.gaussians.select(few), avatar.bone_weights[few], avatar.rest_joints, avatar.model)
    person = Articulator(sparse)
    frames = range(0, len(motion), max(1, len(motion) // FRAMING_POSES))
    return torch.cat([_solid_points(person.pose(motion[i])) for i in frames])


def _picture(gaussians: Gaussians, camera: Camera, background: Sequence[float], threads: int | None = 1) -> Frame:
    rgb = render(gaussians, camera, background, threads=threads).rgb[0]  # [H, W, 3]
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def _in_order(picture: Callable[[int], Frame], count: int, device: torch.device, progress: Progress) -> Iterator[Frame]:
    """Pictures 0, 1, 2…, drawn by one worker a core, a few ahead of the one that is asked for.

    On the CPU a whole picture per worker beats several workers inside one picture; a GPU is fed by one worker.
    """
    workers = (os.cpu_count() or 1) if device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, "nopo-render")
    ahead: deque[Future[Frame]] = deque()
    draw = torch.inference_mode()(picture)
    progress("render", 0, count)
    try:
        for i in range(count + 2 * workers):
            if i < count:
                ahead.append(pool.submit(draw, i))
            if i >= 2 * workers:
                yield ahead.popleft().result()
                progress("render", i - 2 * workers + 1, count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
