"""`nopo animate`: the avatar moves."""

from __future__ import annotations

import argparse

from nopo import show
from nopo.avatar import Avatar
from nopo.body.betas import rest_joints_of
from nopo.commands.bars import bars
from nopo.commands.colour import parse_colour
from nopo.errors import ExportError
from nopo.export.video import write_mp4
from nopo.motions import load_motion
from nopo.pipeline import choose_device, in_own_proportions


def run(args: argparse.Namespace) -> None:
    """Write a .mp4; needs no network."""
    if args.out.suffix.lower() != ".mp4":
        raise ExportError(f"{args.out.name} should end in .mp4.")
    avatar = Avatar.load(args.avatar).to(choose_device(args.device))
    if args.betas is not None:
        avatar = in_own_proportions(avatar, rest_joints_of(args.betas, args.smplx))
    motion = load_motion(args.motion, rest_joints=avatar.rest_joints)
    with bars(args.quiet) as progress:
        frames = show.animate(
            avatar,
            motion,
            size=args.size,
            azimuth_deg=args.azimuth,
            elevation_deg=args.elevation,
            background=parse_colour(args.background),
            progress=progress,
        )
        write_mp4(args.out, frames, fps=motion.fps)
