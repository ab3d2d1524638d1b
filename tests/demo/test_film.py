import pytest

from nopo.demo.film import film_of
from nopo.demo.page import PREVIEWS
from nopo.errors import NopoError
from nopo.motions import names


def test_settings_that_are_not_offered_are_explained() -> None:
    assert film_of(256, 15, 2.0).turn_frames == 30
    for wish, words in (
        ({"size": 100}, "Choose a size"),
        ({"fps": 29.97}, "frames a second"),
        ({"framing": "feet"}, "Choose a framing"),
        ({"turn_seconds": 1e6}, "1 to 12 seconds"),
        ({"elevation_deg": float("nan")}, "-60 to 60"),
        ({"background": "url(x)"}, "is not a colour"),
    ):
        with pytest.raises(NopoError, match=words):
            film_of(**wish)


def test_every_motion_has_its_small_picture() -> None:
    files = {path.stem: path.stat().st_size for path in PREVIEWS.glob("*.webp")}
    assert set(files) == set(names()), "run tools/make_previews.py"
    assert sum(files.values()) < 1_500_000
