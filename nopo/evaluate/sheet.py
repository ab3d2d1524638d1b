"""A sheet of held-out people: what the network was given, what it understood, and what it made of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from nopo.articulate import Articulator
from nopo.camera import framing_orbit
from nopo.evaluate.open_model import picture, predict
from nopo.evaluate.protocol import PICTURE_SIZE, held_out_subjects
from nopo.files import partial_file
from nopo.motion import Motion
from nopo.pipeline import Pipeline
from nopo.render import render
from nopo.synthetic.sheet import canonical_picture

AZIMUTHS_DEG = (0, 90, 180, 270)


@torch.inference_mode()
def write_sheet(path: Path, pipeline: Pipeline, people: int = 6, seed: int = 1, photos: int = 1) -> None:
    """One row a person, as PNG.

    Columns: the photos, the first photo's canonical positions as predicted and as they truly are, the avatar from
    four sides, then a novel pose as rendered and as it truly looks.

    Raises:
        ExportError: `path` cannot be written.
    """
    from PIL import Image

    relaxed = Motion.load("idle")[0]
    rows = []
    for subject in held_out_subjects(people, seed, photos):
        prediction, avatar = predict(pipeline, subject, photos)
        batch = subject.photos
        side = batch.images.shape[-1]
        found = prediction.image.means.view(photos, side, side, 3)[0].permute(2, 0, 1)
        valid = batch.valid[0, 0]
        tiles = [*batch.images[0], canonical_picture(found, valid), canonical_picture(batch.canonical[0, 0], valid)]
        person = Articulator(avatar)
        posed = person.pose(relaxed)
        for azimuth in AZIMUTHS_DEG:
            camera = framing_orbit(posed.means, azimuth, 5, size=(PICTURE_SIZE, PICTURE_SIZE))
            tiles.append(render(posed, camera, (1.0, 1.0, 1.0)).rgb[0].permute(2, 0, 1))
        target = subject.novel_pose[0]
        tiles += [picture(person, target)[0].permute(2, 0, 1), target.rgb.permute(2, 0, 1)]
        rows.append(torch.cat([_tile(tile, PICTURE_SIZE // 2) for tile in tiles], 2))
    sheet = torch.cat(rows, 1).clamp(0, 1).permute(1, 2, 0)
    with partial_file(path) as partial:
        Image.fromarray((sheet * 255).round().byte().numpy()).save(partial, "PNG")


def _tile(picture: Tensor, side: int) -> Tensor:
    """A picture [3, H, W] at [3, side, side]."""
    return torch.nn.functional.interpolate(picture[None], (side, side), mode="area")[0]
