"""`nopo evaluate`: figures on people that the model has not seen."""

from __future__ import annotations

import argparse
import json
import sys

from nopo.evaluate.open_model import evaluate_open


def run(args: argparse.Namespace) -> None:
    """Print the figures as JSON, or write them to a file."""
    figures = evaluate_open(args.model, args.subjects, args.seed, args.device)
    text = json.dumps(figures, indent=2) + "\n"
    if args.json:
        args.json.write_text(text)
    if not args.quiet or not args.json:
        sys.stdout.write(text)
