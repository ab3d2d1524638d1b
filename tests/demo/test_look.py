"""Whether everybody can read the page: contrast as WCAG 2 measures it, 4.5 at least (level AA)."""

import re
from itertools import product

import pytest

from nopo.demo import look

PAPERS = ("body_background_fill", "block_background_fill")
READ = [
    *product(("body_text_color", "body_text_color_subdued", "block_info_text_color", "link_text_color"), PAPERS),
    ("block_label_text_color", "block_background_fill"),
    ("block_title_text_color", "block_background_fill"),
    ("input_placeholder_color", "input_background_fill"),
    ("body_text_color", "input_background_fill"),
    ("button_primary_text_color", "button_primary_background_fill"),
    ("button_primary_text_color", "button_primary_background_fill_hover"),
    ("button_secondary_text_color", "button_secondary_background_fill"),
    ("button_secondary_text_color", "button_secondary_background_fill_hover"),
]


def colour(name: str, dark: bool) -> str:
    """A colour of the theme, or one of the style sheet, followed to its #rrggbb."""
    theme = look.theme()
    value = (dark and getattr(theme, f"{name}_dark", None)) or getattr(theme, name)
    if value.startswith("*"):
        return colour(value[1:], dark)
    return {"white": "#ffffff", "black": "#000000"}.get(value, value)


def brightness(rrggbb: str) -> float:
    assert re.fullmatch("#[0-9a-f]{6}", rrggbb), rrggbb
    levels = [int(rrggbb[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("text", "paper"), READ)
def test_everything_can_be_read(text: str, paper: str, dark: bool) -> None:
    low, high = sorted((brightness(colour(text, dark)), brightness(colour(paper, dark))))
    assert (high + 0.05) / (low + 0.05) >= 4.5, (colour(text, dark), colour(paper, dark))
