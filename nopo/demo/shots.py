"""A visitor's photos, each with its cut-out, and the ways to put a cut-out right."""

from __future__ import annotations

import base64
import binascii
import io
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from nopo.errors import MatteError, NopoError
from nopo.preprocess.load import Photo, load_photo
from nopo.preprocess.matte import CHOICES, is_present
from nopo.preprocess.stage import Cutout, cut_out

SHOWN_PX = 720
"""Longest side of a cut-out on the page."""

DRAWN_PX = 640
"""Longest side of the picture that a visitor draws on."""

MAX_DRAWING_BYTES = 4_000_000
CHANGED = 48
"""A pixel of a drawing that differs by more levels than this was drawn on; less is JPEG and resizing."""

NOBODY = "Press its cut-out to mark the person yourself, or to remove the photo."
CROWD = "The largest is taken; press its cut-out to mark another."
FACING = {"auto": "auto", "front": "the camera", "back": "away", "left": "left", "right": "right"}
"""What `nopo.encode.facing` calls a direction, and what the page calls it; left and right are the photo's."""

TOO_LARGE_TO_FETCH = "birefnet-portrait"
"""Nearly a gigabyte, and as slow as it is large: only where the owner has put it."""

VEIL, INK = (236, 233, 228), (165, 158, 147)
READY = "Is all of the person there, and nothing else? Press a cut-out to put it right."


@dataclass(frozen=True)
class Shot:
    """One photo and what was found in it.

    Attributes:
        photo: the visitor's file.
        shown: the cut-out, as a picture for the page.
        mask: the matte, a grey picture of the photo's size; None if there is none.
        people: how many people stand apart in it.
        problem: why there is no matte: one sentence.
        matting: who made the matte: a matting model, "mask" or "drawing".
        facing: where the person faces, as the visitor says: one of `FACING`.
        key: stays the same when the cut-out is put right.
    """

    photo: str
    shown: Path
    mask: Path | None = None
    people: int = 1
    problem: str = ""
    matting: str = "auto"
    facing: str = "auto"
    key: str = field(default_factory=secrets.token_urlsafe)

    @property
    def caption(self) -> str | None:
        """What the page says below the cut-out."""
        if self.problem:
            return "left out"
        return None if self.facing == "auto" else f"faces {FACING[self.facing]}"


@dataclass(frozen=True)
class Desk:
    """Where the cut-outs of one visitor are made.

    Attributes:
        new_file: gives a path of a new name, with the suffix that it is given.
    """

    new_file: Callable[[str], Path]

    def make(self, photo: str, number: int, matting: str, facing: str = "auto") -> Shot:
        """Cut out one photo; what goes wrong becomes the shot's problem."""
        try:
            found = cut_out(photo, matting=matting, name=f"photo {number}")
        except NopoError as error:
            problem = capital(str(error))
            return Shot(photo, self._picture_of_failure(photo), problem=problem, matting=matting, facing=facing)
        return self._kept(photo, found, matting, facing)

    def with_mask(self, shot: Shot, number: int, mask: str | Image.Image, by: str) -> Shot:
        """The same photo with a mask of the visitor's.

        Raises:
            PhotoError: the mask cannot be read.
            MatteError: it is empty, or has another shape.
        """
        return self._kept(shot.photo, cut_out(shot.photo, mask=mask, name=f"photo {number}"), by, shot.facing)

    def with_drawing(self, shot: Shot, number: int, drawing: str) -> Shot:
        """The same photo with its matte as the visitor drew it; elsewhere the matte stays as fine as it was.

        Args:
            shot: the photo, with or without a matte.
            number: of the photo, from 1.
            drawing: a PNG as a data URL: the person in white, the rest in black.

        Raises:
            MatteError: it is no drawing, or nobody is left.
        """
        drawn = _decoded(drawing)
        photo = load_photo(shot.photo, f"photo {number}")
        before = _matte_of(shot, photo)
        sent = before.resize(drawn.size, Image.Resampling.BILINEAR)
        touched = np.abs(np.asarray(drawn, np.int16) - np.asarray(sent, np.int16)) > CHANGED
        if not touched.any() and shot.mask is not None:
            return shot
        size = before.size
        where = Image.fromarray((touched * 255).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        merged = Image.composite(drawn.resize(size, Image.Resampling.BILINEAR), before, where)
        return self.with_mask(shot, number, merged, "drawing")

    def _kept(self, photo: str, found: Cutout, matting: str, facing: str) -> Shot:
        mask = self.new_file(".png")
        Image.fromarray((found.matte * 255).round().astype(np.uint8)).save(mask, compress_level=1)
        return Shot(photo, self._shown(found.rgba()), mask, found.people, matting=matting, facing=facing)

    def _shown(self, rgba: np.ndarray) -> Path:
        picture = Image.fromarray(rgba)
        picture.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
        path = self.new_file(".webp")
        picture.save(path, quality=85)
        return path

    def _picture_of_failure(self, photo: str) -> Path:
        """The photo behind a veil, or an empty card if it is no picture."""
        try:
            grey = Image.fromarray(load_photo(photo).rgb).convert("L").convert("RGB")
            picture = Image.blend(grey, Image.new("RGB", grey.size, VEIL), 0.6)
        except NopoError:
            picture = Image.new("RGB", (300, 400), VEIL)
            pen = ImageDraw.Draw(picture)
            for cross in ((110, 160, 190, 240), (190, 160, 110, 240)):
                pen.line(cross, fill=INK, width=10)
        return self._shown(np.asarray(picture))


def offered_matting() -> tuple[str, ...]:
    """The matting models that a visitor may choose."""
    return tuple(name for name in CHOICES if name != TOO_LARGE_TO_FETCH or is_present(name))


def status(shots: Sequence[Shot], wanted: int | None, given: int) -> str:
    """What to do next, in Markdown.

    Args:
        shots: the photos that were looked at.
        wanted: how many photos the model was trained for; None for any number.
        given: how many the visitor gave.
    """
    if not shots:
        return ""
    lines = []
    good = sum(shot.mask is not None for shot in shots)
    for number, shot in enumerate(shots, 1):
        if shot.problem:
            lines.append(f"**{shot.problem}** {NOBODY}")
        elif shot.people > 1 and shot.matting not in ("mask", "drawing"):
            lines.append(f"**Photo {number} shows {shot.people} people.** {CROWD}")
    if given > len(shots):
        lines.append(f"The first {len(shots)} of your {given} photos are used.")
    elif wanted is not None and wanted != good:
        lines.append(f"This model was trained for {wanted} photo{'s' * (wanted > 1)}.")
    if good and good < len(shots):
        lines.append("The avatar can be made of the others.")
    return "\n\n".join(lines or [READY])


def canvas(shot: Shot, number: int) -> dict[str, str]:
    """What a visitor draws on: the photo and its matte, as data URLs of one size.

    Raises:
        PhotoError: the photo cannot be read.
    """
    photo = load_photo(shot.photo, f"photo {number}")
    picture = Image.fromarray(photo.rgb)
    picture.thumbnail((DRAWN_PX, DRAWN_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    matte = _matte_of(shot, photo).resize(picture.size, Image.Resampling.BILINEAR)
    return {"photo": _data_url(picture, "jpeg"), "mask": _data_url(matte, "png")}


def capital(sentence: str) -> str:
    """The sentence with a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def _matte_of(shot: Shot, photo: Photo) -> Image.Image:
    if shot.mask is None:
        return Image.new("L", photo.rgb.shape[1::-1])
    with Image.open(shot.mask) as picture:
        return picture.convert("L")


def _data_url(picture: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    picture.save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _decoded(drawing: str) -> Image.Image:
    start = "data:image/png;base64,"
    try:
        if not drawing.startswith(start) or len(drawing) > MAX_DRAWING_BYTES:
            raise ValueError(drawing[:30])
        picture = Image.open(io.BytesIO(base64.b64decode(drawing[len(start) :], validate=True)), formats=["PNG"])
        if max(picture.size) > DRAWN_PX:
            raise ValueError(f"{picture.size}")
        return picture.convert("L")
    except (ValueError, OSError, binascii.Error) as error:
        raise MatteError("The drawing could not be read; draw it again.") from error
