"""`nopo reconstruct`: photos to avatar, turntable, sheet and timings."""

from __future__ import annotations

import argparse
import json

from nopo.commands.bars import bars
from nopo.commands.colour import parse_colour
from nopo.export.sheet import contact_sheet
from nopo.export.video import write_mp4
from nopo.pipeline import Pipeline
from nopo.stopwatch import Stopwatch

VIEWS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}


def run(args: argparse.Namespace) -> None:
    """Write avatar.safetensors, turntable.mp4, preview.png and timings.json."""
    look = {"size": args.size, "background": parse_colour(args.background)}
    watch = Stopwatch()
    with bars(args.quiet) as progress:
        with watch.stage("load"):
            pipeline = Pipeline.load(args.model, args.device, smplx=args.smplx, bf16=args.bf16)
        with watch.stage("preprocess"):
            seen = pipeline.preprocess(args.photos, matting=args.matte, progress=progress)
        with watch.stage("encode"):
            avatar = pipeline.encode(seen.views, progress=progress)
        args.out.mkdir(parents=True, exist_ok=True)
        avatar.save(args.out / "avatar.safetensors")
        with watch.stage("views"):
            views = [pipeline.view(avatar, azimuth, **look) for azimuth in VIEWS.values()]
        rows = [("photos", [photo.rgb for photo in seen.photos]), ("mattes", seen.cutouts())]
        contact_sheet([*rows, ("avatar: " + ", ".join(VIEWS), views)]).save(args.out / "preview.png")
        with watch.stage("turntable"):
            frames = pipeline.turntable(avatar, frames=args.frames, progress=progress, **look)
            write_mp4(args.out / "turntable.mp4", frames, fps=30)
    timings = {"photos": len(args.photos), "gaussians": len(avatar.gaussians), "device": str(pipeline.device)}
    (args.out / "timings.json").write_text(json.dumps({**timings, "stages": watch.stages}, indent=2) + "\n")
