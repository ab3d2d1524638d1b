"""The small looping pictures of the built-in motions on the page: `python tools/make_previews.py` (a minute)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nopo import show
from nopo.avatar import Avatar
from nopo.body.open import load_open_body
from nopo.gaussians import Gaussians
from nopo.harmonics import rgb_to_dc
from nopo.motions import load_motion, names

OUT = Path(__file__).resolve().parents[1] / "nopo" / "demo" / "previews"
SIZE = (160, 120)
FPS = 12
MAX_FRAMES = 40
STONE = (0.70, 0.665, 0.63)
LIGHT = (0.35, 0.75, 0.55)


def main() -> None:
    """One animated WebP a motion, of a mannequin on a transparent ground; nothing of any real person."""
    OUT.mkdir(exist_ok=True)
    figure, total = mannequin(), 0
    for name in names():
        motion = load_motion(name, rest_joints=figure.rest_joints, fps=FPS)
        step = -(-len(motion) // MAX_FRAMES)
        frames = list(show.animate(figure, motion, size=(SIZE[0] * 2, SIZE[1] * 2), background=None))[::step]
        path = OUT / f"{name}.webp"
        pictures = [_small(frame) for frame in frames]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=round(1000 * step / motion.fps), loop=0,
            quality=50, alpha_quality=50, method=6, minimize_size=True,
        )  # fmt: skip
        total += path.stat().st_size
        print(f"{name:14} {len(frames):3} frames {path.stat().st_size / 1000:6.1f} kB")
    print(f"together {total / 1e6:.2f} MB")


def mannequin() -> Avatar:
    """The open body as Gaussians at its vertices, lit from above."""
    body = load_open_body()
    means = body.vertices()  # [V, 3]
    corners = means[body.faces]  # [F, 3, 3]
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # [F, 3]
    normals = torch.zeros_like(means).index_add_(0, body.faces.reshape(-1), across.repeat_interleave(3, 0))
    area = torch.zeros(len(means)).index_add_(0, body.faces.reshape(-1), across.norm(dim=1).repeat_interleave(3) / 6)
    normals = torch.nn.functional.normalize(normals, dim=1)
    light = torch.nn.functional.normalize(torch.tensor(LIGHT), dim=0)
    shade = 0.88 + 0.22 * (normals @ light)[:, None].clamp(-0.6, 1)  # [V, 1]
    width = (area.sqrt() * 0.75).clamp(0.002, 0.03)[:, None, None]  # wide enough to touch its neighbours
    flat = torch.eye(3) - 0.9 * normals[:, :, None] * normals[:, None, :]  # [V, 3, 3]
    sh = rgb_to_dc(torch.tensor(STONE) * shade)[:, None]
    cloud = Gaussians(means, flat * width**2, torch.full((len(means),), 0.97), sh)
    return Avatar(cloud, body.bone_weights, body.rest_joints(), "mannequin")


def _small(frame: np.ndarray) -> Image.Image:
    return Image.fromarray(frame).resize(SIZE[::-1], Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
