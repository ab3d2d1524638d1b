"""Colours as people write them."""

from __future__ import annotations

from PIL import ImageColor

from nopo.errors import RenderError


def parse_colour(text: str) -> tuple[float, float, float]:
    """A colour such as "white", "#a0b0c0" or "rgb(10, 20, 30)": three sRGB values in [0, 1].

    Raises:
        RenderError: it is no colour.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise RenderError(f"{text!r} is not a colour; write a name such as white, or #rrggbb.") from error
    return red / 255, green / 255, blue / 255
