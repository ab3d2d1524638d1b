"""`nopo reconstruct`: photos to avatar, turntable, sheet and timings; of one person, or of many."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack

from nopo.batch.report import as_text, write_report
from nopo.batch.run import Outcome, run_batch
from nopo.batch.subjects import Subject, find_subjects
from nopo.commands.background import parse_background
from nopo.commands.bars import bars
from nopo.errors import NopoError
from nopo.pipeline import Pipeline
from nopo.progress import Progress
from nopo.results import Wishes, write_results
from nopo.stopwatch import Stopwatch
from nopo.weights import resolve

LOGGER = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Write a folder of results, or a folder of such folders.

    Returns:
        0, or 1 if some people of a batch failed.
    """
    if bool(args.photos) == (args.batch is not None):
        raise NopoError("Give either photos of one person, or --batch and a folder with a folder of photos for each.")
    if args.facing is not None and args.batch is not None:
        raise NopoError("--facing is for the photos of one person; leave it out with --batch.")
    wishes = Wishes(
        matting=args.matte,
        turntable=None if args.turntable == "none" else f".{args.turntable}",
        frames=args.frames,
        fps=args.fps,
        size=args.size,
        background=parse_background(args.background),
        framing=args.framing,
        elevation_deg=args.elevation,
        facing=None if args.facing is None else tuple(args.facing.split(",")),
    )
    return _one(args, wishes) if args.batch is None else _batch(args, wishes)


def _one(args: argparse.Namespace, wishes: Wishes) -> int:
    watch = Stopwatch()
    with bars(args.quiet) as progress:
        with watch.stage("load"):
            pipeline = _load(args)
        write_results(pipeline, args.photos, args.out, wishes, watch=watch, progress=progress)
    return 0


def _batch(args: argparse.Namespace, wishes: Wishes) -> int:
    subjects = find_subjects(args.batch, args.out)
    checkpoint = resolve(args.model).stat()
    model = {"name": args.model, "bytes": checkpoint.st_size, "changed_ns": checkpoint.st_mtime_ns, "bf16": args.bf16}
    outcomes: list[Outcome] = []
    with ExitStack() as drawn:

        def progress_of(subject: Subject) -> Progress:
            progress = drawn.enter_context(bars(args.quiet, leave=False))
            return lambda stage, done, total: progress(f"{subject.name}: {stage}", done, total)

        for outcome in run_batch(subjects, args.out, wishes, model, lambda: _load(args), progress_of):
            drawn.close()  # nothing of this subject's bars stays, not even if it failed halfway
            outcomes.append(outcome)
            LOGGER.info(
                "%d of %d, %s: %s", len(outcomes), len(subjects), outcome.subject, outcome.error or outcome.result
            )
    files = write_report(outcomes, subjects, args.out)
    if not args.quiet:
        sys.stdout.write(as_text(outcomes) + "\n")
    failed = sum(outcome.result == "failed" for outcome in outcomes)
    if failed:
        sys.stderr.write(f"nopo: {failed} of {len(subjects)} people failed; {files[1].name} says why.\n")
    return 1 if failed else 0


def _load(args: argparse.Namespace) -> Pipeline:
    return Pipeline.load(args.model, args.device, smplx=args.smplx, bf16=args.bf16)
