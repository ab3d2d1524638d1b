"""Where weights come from: a name or a path becomes a file that has been checked."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nopo.errors import DependencyError, WeightsError

LOGGER = logging.getLogger(__name__)

SUMS = "SHA256SUMS"
"""File beside the weights, as `sha256sum` writes it: what each of them must hash to."""


@dataclass(frozen=True)
class Model:
    """One model that can be named.

    Attributes:
        name: what `Pipeline.load` and the command line call it.
        file: its file in a folder of weights.
        views: how many photos it was trained for.
        licence: what its weights may be used for.
        coming: announced, but this version cannot run it yet.
    """

    name: str
    file: str
    views: str
    licence: str
    coming: bool = False


RESEARCH = "non-commercial research only"
MODELS = (
    Model("open", "open.safetensors", "1 to 8", "Apache-2.0"),
    Model("thuman2.0", "thuman2.0_inputs3_res1024.safetensors", "3", RESEARCH, coming=True),
    Model("thuman2.1", "thuman2.1_inputs3_res1024.safetensors", "3", RESEARCH, coming=True),
    Model("thuman2.1-huge100k", "thuman2.1_huge100k_inputs3_res1024.safetensors", "3", RESEARCH, coming=True),
    Model("huge100k", "huge100k_inputs1_res896.safetensors", "1", RESEARCH, coming=True),
)


def folders() -> list[Path]:
    """Where files of weights are looked for, in order."""
    own = os.environ.get("NOPO_WEIGHTS")
    return [
        *([Path(own).expanduser()] if own else []),
        Path(__file__).resolve().parent.parent / "weights",  # a checkout
        Path(sys.prefix) / "share" / "nopo" / "weights",  # an installed wheel
    ]


def is_present(model: Model) -> bool:
    """Whether the model's file is on this machine."""
    return _find(model.file) is not None


def resolve(name_or_path: str | Path) -> Path:
    """The checkpoint file of a model.

    Args:
        name_or_path: one of `MODELS` by name, or the path of a checkpoint.

    Raises:
        WeightsError: unknown, missing, gated or altered; the message says what to do.
        DependencyError: a download is needed and huggingface_hub is not installed.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if path.suffix in (".safetensors", ".ckpt"):
        raise WeightsError(f"There is no checkpoint {path.name}; check the path.")
    model = next((model for model in MODELS if model.name == str(name_or_path)), None)
    if model is None:
        names = ", ".join(model.name for model in MODELS)
        raise WeightsError(f"There is no model {path.name!r}; give the path of a checkpoint, or one of {names}.")
    if model.coming:
        raise WeightsError(f"This version cannot run the model {model.name} yet; use the model open.")
    return find_file(model.file)


def find_file(file: str) -> Path:
    """A file of weights by its name, looked for in `folders`, then in the repository named by NOPO_HF_REPO.

    Raises:
        WeightsError: it is nowhere, or not what SHA256SUMS says.
    """
    path = _find(file)
    if path is not None:
        return _checked_sum(path)
    repo = os.environ.get("NOPO_HF_REPO")
    if repo:
        return _download(repo, file)
    raise WeightsError(
        f"The file {file} is missing; put it into the folder weights/ or into the one that NOPO_WEIGHTS names, "
        "or name a Hugging Face repository that has it in NOPO_HF_REPO."
    )


def _find(file: str) -> Path | None:
    return next((folder / file for folder in folders() if (folder / file).is_file()), None)


@cache
def _sums(folder: Path) -> dict[str, str]:
    listing = folder / SUMS
    lines = listing.read_text().splitlines() if listing.is_file() else []
    return {name.lstrip("*"): digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}


@cache
def _checked_sum(path: Path) -> Path:
    expected = _sums(path.parent).get(path.name)
    if expected is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise WeightsError(f"{path.name} is not the file that {SUMS} lists; download or copy it again.")
    return path


def _download(repo: str, file: str) -> Path:
    """From a Hugging Face repository, private or not, into its cache; huggingface_hub shows the progress."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError as error:
        raise DependencyError("Downloading needs huggingface_hub: run `pip install huggingface_hub`.") from error
    try:
        return Path(hf_hub_download(repo, file))
    except GatedRepoError as error:
        raise WeightsError(f"{repo} is gated: accept its terms on huggingface.co, then set HF_TOKEN.") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"{repo} does not exist, or is private: set HF_TOKEN to a token that may read it."
        ) from error
    except (EntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise WeightsError(f"{repo} has no file {file}; upload it there, or unset NOPO_HF_REPO.") from error
        raise WeightsError(f"{file} could not be downloaded from {repo}; check the network and try again.") from error
