"""The pictures of docs/pictures, made of real output: `python tools/make_pictures.py` (a minute on two cores)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nopo import Avatar, Motion, Pipeline

ROOT = Path(__file__).resolve().parents[1]
PEOPLE = ("amara", "jonas", "mei")
PHOTOS = 3
SIZE = 384
AZIMUTHS_DEG = (0, 60, 180, 270)
MOVES = (("walk", 0.3), ("wave", 0.5), ("kick", 0.45))
"""Motion, and the part of it that has passed."""


def main() -> None:
    """One row a person: the photos given, the avatar from four sides, the avatar in three motions."""
    pipeline = Pipeline.load("open")
    rows = []
    for name in PEOPLE:
        photos = sorted((ROOT / "examples" / "photos" / name).glob("*.jpg"))[:PHOTOS]
        avatar = pipeline.reconstruct(photos)
        tiles = []
        for photo in photos:
            with Image.open(photo) as image:
                tiles.append(np.asarray(ImageOps.fit(image.convert("RGB"), (SIZE * 5 // 8, SIZE))))
        tiles += [_narrow(pipeline.view(avatar, azimuth, size=SIZE)) for azimuth in AZIMUTHS_DEG]
        tiles += [_narrow(_moving(pipeline, avatar, motion, part)) for motion, part in MOVES]
        rows.append(np.concatenate(tiles, 1))
    out = ROOT / "docs" / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(out / "people.jpg", quality=88)


def _moving(pipeline: Pipeline, avatar: Avatar, name: str, part: float) -> np.ndarray:
    motion = Motion.load(name)
    return pipeline.view(avatar, 20, pose=motion[int(part * len(motion))], size=SIZE)


def _narrow(picture: np.ndarray) -> np.ndarray:
    """The middle of a square picture, where the person is."""
    edge = SIZE // 5
    return picture[:, edge : SIZE - edge]


if __name__ == "__main__":
    main()
