"""`nopo render`: a turntable, or one picture."""

from __future__ import annotations

import argparse

from PIL import Image

from nopo import show
from nopo.avatar import Avatar
from nopo.commands.bars import bars
from nopo.commands.colour import parse_colour
from nopo.errors import ExportError
from nopo.export.video import write_mp4
from nopo.pipeline import choose_device


def run(args: argparse.Namespace) -> None:
    """Write a .mp4 or a .png; needs no network."""
    kind = args.out.suffix.lower()
    if kind not in (".mp4", ".png"):
        raise ExportError(f"{args.out.name} should end in .mp4 for a turntable or in .png for a picture.")
    look = {"size": args.size, "background": parse_colour(args.background), "pose": args.pose}
    avatar = Avatar.load(args.avatar).to(choose_device(args.device))
    if kind == ".png":
        Image.fromarray(show.view(avatar, args.azimuth, args.elevation, **look)).save(args.out)
        return
    with bars(args.quiet) as progress:
        frames = show.turntable(avatar, frames=args.frames, elevation_deg=args.elevation, progress=progress, **look)
        write_mp4(args.out, frames, fps=args.fps)
