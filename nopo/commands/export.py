"""`nopo export`: a checkpoint as our own safetensors, which loads faster and holds nothing but weights."""

from __future__ import annotations

import argparse

from nopo.encode.checkpoint import convert
from nopo.errors import ExportError
from nopo.weights import resolve


def run(args: argparse.Namespace) -> None:
    """Write the .safetensors."""
    if args.out.suffix.lower() != ".safetensors":
        raise ExportError(f"{args.out.name} should end in .safetensors.")
    source = resolve(args.source)
    if args.out.exists() and args.out.samefile(source):
        raise ExportError(f"{args.out.name} is the checkpoint itself; give another name.")
    convert(source, args.out)
