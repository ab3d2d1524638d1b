"""How a visitor's videos look, and the one place that draws them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import torch

from nopo import show
from nopo.avatar import Avatar
from nopo.colour import parse_colour
from nopo.errors import NopoError
from nopo.export.moving import MOVING, moving_writer
from nopo.framing import Framing
from nopo.motion import Motion
from nopo.progress import Progress

SIZES = (256, 384, 512, 768, 1024)
RATES = (15, 24, 30, 60)
FRAMINGS = get_args(Framing)
PAPER = "#f1efeb"
"""Behind the avatar: light enough for white clothes to show, and the same in light and dark."""


@dataclass(frozen=True)
class Film:
    """Settings of a video.

    Attributes:
        size: side, pixels; one of `SIZES`.
        fps: frames a second; one of `RATES`.
        turn_seconds: how long one turn around the avatar takes.
        background: see `nopo.colour.parse_colour`.
        clear: no background, in files that can do without one.
        framing: one of `FRAMINGS`.
        elevation_deg: positive looks down from above.
        most_seconds: motions are cut there.
    """

    size: int = 512
    fps: int = 30
    turn_seconds: float = 3.0
    background: str = PAPER
    framing: Framing = "whole"
    elevation_deg: float = 5.0
    clear: bool = False
    most_seconds: float = 30.0

    @property
    def turn_frames(self) -> int:
        """Frames of one turn."""
        return round(self.turn_seconds * self.fps)

    @property
    def most_frames(self) -> int:
        """Frames of the longest motion."""
        return round(self.most_seconds * self.fps)


def film_of(
    size: float | None = None,
    fps: float | None = None,
    turn_seconds: float | None = None,
    background: str | None = None,
    framing: str | None = None,
    elevation_deg: float | None = None,
) -> Film:
    """Settings as they come from a page or a program; those that are None are the usual ones.

    Raises:
        NopoError: one of them is not offered.
    """
    usual = Film()
    size = usual.size if size is None else size
    fps = usual.fps if fps is None else fps
    turn_seconds = usual.turn_seconds if turn_seconds is None else turn_seconds
    background = usual.background if background is None else background
    framing = usual.framing if framing is None else framing
    elevation_deg = usual.elevation_deg if elevation_deg is None else elevation_deg
    if size not in SIZES:
        raise NopoError(f"Choose a size of {', '.join(map(str, SIZES))} pixels.")
    if fps not in RATES:
        raise NopoError(f"Choose {', '.join(map(str, RATES))} frames a second.")
    if framing not in FRAMINGS:
        raise NopoError(f"Choose a framing: {', '.join(FRAMINGS)}.")
    if not 1 <= turn_seconds <= 12:
        raise NopoError("A turn takes 1 to 12 seconds.")
    if not -60 <= elevation_deg <= 60:
        raise NopoError("The camera looks from -60 to 60 degrees.")
    parse_colour(background)
    shown = cast(Framing, framing)
    return Film(int(size), int(fps), float(turn_seconds), background, shown, float(elevation_deg))


def write_film(
    path: str | Path, device: torch.device, avatar: Avatar, motion: Motion | None, film: Film, progress: Progress
) -> None:
    """Draw and encode the avatar in motion, or turning once when there is no motion.

    Args:
        path: its end says what kind of file.
        device: to draw on.
        avatar: who.
        motion: what to do.
        film: how it looks; kinds of files without transparency have its background.
        progress: told each picture.
    """
    path = Path(path)
    clear = film.clear and MOVING[path.suffix].transparent
    look: dict[str, Any] = {
        "size": film.size,
        "background": None if clear else parse_colour(film.background),
        "framing": film.framing,
        "elevation_deg": film.elevation_deg,
        "progress": progress,
    }
    person = avatar.to(device)
    if motion is None:
        frames, fps = show.turntable(person, frames=film.turn_frames, **look), float(film.fps)
    else:
        frames, fps = show.animate(person, motion, **look), motion.fps
    moving_writer(path, clear)(path, frames, fps)
