"""`nopo animate`: the avatar moves."""

from __future__ import annotations

import argparse

from nopo import show
from nopo.avatar import Avatar
from nopo.body.betas import rest_joints_of
from nopo.commands.background import parse_background
from nopo.commands.bars import bars
from nopo.export.moving import moving_writer
from nopo.motion import Motion
from nopo.motions import load_motion
from nopo.pipeline import choose_device, in_own_proportions


def run(args: argparse.Namespace) -> None:
    """Write a moving picture; needs no network."""
    background = parse_background(args.background)
    write = moving_writer(args.out, transparent=background is None)
    avatar = Avatar.load(args.avatar).to(choose_device(args.device))
    if args.betas is not None:
        avatar = in_own_proportions(avatar, rest_joints_of(args.betas, args.smplx))
    motion = load_motion(args.motion, rest_joints=avatar.rest_joints, fps=args.fps, on_smplx=avatar.on_smplx)
    if args.frames is not None and args.frames < len(motion):
        motion = Motion(motion.rotations[: args.frames], motion.transl[: args.frames], motion.fps)
    with bars(args.quiet) as progress:
        frames = show.animate(
            avatar,
            motion,
            size=args.size,
            azimuth_deg=args.azimuth,
            elevation_deg=args.elevation,
            background=background,
            framing=args.framing,
            progress=progress,
        )
        write(args.out, frames, motion.fps)
