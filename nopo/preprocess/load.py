"""Decode any photo into 8-bit sRGB, upright, with its transparency kept apart."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from nopo.errors import DependencyError, PhotoError

LOGGER = logging.getLogger(__name__)

Source: TypeAlias = str | Path | Image.Image | np.ndarray
"""A photo as users have it: a path, a PIL image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4)."""

MAX_MEGAPIXELS = 100
MAX_SIDE_PX = 2048
"""Photos are shrunk to this: four times what the largest network looks at, and cheap to matte."""

MIN_SIDE_PX = 32
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, RuntimeError, struct.error)
"""What Pillow's readers raise, each for another kind of damage."""

_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of an EXIF orientation is turned upright. (Pillow's `exif_transpose` also writes the EXIF anew.)"""


@dataclass(frozen=True, eq=False)
class Photo:
    """One decoded photo.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright.
        alpha: (H, W) float32 in [0, 1], or None where the file has no transparency, or the same one everywhere.
        name: how to call it in a message: its file name, or "photo 2".
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    name: str


def load_photo(source: Source, name: str | None = None) -> Photo:
    """Decode one photo.

    Args:
        source: path, PIL image or uint8 array.
        name: what messages call it; the file's name if None.

    Raises:
        PhotoError: it is missing, not an image, truncated, too large or too small.
        DependencyError: it is HEIC and its reader is not installed.
    """
    if name is None:
        name = Path(source).name or str(source) if isinstance(source, str | Path) else "the photo"
    if isinstance(source, np.ndarray):
        image = _from_array(source, name)
    else:
        image = source if isinstance(source, Image.Image) else _open(Path(source), name)
    _check_size(image, name)
    try:
        image.load()
    except _DAMAGED as error:
        raise PhotoError(f"{name} is damaged or was cut short; save or download it again.") from error
    image = _upright(image)
    alpha, rgb = _alpha(image), _to_srgb(image)
    for channels in (alpha, rgb):
        if channels is not None:
            channels.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Photo(np.asarray(rgb), None if alpha is None else np.asarray(alpha, np.float32) / 255, name)


def _open(path: Path, name: str) -> Image.Image:
    try:
        if path.is_dir():
            raise PhotoError(f"{name} is a folder; give the photos in it.")
        if not path.is_file():
            raise PhotoError(f"There is no photo {name}; check the path.")
        if _is_heic(path):
            _register_heic(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is the stricter one
            warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF
            image = Image.open(path)
            if image.width * image.height <= MAX_MEGAPIXELS * 1_000_000:
                image.draft(image.mode, (MAX_SIDE_PX, MAX_SIDE_PX))  # large JPEGs decode at a half or a quarter
            return image
    except Image.DecompressionBombError as error:
        raise PhotoError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise PhotoError(f"{name} is not an image; give JPEG, PNG, WebP or HEIC photos.") from error
    except PermissionError as error:
        raise PhotoError(f"{name} may not be read; give yourself the permission to, or copy it.") from error
    except _DAMAGED as error:
        raise PhotoError(f"{name} is damaged or was cut short; save or download it again.") from error


def _is_heic(path: Path) -> bool:
    """By its name or, as phones and messengers rename photos, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(64)
    return path.suffix.lower() in HEIC_SUFFIXES or (start[4:8] == b"ftyp" and (b"heic" in start or b"heix" in start))


def _register_heic(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise DependencyError(
            f"{name} is a HEIC photo: save it as JPEG, or run `pip install pillow-heif` where nopo runs."
        ) from error
    register_heif_opener()


def _too_large(name: str) -> str:
    return f"{name} is too large: at most {MAX_MEGAPIXELS} megapixels, please; make it smaller first."


def _check_size(image: Image.Image, name: str) -> None:
    """Before any pixel is decoded."""
    if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
        raise PhotoError(_too_large(name))
    if min(image.size) < MIN_SIDE_PX:
        raise PhotoError(f"{name} has only {image.width}×{image.height} pixels; give a larger photo.")


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise PhotoError(
            f"{name} must be a uint8 array (H, W), (H, W, 3) or (H, W, 4), not {array.dtype} {array.shape}."
        )
    return Image.fromarray(array)


def _upright(image: Image.Image) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            turn = _TURNED.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _DAMAGED as error:
        LOGGER.info("orientation ignored: %s", error)
        return image
    return image if turn is None else image.transpose(turn)


def _alpha(image: Image.Image) -> Image.Image | None:
    """Transparency as an "L" image, or None when there is none or it says nothing (the same everywhere)."""
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    low, high = alpha.getextrema()
    return None if low == high else alpha


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any mode and bit depth to 8-bit sRGB, through the embedded colour profile where there is a usable one."""
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image).convert("RGB")
    if image.mode not in ("L", "RGB", "CMYK"):  # the modes that profiles are made for
        image = image.convert("RGBA").convert("RGB")
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return image.convert("RGB") if converted is None else converted
        except (ImageCms.PyCMSError, OSError) as error:
            LOGGER.info("colour profile ignored: %s", error)
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys; their range is guessed from the brightest pixel."""
    grey = np.nan_to_num(np.asarray(image, np.float32))
    top = float(grey.max())
    if image.mode.startswith("I;16"):
        top = 65535.0
    limits = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    scale = next((limit for limit in limits if top <= limit), top)
    return Image.fromarray(np.clip(grey * (255 / scale), 0, 255).round().astype(np.uint8))
