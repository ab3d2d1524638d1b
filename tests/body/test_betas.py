import json

import numpy as np
import pytest

from nopo.body.betas import read_betas
from nopo.errors import BodyError


@pytest.mark.parametrize(
    "written", [np.array("female"), np.array(b"female"), np.array(["female"]), np.array([b"FEMALE"])]
)
def test_the_gender_is_read_however_a_motion_file_writes_it(tmp_path, written):
    np.savez(tmp_path / "walk.npz", betas=np.ones(16), gender=written)
    betas, gender = read_betas(tmp_path / "walk.npz")
    assert gender == "female" and betas.tolist() == [1.0] * 16


@pytest.mark.parametrize("written", ["unknown", "", 3, []])
def test_a_gender_that_smplx_does_not_know_is_neutral(tmp_path, written):
    (tmp_path / "frame.json").write_text(json.dumps({"betas": [[0.5] * 10], "gender": written}))
    assert read_betas(tmp_path / "frame.json")[1] == "neutral"


def test_whatever_is_wrong_with_a_file_of_betas_is_one_sentence(tmp_path):
    np.savez_compressed(tmp_path / "walk.npz", betas=np.arange(100.0))
    data = bytearray((tmp_path / "walk.npz").read_bytes())
    data[80:86] = b"\xff" * 6
    (tmp_path / "walk.npz").write_bytes(data)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name in ("walk.npz", "deep.json"):
        with pytest.raises(BodyError, match=f"^{name} cannot be read: give an .npz or .json file with betas.$"):
            read_betas(tmp_path / name)
