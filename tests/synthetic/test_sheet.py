from PIL import Image

from nopo.synthetic.examples import CAST
from nopo.synthetic.sheet import write_sheet


def test_sheet_shows_people_beside_their_truth(tmp_path):
    path = tmp_path / "sheet.png"
    write_sheet(path, seed=7, count=3, size=64)
    with Image.open(path) as picture:
        assert picture.size == (3 * 2 * 64, 64)
        assert len(picture.getcolors(1 << 16) or range(1 << 16)) > 200


def test_examples_are_four_people_or_more_in_different_poses():
    assert len(CAST) >= 4
    for cast in CAST:
        kinds = [kind for kind, _ in cast.photos]
        assert 2 <= len(kinds) <= 4 and len(set(kinds)) == len(kinds)
