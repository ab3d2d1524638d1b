"""The whole of preprocessing in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nopo.errors import PhotoError
from nopo.preprocess.frame import frame_person
from nopo.preprocess.load import Photo, Source, load_photo
from nopo.preprocess.matte import matte
from nopo.progress import Progress, silent
from nopo.views import MAX_VIEWS, Views


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """What the network will see, and what a person wants to check before.

    Attributes:
        views: V framed photos.
        photos: V decoded photos.
        mattes: V arrays (H, W) float32 in [0, 1], each of its photo's size.
    """

    views: Views
    photos: tuple[Photo, ...]
    mattes: tuple[np.ndarray, ...]

    def cutouts(self) -> list[np.ndarray]:
        """Each photo with its matte as transparency: V arrays (H, W, 4) uint8."""
        pairs = zip(self.photos, self.mattes, strict=True)
        return [np.dstack([photo.rgb, (mask * 255).round().astype(np.uint8)]) for photo, mask in pairs]


def preprocess(
    sources: Sequence[Source],
    *,
    size: tuple[int, int],
    background: float,
    matting: str = "auto",
    progress: Progress = silent,
) -> Preprocessed:
    """Decode, matte and frame 1 to 8 photos of one person.

    Args:
        sources: paths, PIL images or uint8 arrays.
        size: (height, width) of the network's frame, pixels.
        background: grey level in [0, 1] that the network expects around the person.
        matting: which matting model, see `nopo.preprocess.matte.CHOICES`.
        progress: called after each photo.

    Raises:
        PhotoError: no photo, more than 8, or one that cannot be read.
        MatteError: nobody in one of them, or no background.
    """
    if not 1 <= len(sources) <= MAX_VIEWS:
        raise PhotoError(f"Give 1 to {MAX_VIEWS} photos of one person, not {len(sources)}.")
    photos, mattes, frames = [], [], []
    progress("preprocess", 0, len(sources))
    for number, source in enumerate(sources, 1):
        photo = load_photo(source, f"photo {number}")
        person = matte(photo, matting)
        photos.append(photo)
        mattes.append(person)
        frames.append(frame_person(photo.rgb, person, size, background))
        progress("preprocess", number, len(sources))
    images, masks = (torch.stack(list(tensors)) for tensors in zip(*frames, strict=True))
    return Preprocessed(Views(images, masks), tuple(photos), tuple(mattes))
