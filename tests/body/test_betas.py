import json

import numpy as np
import pytest

from nopo.body.betas import read_betas


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
