"""A contact sheet: rows of pictures, each with its title, on one page."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (250, 249, 247)
INK = (60, 58, 55)
GAP_PX = 16
TITLE_PX = 30


def contact_sheet(rows: Sequence[tuple[str, Sequence[np.ndarray | None]]], cell_px: int = 320) -> Image.Image:
    """Lay out pictures.

    Args:
        rows: title and pictures of each row; a picture is (H, W, 3) or (H, W, 4) uint8 of any size, its transparency is
            shown as a checkerboard. None leaves its place empty; a row without pictures is as high as its title.
        cell_px: side of the square that each picture is fitted into.
    """
    columns = max([1, *(len(pictures) for _, pictures in rows)])
    width = GAP_PX + columns * (cell_px + GAP_PX)
    heights = [TITLE_PX + GAP_PX + (cell_px if pictures else 0) for _, pictures in rows]
    height = GAP_PX + sum(heights)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    top = GAP_PX
    for (title, pictures), row_px in zip(rows, heights, strict=True):
        draw.text((GAP_PX, top), _shortened(title, font, width - 2 * GAP_PX), INK, font)
        for column, picture in enumerate(pictures):
            if picture is None:
                continue
            fitted = _fitted(picture, cell_px)
            left = GAP_PX + column * (cell_px + GAP_PX)
            corner = (left + (cell_px - fitted.width) // 2, top + TITLE_PX + (cell_px - fitted.height) // 2)
            sheet.paste(fitted, corner)
        top += row_px
    return sheet


def on_checkerboard(cutout: np.ndarray) -> np.ndarray:
    """A picture (H, W, 4) uint8 over grey squares: (H, W, 3) uint8."""
    height, width = cutout.shape[:2]
    square = max(4, max(height, width) // 40)
    rows, columns = np.indices((height, width)) // square
    board = np.where((rows + columns) % 2 == 0, 236, 204)[..., None]  # [H, W, 1]
    alpha = cutout[..., 3:].astype(np.float32) / 255
    return (cutout[..., :3] * alpha + board * (1 - alpha)).round().astype(np.uint8)


def _shortened(title: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> str:
    """As much of a title as there is room for."""
    if font.getlength(title) <= width_px:
        return title
    fitting = bisect_right(range(len(title)), width_px, key=lambda letters: ceil(font.getlength(title[:letters] + "…")))
    return title[: fitting - 1] + "…"


def _fitted(picture: np.ndarray, side: int) -> Image.Image:
    rgb = on_checkerboard(picture) if picture.shape[2] == 4 else picture
    image = Image.fromarray(rgb)
    scale = side / max(image.size)
    sides = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(sides, Image.Resampling.LANCZOS)
