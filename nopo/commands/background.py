"""Backgrounds as people write them."""

from __future__ import annotations

from PIL import ImageColor

from nopo.errors import RenderError

TRANSPARENT = "transparent"


def parse_background(text: str) -> tuple[float, float, float] | None:
    """A colour such as "white", "#a0b0c0" or "rgb(10, 20, 30)": three sRGB values in [0, 1]; None for "transparent".

    Raises:
        RenderError: it is neither.
    """
    if text.lower() == TRANSPARENT:
        return None
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise RenderError(f"{text!r} is not a colour; write a name such as white, #rrggbb, or transparent.") from error
    return red / 255, green / 255, blue / 255
