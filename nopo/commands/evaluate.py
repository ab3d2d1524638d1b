"""`nopo evaluate`: figures on people that the model has not seen."""

from __future__ import annotations

import argparse
import json
import sys

from nopo.commands.bars import bars
from nopo.evaluate.open_model import as_text, evaluate_open
from nopo.evaluate.sheet import write_sheet
from nopo.files import write_text
from nopo.pipeline import Pipeline


def run(args: argparse.Namespace) -> None:
    """Print the figures; write them and a sheet of pictures where asked."""
    with bars(args.quiet) as progress:
        table = evaluate_open(
            args.model, args.subjects, args.seed, args.device,
            photos=args.photos, frontal=args.frontal, progress=progress,
        )  # fmt: skip
    if not args.quiet:  # first: whatever refuses to be written, half an hour of work is not lost
        sys.stdout.write(as_text(table) + "\n")
    if args.json:
        about = {"model": args.model, "subjects": args.subjects, "seed": args.seed, "frontal": args.frontal}
        write_text(args.json, json.dumps({**table, "about": about}, indent=2) + "\n")
    if args.sheet:
        write_sheet(args.sheet, Pipeline.load(args.model, args.device), seed=args.seed)
