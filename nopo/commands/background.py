"""Backgrounds as people write them."""

from __future__ import annotations

from nopo.colour import parse_colour


def parse_background(text: str) -> tuple[float, float, float] | None:
    """Three sRGB values in [0, 1] of a colour; None for "transparent".

    Raises:
        RenderError: it is neither.
    """
    return None if text.lower() == "transparent" else parse_colour(text)
