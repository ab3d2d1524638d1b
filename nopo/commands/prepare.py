"""`nopo prepare`: synthetic people to look at, and the example photos."""

from __future__ import annotations

import argparse
from pathlib import Path

from nopo.errors import ExportError

EXAMPLES = Path("examples/photos")


def run(args: argparse.Namespace) -> None:
    """Write a sheet of people, or the photos of examples/."""
    if args.what == "examples":
        from nopo.synthetic.examples import make_examples

        make_examples(EXAMPLES)
        return
    from nopo.synthetic.sheet import write_sheet

    if args.sheet is None:
        raise ExportError("Say where the sheet of people should go: nopo prepare people --sheet people.png")
    write_sheet(args.sheet, args.seed, args.count)
