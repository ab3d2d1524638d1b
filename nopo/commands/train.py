"""`nopo train`: make or improve the open model."""

from __future__ import annotations

import argparse

from nopo.train.trainer import train_open


def run(args: argparse.Namespace) -> None:
    """Train for some minutes; the state in the folder can be resumed."""
    train_open(
        args.out,
        args.minutes,
        args.device,
        args.precision,
        resume=args.resume,
        scratch=args.scratch,
        cooldown=args.cooldown,
        pace=args.pace,
        sheet_minutes=args.sheet_minutes,
        threads=args.threads,
    )
