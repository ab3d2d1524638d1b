"""`nopo render`: a turntable, or one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from nopo import show
from nopo.avatar import Avatar
from nopo.commands.background import parse_background
from nopo.commands.bars import bars
from nopo.export.moving import moving_writer
from nopo.files import partial_file, writing
from nopo.pipeline import choose_device


def run(args: argparse.Namespace) -> None:
    """Write a moving picture, or a .png; needs no network."""
    background = parse_background(args.background)
    still = args.out.suffix.lower() == ".png"
    write = None if still else moving_writer(args.out, transparent=background is None)
    look = {"size": args.size, "background": background, "framing": args.framing, "pose": args.pose}
    avatar = Avatar.load(args.avatar).to(choose_device(args.device))
    if write is None:
        _write_png(args.out, show.view(avatar, args.azimuth, args.elevation, **look))
        return
    with bars(args.quiet) as progress:
        frames = show.turntable(
            avatar,
            frames=args.frames,
            azimuth_deg=args.azimuth,
            elevation_deg=args.elevation,
            progress=progress,
            **look,
        )
        write(args.out, frames, args.fps)


def _write_png(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    with partial_file(path) as partial, writing(path):
        Image.fromarray(picture).save(partial)
