"""The state of a training run on disk: written whole or not at all, so that a killed run loses a minute at most."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from nopo.errors import TrainingError

STATE = "state.pt"
HISTORY = "history.jsonl"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` beside the old one, then swap them; the old one stays if the disk is full.

    Raises:
        TrainingError: the disk refused; nothing was lost.
    """
    partial = folder / (STATE + ".part")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / STATE)
    except (OSError, RuntimeError) as error:  # torch reports a short write as RuntimeError
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"The training state could not be written ({type(error).__name__}: is the disk full?); "
            "the last saved state is untouched: free some space and run the same command with --resume."
        ) from error


def load_state(folder: Path) -> dict[str, Any] | None:
    """The last saved state on the CPU, or None when the folder holds none.

    Raises:
        TrainingError: the file is not a training state.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"{STATE} in the training folder is damaged; delete it to start again from the shipped checkpoint."
        ) from error


def append_history(folder: Path, record: dict[str, float], name: str = HISTORY) -> None:
    """Add one line to the run's history, which the training curve is plotted from."""
    with (folder / name).open("a") as file:
        file.write(json.dumps(record) + "\n")


def read_history(folder: Path) -> list[dict[str, float]]:
    """All complete lines of the history; a line cut off by a kill is left out."""
    path = folder / HISTORY
    records = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
