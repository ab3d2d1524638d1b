from pathlib import Path

import numpy as np
import pytest
import torch

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def golden_lbs():
    """Inputs and outputs of the original network's skeleton and skinning functions, recorded in float32."""
    with np.load(DATA / "golden_lbs.npz") as archive:
        return {name: torch.from_numpy(array) for name, array in archive.items()}
