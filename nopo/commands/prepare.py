"""`nopo prepare`: synthetic people to look at, the example photos, and the template maps of SMPL-X."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from nopo.errors import ExportError

LOGGER = logging.getLogger(__name__)

EXAMPLES = Path("examples/photos")


def run(args: argparse.Namespace) -> None:
    """Write a sheet of people, the photos of examples/, or the maps that the published models are given."""
    if args.what == "template":
        from nopo.body.smplx import load_smplx, smplx_template

        template = smplx_template(load_smplx("male", args.smplx), args.size, args.uv)
        share = template.mask.float().mean().item()
        LOGGER.info("The template of %d x %d texels is ready, %.0f %% covered.", args.size, args.size, 100 * share)
        return
    if args.what == "examples":
        from nopo.synthetic.examples import make_examples

        make_examples(EXAMPLES)
        return
    from nopo.synthetic.sheet import write_sheet

    if args.sheet is None:
        raise ExportError("Say where the sheet of people should go: nopo prepare people --sheet people.png")
    write_sheet(args.sheet, args.seed, args.count)
