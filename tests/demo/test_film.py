import pytest

from nopo.demo.film import PAPER, film_of, parse_colour
from nopo.demo.page import PREVIEWS
from nopo.errors import NopoError
from nopo.motions import names


def test_colours_are_read_as_pickers_and_programs_write_them() -> None:
    assert parse_colour("#ff0080") == pytest.approx((1, 0, 128 / 255))
    assert parse_colour("rgba(255, 0, 128.0, 1)") == pytest.approx((1, 0, 128 / 255))
    assert parse_colour(PAPER)[0] > 0.9
    for bad in ("red", "#fff", "rgba(1)", "url(x)"):
        with pytest.raises(NopoError, match="#rrggbb"):
            parse_colour(bad)


def test_settings_that_are_not_offered_are_explained() -> None:
    assert film_of(256, 15, 2.0).turn_frames == 30
    for wish, words in (
        ({"size": 100}, "Choose a size"),
        ({"fps": 29.97}, "frames a second"),
        ({"framing": "feet"}, "Choose a framing"),
        ({"turn_seconds": 1e6}, "1 to 12 seconds"),
        ({"elevation_deg": float("nan")}, "-60 to 60"),
    ):
        with pytest.raises(NopoError, match=words):
            film_of(**wish)


def test_every_motion_has_its_small_picture() -> None:
    files = {path.stem: path.stat().st_size for path in PREVIEWS.glob("*.webp")}
    assert set(files) == set(names()), "run tools/make_previews.py"
    assert sum(files.values()) < 1_500_000
