"""`nopo export`: an avatar as a file for other programs; or a checkpoint as our own safetensors, which loads faster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nopo.avatar import Avatar, is_avatar
from nopo.commands.bars import bars
from nopo.errors import ExportError, MotionError
from nopo.export.formats import FORMATS, export
from nopo.motion import Pose
from nopo.motions import load_motion


def run(args: argparse.Namespace) -> None:
    """Write the file."""
    if args.list:
        sys.stdout.write("".join(f"{f.key:15} {f.suffix:16} {f.about}\n" for f in FORMATS.values()))
        return
    if args.source is None or (args.file is None) == (args.out is None):
        raise ExportError("Say what to export and one file to write: `nopo export avatar.safetensors avatar.ply`.")
    out = args.out or args.file
    if out.suffix.lower() == ".safetensors" and not is_avatar(args.source):
        _checkpoint(args.source, out)
    else:
        _avatar(args, out)


def _avatar(args: argparse.Namespace, out: Path) -> None:
    avatar = Avatar.load(args.source)
    if args.fps is not None and args.motion is None:
        raise ExportError("--fps is of a motion: choose one with --motion.")
    motion = None
    if args.motion:
        motion = load_motion(args.motion, rest_joints=avatar.rest_joints, fps=args.fps, on_smplx=avatar.on_smplx)
    pose = _pose(args.pose, avatar) if args.pose else None
    with bars(args.quiet) as progress:
        export(
            avatar,
            out,
            format=args.format,
            pose=pose,
            motion=motion,
            sh_degree=args.sh_degree,
            y_down=args.y_down,
            smplx=args.smplx,
            progress=progress,
        )


def _pose(text: str, avatar: Avatar) -> Pose | None:
    """What --pose names; None is the T-pose."""
    if text in ("t", "tpose"):
        return None
    if text == "relaxed":
        text = "idle:0"
    name, _, frame = text.rpartition(":")
    if not name or not frame.isdecimal():
        raise ExportError("--pose is tpose, relaxed, or a motion and the number of its frame, such as walk:12.")
    motion = load_motion(name, rest_joints=avatar.rest_joints, on_smplx=avatar.on_smplx)
    if int(frame) >= len(motion):
        raise MotionError(f"{Path(name).name} has the frames 0 to {len(motion) - 1}, not {frame}.")
    return motion[int(frame)]


def _checkpoint(source: str, out: Path) -> None:
    from nopo.encode.checkpoint import convert
    from nopo.weights import resolve

    checkpoint = resolve(source)
    if out.exists() and out.samefile(checkpoint):
        raise ExportError(f"{out.name} is the checkpoint itself; give another name.")
    convert(checkpoint, out)
