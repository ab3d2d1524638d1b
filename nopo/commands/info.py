"""`nopo info`: what is installed, what is here, how to get the rest."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from nopo import __version__
from nopo.errors import NopoError
from nopo.weights import MODELS, Model, is_present

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
    yield "models:"
    for model in MODELS:
        yield f"  {model.name:<20} {_state(model):<42} photos: {model.views:<7} licence: {model.licence}"
    yield "Checkpoints are looked for in weights/, in the folder NOPO_WEIGHTS and in the Hugging Face repository NOPO_HF_REPO."  # noqa: E501


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


def _state(model: Model) -> str:
    if model.coming:
        return "coming; this version cannot run it"
    return "here" if is_present(model) else f"missing: put {model.file} into weights/"
