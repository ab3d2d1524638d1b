"""The whole of preprocessing in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nopo.errors import MatteError, PhotoError
from nopo.preprocess.frame import PRESENT, frame_person
from nopo.preprocess.load import Photo, Source, load_photo
from nopo.preprocess.matte import count_people, only_person, whole_matte
from nopo.progress import Progress, silent
from nopo.views import MAX_VIEWS, Views

MASK_SHAPE_TOLERANCE = 0.03
"""A mask may differ from its photo by this part in width over height: pictures are resized to whole pixels."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """One photo and its person.

    Attributes:
        photo: decoded.
        matte: (H, W) float32 in [0, 1], of the photo's size.
        people: how many people stand apart in the photo; the largest is the one in `matte`.
    """

    photo: Photo
    matte: np.ndarray
    people: int = 1

    def rgba(self) -> np.ndarray:
        """The photo with its matte as transparency: (H, W, 4) uint8."""
        return np.dstack([self.photo.rgb, (self.matte * 255).round().astype(np.uint8)])


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What the network will see, and what a person wants to check before.

    Attributes:
        views: V framed photos.
        found: V photos with their mattes.
    """

    views: Views
    found: tuple[Cutout, ...]

    @property
    def photos(self) -> tuple[Photo, ...]:
        """V decoded photos."""
        return tuple(each.photo for each in self.found)

    @property
    def mattes(self) -> tuple[np.ndarray, ...]:
        """V arrays (H, W) float32 in [0, 1], each of its photo's size."""
        return tuple(each.matte for each in self.found)

    def cutouts(self) -> list[np.ndarray]:
        """Each photo with its matte as transparency: V arrays (H, W, 4) uint8."""
        return [each.rgba() for each in self.found]


def cut_out(source: Source, *, matting: str = "auto", mask: Source | None = None, name: str | None = None) -> Cutout:
    """Decode one photo, and tell its person from the background.

    Args:
        source: path, PIL image or uint8 array.
        matting: which matting model, see `nopo.preprocess.matte.CHOICES`.
        mask: a picture of the photo's shape that shows the person opaque or, without transparency, white on black; no
            matting model is asked then, and nothing is taken away from it.
        name: what messages call the photo; the file's name if None.

    Raises:
        PhotoError: the photo or the mask cannot be read.
        MatteError: nobody in it, no background, or a mask that does not fit.
    """
    photo = load_photo(source, name)
    if mask is not None:
        return Cutout(photo, _given_matte(mask, photo))
    full = whole_matte(photo, matting)
    return Cutout(photo, only_person(full, photo.name), count_people(full))


def preprocess(
    sources: Sequence[Source],
    *,
    size: tuple[int, int],
    background: float,
    matting: str = "auto",
    masks: Sequence[Source | None] | None = None,
    progress: Progress = silent,
) -> Preprocessed:
    """Decode, matte and frame 1 to 8 photos of one person.

    Args:
        sources: paths, PIL images or uint8 arrays.
        size: (height, width) of the network's frame, pixels.
        background: grey level in [0, 1] that the network expects around the person.
        matting: which matting model, see `nopo.preprocess.matte.CHOICES`.
        masks: one for each photo, or None where there is none; see `cut_out`.
        progress: called after each photo.

    Raises:
        PhotoError: no photo, more than 8, or one that cannot be read.
        MatteError: nobody in one of them, no background, or masks that do not fit.
    """
    if not 1 <= len(sources) <= MAX_VIEWS:
        raise PhotoError(f"Give 1 to {MAX_VIEWS} photos of one person, not {len(sources)}.")
    masks = [None] * len(sources) if masks is None else masks
    if len(masks) != len(sources):
        raise MatteError(f"Give one mask for each photo: {len(sources)}, not {len(masks)}.")
    found, frames = [], []
    progress("preprocess", 0, len(sources))
    for number, (source, mask) in enumerate(zip(sources, masks, strict=True), 1):
        name = None if isinstance(source, str | Path) else f"photo {number}"
        person = cut_out(source, matting=matting, mask=mask, name=name)
        found.append(person)
        frames.append(frame_person(person.photo.rgb, person.matte, size, background))
        progress("preprocess", number, len(sources))
    images, seen = (torch.stack(list(tensors)) for tensors in zip(*frames, strict=True))
    return Preprocessed(Views(images, seen), tuple(found))


def _given_matte(mask: Source, photo: Photo) -> np.ndarray:
    """A mask picture as a matte (H, W) of the photo's size."""
    name = f"the mask of {photo.name}"
    picture = load_photo(mask, name)
    matte = picture.rgb.mean(2, dtype=np.float32) / 255 if picture.alpha is None else picture.alpha
    height, width = photo.rgb.shape[:2]
    if abs(matte.shape[1] / matte.shape[0] / (width / height) - 1) > MASK_SHAPE_TOLERANCE:
        raise MatteError(f"{name[0].upper()}{name[1:]} has another shape; make it {width}×{height} pixels.")
    if matte.shape != (height, width):
        resized = Image.fromarray(matte).resize((width, height), Image.Resampling.BILINEAR)
        matte = np.asarray(resized).clip(0, 1)
    if not (matte > PRESENT).any():
        raise MatteError(f"{name[0].upper()}{name[1:]} is empty; mark the person in it.")
    return matte
