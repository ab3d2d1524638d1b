"""Tell the person from the background: transparency, or a matting network that runs on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import types
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image

from nopo.errors import DependencyError, MatteError
from nopo.preprocess.frame import PRESENT, person_box
from nopo.preprocess.load import Photo
from nopo.weights import find_file

LOGGER = logging.getLogger(__name__)

SHIPPED = "u2netp"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class MattingModel:
    """One of rembg's networks: where its session class lives, and what it wants to see.

    Attributes:
        module: rembg module with the session class.
        session: name of the class.
        size_px: side of its square input.
        mean_std: normalisation of its input.
        logits: whether its output still needs a sigmoid.
    """

    module: str
    session: str
    size_px: int
    mean_std: tuple[tuple[float, ...], tuple[float, ...]]
    logits: bool = False


# Only networks of open licence that run here: of rembg's others, some send the photo to a company.
MODELS = {
    "birefnet-portrait": MattingModel("birefnet_portrait", "BiRefNetSessionPortrait", 1024, IMAGENET, logits=True),
    "isnet-general-use": MattingModel("dis_general_use", "DisSession", 1024, ((0.5,) * 3, (1.0,) * 3)),
    "u2net_human_seg": MattingModel("u2net_human_seg", "U2netHumanSegSession", 320, IMAGENET),
    SHIPPED: MattingModel("u2netp", "U2netpSession", 320, IMAGENET),
}
CHOICES = ("auto", *MODELS, "none")
"""`auto` takes the first of MODELS whose file is on this machine; the last one always is. `none` asks for a cut-out."""

CLOSE_UP = 0.55
"""A person smaller than this part of the photo's longer side is matted again from close by."""

SIMILAR = 0.3
"""Part of the largest person's area from which on another blob is a person too, not a bag or a hand."""

BORDER_COVERED = 0.25
"""A matte that covers this part of each of the four borders has no background to be told from."""


def matte(photo: Photo, model: str = "auto") -> np.ndarray:
    """How much each pixel belongs to the person: (H, W) float32 in [0, 1], the largest person only.

    Args:
        photo: a decoded photo; its transparency, where it has some, is the matte.
        model: one of `CHOICES`.

    Raises:
        MatteError: unknown model, nobody found, or no background.
        DependencyError: rembg or onnxruntime is not installed.
    """
    return only_person(whole_matte(photo, model), photo.name)


def whole_matte(photo: Photo, model: str = "auto") -> np.ndarray:
    """As `matte`, with everyone who is in the photo."""
    if model not in CHOICES:
        raise MatteError(f"There is no matting model {model!r}; choose one of {', '.join(CHOICES)}.")
    if photo.alpha is not None:
        return photo.alpha
    if model == "none":
        return _plain_background(photo)
    return _predict_twice(photo.rgb, best_present() if model == "auto" else model)


def best_present() -> str:
    """The best matting model whose file is already on this machine."""
    return next(name for name in MODELS if is_present(name))


def is_present(name: str) -> bool:
    """Whether the file of one of `MODELS` is on this machine; the shipped one's always is."""
    return name == SHIPPED or bool(_session_class(name).resolve_existing(f"{name}.onnx"))


def largest_person(full: np.ndarray) -> np.ndarray:
    """The matte (H, W) of the largest connected person; hands cut off by a thin gap stay with their body."""
    from scipy import ndimage

    present = full > PRESENT
    if not present.any():
        return np.zeros_like(full)
    gap = max(2, round(0.01 * max(full.shape)))
    reach = ndimage.binary_dilation(present, iterations=gap)
    labels, count = ndimage.label(reach)
    if count > 1:
        area = np.bincount(labels[present], minlength=count + 1)
        reach = labels == area.argmax()
    return np.where(reach, full, 0).astype(np.float32)


def count_people(full: np.ndarray) -> int:
    """How many people of a similar size stand apart from each other in a matte (H, W); people who touch are one."""
    from scipy import ndimage

    labels, _ = ndimage.label(full > PRESENT)
    area = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    return int((area > SIMILAR * area[0]).sum()) if len(area) else 0


def only_person(full: np.ndarray, name: str) -> np.ndarray:
    """The largest person of a matte (H, W).

    Raises:
        MatteError: there is nobody, or no background.
    """
    person = largest_person(full)
    present = person > PRESENT
    if present.mean() < 0.001:
        raise MatteError(f"Nobody was found in {name}; give a photo of one person against a calm background.")
    if all(border.mean() > BORDER_COVERED for border in (present[0], present[-1], present[:, 0], present[:, -1])):
        raise MatteError(f"The person fills {name} to every border; leave some background around the person.")
    return person


def _plain_background(photo: Photo) -> np.ndarray:
    """The matte of a person who was already cut out and put on one colour."""
    rgb = photo.rgb.astype(np.int16)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])  # [P, 3]
    colour = np.median(border, axis=0)
    if (np.abs(border - colour).max(1) > 24).mean() > 0.5:
        raise MatteError(f"{photo.name} has no transparency and no plain background; choose a matting model.")
    return (np.abs(rgb - colour).max(2) > 24).astype(np.float32)


def _predict_twice(rgb: np.ndarray, model: str) -> np.ndarray:
    """The matte (H, W); a small person is looked at again from close by, where thin limbs are no longer lost."""
    full = _predict(rgb, model)
    person = largest_person(full)
    if not person.any():
        return full
    top, bottom, left, right = person_box(person)
    longer = max(bottom - top, right - left)
    if longer > CLOSE_UP * max(rgb.shape[:2]):
        return full
    reach = round(0.25 * longer)  # the first look may have missed feet and hands
    rows = slice(max(0, top - reach), bottom + reach)
    columns = slice(max(0, left - reach), right + reach)
    close = full.copy()  # whoever else is there stays, to be counted
    close[rows, columns] = _predict(rgb[rows, columns], model)
    return close if (close > PRESENT).any() else full


def _predict(rgb: np.ndarray, model: str) -> np.ndarray:
    """(H, W, 3) uint8 -> (H, W) float32 in [0, 1]."""
    entry, session = MODELS[model], load_session(model)
    mean, std = entry.mean_std
    image = Image.fromarray(rgb)
    inputs = session.normalize(image, mean, std, (entry.size_px, entry.size_px))
    output = session.inner_session.run(None, inputs)[0][0, 0]  # [S, S]
    small = 1 / (1 + np.exp(-output)) if entry.logits else output
    # rembg stretches each picture to [0, 1]; a photo of nobody would then get a matte made of noise.
    if small.max() > PRESENT:
        small = (small - small.min()) / (small.max() - small.min())
    upscaled = Image.fromarray(small.astype(np.float32)).resize(image.size, Image.Resampling.BICUBIC)
    return np.asarray(upscaled).clip(0, 1)


@cache
def load_session(model: str) -> Any:
    """A loaded rembg session, made once in the life of the program."""
    session_class = _session_class(model)
    import onnxruntime

    if model == SHIPPED:
        path = find_file(f"{SHIPPED}.onnx")
        session_class = type("Shipped", (session_class,), {"download_models": classmethod(lambda cls: path)})
    options = onnxruntime.SessionOptions()
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    try:
        return session_class(model, options)
    except OSError as error:  # no network: pooch's errors and requests' are OSErrors
        raise MatteError(f"The matting model {model} could not be downloaded; choose {SHIPPED}.") from error
    except Exception as error:  # of onnxruntime's own types, or pooch's: a file that is not the network
        raise MatteError(
            f"The file of the matting model {model} is damaged; delete it, or choose {SHIPPED}."
        ) from error


@cache
def _session_class(model: str) -> Any:
    """The class of one of rembg's networks, without `import rembg`.

    rembg's own __init__ imports PyMatting, which compiles for minutes at its first import and which only alpha matting
    needs; and it ends the process when onnxruntime is missing. Both are avoided by importing the sessions under an
    empty stand-in for the package.
    """
    spec = find_spec("rembg")
    if spec is None or find_spec("onnxruntime") is None:
        raise DependencyError("Matting needs rembg and onnxruntime: run `pip install 'rembg[cpu]'`.")
    stand_in = types.ModuleType("rembg")
    stand_in.__path__ = list(spec.submodule_search_locations or [])
    already = sys.modules.get("rembg")
    sys.modules["rembg"] = already or stand_in
    try:
        module = importlib.import_module(f"rembg.sessions.{MODELS[model].module}")
    finally:
        if already is None:
            del sys.modules["rembg"]
    return getattr(module, MODELS[model].session)
