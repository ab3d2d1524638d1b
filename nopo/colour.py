"""Colours as people, programs and colour pickers write them."""

from __future__ import annotations

import re

from PIL import ImageColor

from nopo.errors import RenderError

_RGBA = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*(?:,[^)]*)?\)")
"""With fractions, as colour pickers write it and Pillow does not read it; opacity is left out."""


def parse_colour(text: str) -> tuple[float, float, float]:
    """The sRGB values in [0, 1] of "white", "#a0b0c0" or "rgba(10, 20.5, 30, 1)".

    Raises:
        RenderError: it is no colour.
    """
    try:
        found = _RGBA.fullmatch(text.strip())
        red, green, blue = map(float, found.groups()) if found else ImageColor.getrgb(text.strip())[:3]
    except ValueError as error:
        raise RenderError(
            f"{text[:40]!r} is not a colour; write a name such as white, or one such as #ffffff."
        ) from error
    return min(red / 255, 1.0), min(green / 255, 1.0), min(blue / 255, 1.0)
