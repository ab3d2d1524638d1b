"""A person's proportions from the SMPL-X betas that motion files carry."""

from __future__ import annotations

import json
import logging
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from nopo.body.smplx import NUM_BETAS, Gender, load_smplx
from nopo.errors import BodyError

LOGGER = logging.getLogger(__name__)

# What zipfile, numpy and json let out when bytes are wrong; RuntimeError is of passwords and of endless brackets.
_DAMAGE = (
    OSError, ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def rest_joints_of(path: str | Path, smplx: str | Path | None = None) -> Tensor:
    """T-pose joints [55, 3] in metres of the person whose betas a file has, with SMPL-X's mean hands.

    Args:
        path: an AMASS or SMPL-X .npz, a .json frame, or a folder of them (the first by name counts).
        smplx: folder of the user's SMPL-X files, see `nopo.body.smplx.find_smplx`. The file's gender says which is
            used; the neutral one without.

    Raises:
        BodyError: no betas there, or no SMPL-X file.
        DependencyError: the `smplx` package is missing.
    """
    path = Path(path)
    betas, gender = read_betas(path)
    if len(betas) > NUM_BETAS:
        LOGGER.info("%s has %d betas; the first %d are used", path.name, len(betas), NUM_BETAS)
    used = torch.zeros(NUM_BETAS)
    count = min(len(betas), NUM_BETAS)
    used[:count] = betas[:count]
    return load_smplx(gender, smplx).rest_joints(used)


def read_betas(path: Path) -> tuple[Tensor, Gender]:
    """The betas of a file and the model that they belong to.

    Raises:
        BodyError: the file has none, or numbers that are none.
    """
    if path.is_dir():
        frames = sorted(path.glob("*.json"))
        if not frames:
            raise BodyError(f"{path.name} holds no .json frames, so there are no betas in it.")
        path = frames[0]
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        content = _from_archive(path) if zipped else _from_json(path)
        betas = torch.from_numpy(np.asarray(content["betas"], np.float32).reshape(-1))
    except KeyError as error:
        raise BodyError(f"{path.name} has no betas; give a file that has, or leave --betas out.") from error
    except _DAMAGE as error:
        raise BodyError(f"{path.name} cannot be read: give an .npz or .json file with betas.") from error
    if not 0 < len(betas) <= 400 or not betas.isfinite().all():
        raise BodyError(f"{path.name} has betas that are no SMPL-X shape: give 10 numbers.")
    gender = _word(content.get("gender", "neutral")).lower()
    return betas, next((known for known in get_args(Gender) if known == gender), "neutral")


def _word(written: Any) -> str:
    """A word as motion files write it: as it is, as bytes, or in a list of one."""
    first = np.asarray(written).reshape(-1)[:1].tolist()
    return "".join(word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in first)


def _from_archive(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in ("betas", "gender") if name in archive.files}


def _from_json(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_text())
    if isinstance(content, list) and content:
        content = content[0]
    if not isinstance(content, dict):
        raise ValueError("no frame")
    return content
