"""The open model's training curve: error against photos seen, from the histories of its runs.

python tools/plot_training.py ~/nopo-run/history.jsonl -o docs/pictures/training.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt

SMOOTHING = 8  # reports


def main() -> None:
    """Draw the curve."""
    parser = argparse.ArgumentParser(description="Draw the training curve of the open model.")
    parser.add_argument("histories", type=Path, nargs="+", help="history.jsonl of each run, the oldest first")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    figure, (error, facing) = plt.subplots(2, 1, sharex=True, figsize=(7, 5.2), height_ratios=(2, 1))
    for run, path in enumerate(args.histories):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        records.sort(key=lambda record: record["seen"])
        seen = [record["seen"] / 1000 for record in records]
        _line(error, seen, [record["canonical_cm"] for record in records], path.parent.name, f"C{run}")
        known = [record for record in records if "facing_error" in record]
        if known:
            found = [record["facing_error"] for record in known]
            _line(facing, [record["seen"] / 1000 for record in known], found, path.parent.name, f"C{run}")
    error.set_ylabel("canonical error on\nnew training photos, cm")
    error.legend(frameon=False)
    facing.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    facing.set_ylabel("facing error\n(1: knows nothing)")
    facing.set_xlabel("thousand photos seen")
    for axes in (error, facing):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(args.out, dpi=130)


def _line(axes: plt.Axes, x: list[float], y: list[float], name: str, colour: str) -> None:
    """Every report faintly, and their running mean."""
    smooth = [sum(y[max(0, i - SMOOTHING) : i + 1]) / len(y[max(0, i - SMOOTHING) : i + 1]) for i in range(len(y))]
    axes.plot(x, smooth, color=colour, label=name)
    axes.plot(x, y, color=colour, alpha=0.2, linewidth=0.8)


if __name__ == "__main__":
    main()
