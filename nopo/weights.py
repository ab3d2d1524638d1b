"""Where weights come from: a name or a path becomes a file that has been checked."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from nopo.errors import DependencyError, WeightsError
from nopo.models import HOME_OF_PUBLISHED, MODELS, Model, named

LOGGER = logging.getLogger(__name__)

SUMS = "SHA256SUMS"
"""File beside the weights, as `sha256sum` writes it: what each of them must hash to."""

HOW_TO_GET = (
    f"download the file from the authors' Box share, linked in their project's README ({HOME_OF_PUBLISHED}), "
    "and put it into weights/ or into the folder that NOPO_WEIGHTS names, "
    "or into a private Hugging Face repository and name that in NOPO_HF_REPO (and a token in HF_TOKEN)"
)
"""What to do when a published model is missing: the end of a sentence."""


def folders() -> list[Path]:
    """Where files of weights are looked for, in order."""
    own = os.environ.get("NOPO_WEIGHTS")
    return [
        *([Path(own).expanduser()] if own else []),
        Path(__file__).resolve().parent.parent / "weights",  # a checkout
        Path(sys.prefix) / "share" / "nopo" / "weights",  # an installed wheel
    ]


def is_present(model: Model) -> bool:
    """Whether the model's file is on this machine: in one of `folders`, or fetched from NOPO_HF_REPO before."""
    return _find(*model.files) is not None or _was_fetched(*model.files)


def resolve(name_or_path: str | Path) -> Path:
    """The checkpoint file of a model.

    Args:
        name_or_path: one of `nopo.models.MODELS` by name, or the path of a checkpoint.

    Raises:
        WeightsError: unknown, missing, gated or altered; the message says what to do.
        DependencyError: a download is needed and huggingface_hub is not installed.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    model = named(str(name_or_path))
    if model is not None:
        return find_model(model)
    if path.suffix in (".safetensors", ".ckpt"):
        raise WeightsError(f"There is no checkpoint {path.name}; check the path.")
    names = ", ".join(model.name for model in MODELS)
    raise WeightsError(f"There is no model {path.name!r}; give the path of a checkpoint, or one of {names}.")


def find_model(model: Model) -> Path:
    """The file of a model, checked: by SHA256SUMS if it is listed there, else by what it was when first used.

    Raises:
        WeightsError: it is nowhere, or altered.
        DependencyError: a download is needed and huggingface_hub is not installed.
    """
    if not model.published:
        return find_file(model.file)
    path = _find(*model.files)
    repo = os.environ.get("NOPO_HF_REPO")
    if path is None and repo:
        path = _download(repo, *model.files)
    if path is not None:
        return _checked_as_before(path)
    raise WeightsError(f"{model.file} of the model {model.name} ({model.licence}) is missing: {HOW_TO_GET}.")


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


def _find(*files: str) -> Path | None:
    places = (folder / file for folder in folders() for file in files)
    return next((place for place in places if place.is_file()), None)


def _was_fetched(*files: str) -> bool:
    repo = os.environ.get("NOPO_HF_REPO")
    if not repo:
        return False
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return False
    with suppress(HFValidationError):  # no name of a repository: told when something is fetched
        return any(isinstance(try_to_load_from_cache(repo, file), str) for file in files)
    return False


@cache
def _sums(folder: Path) -> dict[str, str]:
    listing = folder / SUMS
    lines = listing.read_text().splitlines() if listing.is_file() else []
    return {name.lstrip("*"): digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}


@cache
def _checked_sum(path: Path) -> Path:
    expected = _sums(path.parent).get(path.name)
    if expected is not None:
        if _digest(path) != expected:
            raise WeightsError(f"{path.name} is not the file that {SUMS} lists; download or copy it again.")
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked_as_before(path: Path) -> Path:
    """Nobody lists the sums of the published files: what one hashes to is kept beside it when it is first used.

    Several gigabytes take seconds to hash, so a file is hashed again only if it is newer than what was kept of it.
    """
    kept = path.with_name(path.name + ".sha256")
    if kept.is_file() and kept.stat().st_mtime_ns >= path.stat().st_mtime_ns:
        return path
    LOGGER.info("checking %s, once", path.name)
    line = f"{_digest(path)}  {path.name}\n"  # as `sha256sum` writes and checks it
    if kept.is_file() and kept.read_text() != line:
        raise WeightsError(
            f"{path.name} is not what it was when first used; get it again, or delete {kept.name} if you replaced it."
        )
    try:
        kept.write_text(line)
    except OSError as error:
        LOGGER.info("its sum is not kept: %s", error.strerror)
    return path


def _download(repo: str, *files: str) -> Path:
    """The first of these files that a Hugging Face repository, private or not, has; into its cache.

    huggingface_hub shows the progress, reads HF_TOKEN, and goes on where an earlier download broke off.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError as error:
        raise DependencyError("Downloading needs huggingface_hub: run `pip install huggingface_hub`.") from error
    *rather, file = files
    try:
        for better in rather:
            with suppress(EntryNotFoundError):
                return Path(hf_hub_download(repo, better))
        return Path(hf_hub_download(repo, file))
    except GatedRepoError as error:
        raise WeightsError(f"{repo} is gated: accept its terms on huggingface.co, then set HF_TOKEN.") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"{repo} does not exist, or is private: set HF_TOKEN to a token that may read it."
        ) from error
    except Exception as error:  # noqa: BLE001 (what carries the bytes changes with the version, and so do its errors)
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise WeightsError(f"{repo} has no file {file}; upload it there, or unset NOPO_HF_REPO.") from error
        raise WeightsError(f"{file} could not be downloaded from {repo}; check the network and try again.") from error
