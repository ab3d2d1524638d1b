"""`nopo info`: what is installed, what is here, how to get the rest."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from nopo import __version__
from nopo.errors import NopoError
from nopo.models import MODELS, Model
from nopo.weights import HOW_TO_GET, is_present

PACKAGES = ("torch", "numba", "gsplat", "gradio", "rembg", "onnxruntime", "imageio-ffmpeg", "pillow-heif")


def run(args: argparse.Namespace) -> None:
    """Print it."""
    sys.stdout.write("\n".join(_lines()) + "\n")


def _lines() -> Iterator[str]:
    yield f"nopo {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield "packages: " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield f"device:   {_device()}"
    yield f"matting:  {_matting()}"
    yield f"motions:  {_motions()}"
    yield f"SMPL-X:   {_smplx()}"
    yield "models:"
    for model in MODELS:
        yield from _card(model)
    yield "Checkpoints are looked for in weights/, in the folder NOPO_WEIGHTS and in the Hugging Face repository NOPO_HF_REPO."  # noqa: E501
    yield f"The nopo-avatar models are not ours to give: {HOW_TO_GET}."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()}), CUDA {torch.version.cuda}"
    return f"cpu ({torch.get_num_threads()} threads)"


def _matting() -> str:
    from nopo.preprocess.matte import best_present

    try:
        return f"{best_present()} (--matte chooses another, which is then downloaded once)"
    except NopoError as error:
        return str(error)


def _motions() -> str:
    from nopo.motions import names

    return ", ".join(names())


def _smplx() -> str:
    from nopo.body.smplx import REGISTRATION, missing_smplx

    missing = missing_smplx()
    if not missing:
        return "here"
    return (
        f"missing {', '.join(missing)}, which the nopo-avatar models need: register at {REGISTRATION} and put them "
        "into weights/smplx or into the folder that NOPO_SMPLX names"
    )


def _card(model: Model) -> Iterator[str]:
    height, width = model.frame_size
    ground = "white" if model.background else "black"
    yield f"  {model.name}: {_state(model)}"
    yield (
        f"      {model.photos} of {height} x {width} on {ground}; trained on {model.training}; licence: {model.licence}"
    )


def _state(model: Model) -> str:
    if is_present(model):
        return "here"
    repo = os.environ.get("NOPO_HF_REPO")
    return f"not here; {model.file} is taken from {repo} when first used" if repo else f"missing: {model.file}"
