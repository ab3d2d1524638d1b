"""The example photos: a few synthetic people in rooms, in several poses, as JPEG files with their licence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nopo.camera import Camera, look_at
from nopo.synthetic.backgrounds import room
from nopo.synthetic.dataset import render_person
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import load_figure
from nopo.synthetic.framing import project
from nopo.synthetic.lighting import sample_light
from nopo.synthetic.person import Person, sample_person
from nopo.synthetic.poses import sample_pose
from nopo.synthetic.shoot import pose_person

HEIGHT, WIDTH = 1024, 768
_MARGIN = 1.12


@dataclass(frozen=True)
class Cast:
    """One example person: folder name, seed, and (kind of pose, degrees round the person) of each photo."""

    name: str
    seed: int
    photos: tuple[tuple[str, float], ...]


CAST: tuple[Cast, ...] = (
    Cast("amara", 25, (("stand", 8), ("hips", -35), ("walk", 150))),
    Cast("jonas", 18, (("contrapposto", -12), ("pockets", 170), ("wave", 20), ("walk", 75))),
    Cast("mei", 12, (("a_pose", 5), ("walk", -60), ("hands_front", 165))),
    Cast("luca", 37, (("stand", -20), ("point", 25))),
    Cast("ines", 22, (("hips", 15), ("stand", 195), ("walk", 80))),
)


@torch.no_grad()
def make_examples(out_dir: str | Path, seed: int = 0) -> list[Path]:
    """Write the photos of all example people.

    Args:
        out_dir: gets one folder for each person.
        seed: added to the seeds of the poses, rooms and cameras; the people stay who they are.

    Returns:
        The written photos.
    """
    from PIL import Image

    written = []
    for cast in CAST:
        folder = Path(out_dir) / cast.name
        folder.mkdir(parents=True, exist_ok=True)
        person = sample_person(load_figure(), Dice(cast.seed), held_out=True)
        for index, (kind, yaw_deg) in enumerate(cast.photos):
            picture = _photo(person, Dice(1_000_003 * (seed + 1) + 97 * cast.seed + index), kind, math.radians(yaw_deg))
            path = folder / f"{index + 1}.jpg"
            pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(path, quality=85, optimize=True)
            written.append(path)
        (folder / "README.md").write_text(
            f"{cast.name.capitalize()} does not exist: nopo's synthetic people drew her or him "
            f"(`nopo.synthetic.examples`, person {cast.seed}). Licence: CC0 1.0, use the photos as you like.\n",
            encoding="utf-8",
        )
    return written


def _photo(person: Person, dice: Dice, kind: str, yaw: float) -> Tensor:
    """A portrait [3, HEIGHT, WIDTH] of the whole person in a room."""
    pose = sample_pose(dice, kind)
    points = pose_person(person, pose.rotations[None]).points[0]
    light = sample_light(dice, dice.choose(("cloud", "room", "softbox")))
    distance, height = dice.uniform(2.6, 4.2), dice.uniform(0.0, 0.35)
    center = (points.amin(0) + points.amax(0)) / 2
    eye = center + torch.tensor([distance * math.sin(yaw), height, distance * math.cos(yaw)])
    camera = _portrait_camera(points, look_at(eye, center))
    behind = room(dice, camera, float(points[:, 1].min()))
    picture, _ = render_person(person, pose, camera, light=light, background=behind)
    left = (HEIGHT - WIDTH) // 2
    grain = torch.randn(3, HEIGHT, WIDTH, generator=dice.generator()) * 0.008
    return (picture[:, :, left : left + WIDTH] + grain).clamp(0, 1)


def _portrait_camera(points: Tensor, viewmat: Tensor) -> Camera:
    """A square camera whose middle WIDTH columns hold all points [N, 3] with some air around them."""
    picture = project(points, viewmat)
    low, high = picture.amin(0), picture.amax(0)
    wide, tall = (high - low).tolist()
    f_px = 1 / (_MARGIN * max(wide / WIDTH, tall / HEIGHT))
    cx, cy = (HEIGHT / 2 - f_px * (low + high) / 2).tolist()
    K = torch.tensor([[f_px, 0.0, cx], [0.0, f_px, cy], [0.0, 0.0, 1.0]])
    return Camera(K, viewmat, HEIGHT, HEIGHT)
