import subprocess
import sys

import numpy as np
import pytest

from nopo.cli import MATTING
from nopo.errors import MatteError
from nopo.preprocess import matte as matte_module
from nopo.preprocess.frame import person_box
from nopo.preprocess.load import Photo, load_photo
from nopo.preprocess.matte import CHOICES, best_present, largest_person, matte


def cutout(height: int = 120, width: int = 100) -> Photo:
    """A person-sized box in the middle of a transparent photo, and a smaller one in a corner."""
    alpha = np.zeros((height, width), np.float32)
    alpha[30:100, 35:65] = 1
    alpha[:12, :12] = 1
    return Photo(np.full((height, width, 3), 90, np.uint8), alpha, "cutout.png")


def test_transparency_is_the_matte_and_the_largest_person_is_kept() -> None:
    person = matte(cutout())
    assert person_box(person) == (30, 100, 35, 65)
    assert person[5, 5] == 0


def test_a_hand_behind_a_thin_gap_stays_with_its_body() -> None:
    full = np.zeros((400, 400), np.float32)
    full[50:350, 150:250] = 1
    full[180:200, 254:300] = 0.9  # four pixels away
    assert person_box(largest_person(full)) == (50, 350, 150, 300)


def test_the_shipped_network_finds_a_real_person() -> None:
    data = pytest.importorskip("skimage.data")
    person = matte(load_photo(data.astronaut()), "u2netp")
    assert person[100, 225] > 0.9  # the face
    assert person[300, 200] > 0.9  # the suit
    assert person[40, 480] < 0.1 and person[20, 20] < 0.1  # what is behind


def test_a_small_person_is_matted_again_from_close_by(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def predict(rgb: np.ndarray, model: str) -> np.ndarray:
        seen.append(rgb.shape[:2])
        return (rgb[..., 0] > 128).astype(np.float32)

    monkeypatch.setattr(matte_module, "_predict", predict)
    rgb = np.zeros((400, 600, 3), np.uint8)
    rgb[150:250, 280:320] = 255
    assert person_box(matte(Photo(rgb, None, "far.jpg"), "u2netp")) == (150, 250, 280, 320)
    assert seen == [(400, 600), (150, 90)]


def test_people_far_apart_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matte_module, "_predict", lambda rgb, model: (rgb[..., 0] > 128).astype(np.float32))
    rgb = np.zeros((400, 1200, 3), np.uint8)
    rgb[150:250, 100:140] = rgb[155:250, 1000:1040] = 255
    full = matte_module.whole_matte(Photo(rgb, None, "two.jpg"), "u2netp")
    assert matte_module.count_people(full) == 2
    assert person_box(matte_module.only_person(full, "two.jpg")) == (150, 250, 100, 140)


def test_a_file_that_is_no_network_is_one_sentence(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "isnet-general-use.onnx").write_text("<html>please log in</html>")
    with pytest.raises(MatteError, match="^The file of the matting model isnet-general-use is damaged; delete it"):
        matte(Photo(np.zeros((64, 64, 3), np.uint8), None, "me.jpg"), "isnet-general-use")


def test_nobody() -> None:
    grey = load_photo(np.full((300, 300, 3), 128, np.uint8), "wall.jpg")
    with pytest.raises(MatteError, match="^Nobody was found in wall.jpg; give a photo of one person"):
        matte(grey, "u2netp")


def test_a_matte_that_touches_all_borders() -> None:
    alpha = np.ones((100, 100), np.float32)
    alpha[40:60, 40:60] = 0
    with pytest.raises(MatteError, match="^The person fills close.png to every border; leave some background"):
        matte(Photo(np.zeros((100, 100, 3), np.uint8), alpha, "close.png"))


def test_a_tight_crop_of_a_whole_person_is_fine() -> None:
    alpha = np.zeros((100, 100), np.float32)
    alpha[:, 45:55] = 1
    alpha[20:28] = 1  # arms spread, fingertips at both borders
    assert matte(Photo(np.zeros((100, 100, 3), np.uint8), alpha, "t.png")).sum() == alpha.sum()


def test_none_takes_a_plain_background_and_refuses_another() -> None:
    rgb = np.full((200, 160, 3), 250, np.uint8)
    rgb[40:180, 60:100] = (120, 40, 30)
    assert person_box(matte(Photo(rgb, None, "plain.png"), "none")) == (40, 180, 60, 100)
    noise = np.random.default_rng(0).integers(0, 256, (200, 160, 3)).astype(np.uint8)
    with pytest.raises(MatteError, match="no transparency and no plain background"):
        matte(Photo(noise, None, "street.jpg"), "none")


def test_only_open_and_local_networks_can_be_named() -> None:
    assert set(CHOICES) == set(MATTING)
    for name in ("bria-rmbg", "withoutbg", "atlascloud", "u2netp.onnx"):
        with pytest.raises(MatteError, match="There is no matting model"):
            matte(Photo(np.zeros((64, 64, 3), np.uint8), None, "a.png"), name)


def test_a_better_network_is_taken_when_its_file_is_here(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    assert best_present() == "u2netp"
    (tmp_path / "u2net_human_seg.onnx").write_bytes(b"weights")
    assert best_present() == "u2net_human_seg"
    (tmp_path / "birefnet-portrait.onnx").write_bytes(b"weights")
    assert best_present() == "birefnet-portrait"


def test_matting_needs_no_pymatting_and_leaves_rembg_importable() -> None:
    code = (
        "import sys; from nopo.preprocess.matte import _session_class; _session_class('u2netp');"
        "assert 'pymatting' not in sys.modules and 'rembg' not in sys.modules;"
        "import importlib.util; assert importlib.util.find_spec('rembg').origin.endswith('__init__.py')"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
