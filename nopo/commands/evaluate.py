"""`nopo evaluate`: figures on people that the model has not seen."""

from __future__ import annotations

import argparse
import json
import sys

from nopo.commands.bars import bars
from nopo.evaluate.open_model import as_text, evaluate_open


def run(args: argparse.Namespace) -> None:
    """Print the figures, and write them to a file if one is named."""
    with bars(args.quiet) as progress:
        table = evaluate_open(args.model, args.subjects, args.seed, args.device, photos=args.photos, progress=progress)
    if args.json:
        about = {"model": args.model, "subjects": args.subjects, "seed": args.seed}
        args.json.write_text(json.dumps({**table, "about": about}, indent=2) + "\n")
    sys.stdout.write(as_text(table) + "\n")
