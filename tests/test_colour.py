import pytest

from nopo.colour import parse_colour
from nopo.demo.film import PAPER
from nopo.errors import RenderError


def test_colours_are_read_as_people_pickers_and_programs_write_them() -> None:
    for text in ("#ff0080", " #FF0080 ", "rgba(255, 0, 128.0, 1)", "rgb(255,0,128)", "rgba(300, 0, 128, 0.5)"):
        assert parse_colour(text) == pytest.approx((1, 0, 128 / 255))
    assert parse_colour("white") == parse_colour("#fff") == (1, 1, 1)
    assert parse_colour(PAPER)[0] > 0.9


@pytest.mark.parametrize("bad", ["", "nocolour", "#ff", "rgba(1)", "rgb(1.2.3, 0, 0)", "url(x)", "x" * 1000])
def test_what_is_no_colour_is_told_in_one_sentence(bad: str) -> None:
    with pytest.raises(RenderError, match="is not a colour; write a name such as white") as told:
        parse_colour(bad)
    assert len(str(told.value)) < 150
