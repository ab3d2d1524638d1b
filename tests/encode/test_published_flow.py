"""From a file as the original's authors publish them to a picture, at full width, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import parity_rules
import pytest
import torch
from filled import published_table
from PIL import Image
from synthetic_smplx import write_smplx

from nopo.avatar import Avatar

ROOT = Path(__file__).parents[2]
PEAK_MIB = 4.0 * 1024
"""2.4 GiB of weights, mapped, and the work on one photo."""


def write_published(path: Path) -> None:
    """A Lightning file with every published key, filled by the deterministic rule; 2.5 GB."""
    state: dict[str, torch.Tensor] = {}
    aliases = {}
    for key, shape, kind, alias in published_table(256):
        if alias != "-":
            aliases[key] = alias
        elif kind == "param":
            state[key] = torch.from_numpy(parity_rules.fill_param(key, shape))
        else:
            state[key] = torch.full(shape, float(key.endswith("std")))
    state |= {key: state[target] for key, target in aliases.items()}
    number = torch.tensor(0.1)
    moments = {i: {"step": number, "exp_avg": number.expand(p.shape)} for i, p in enumerate(state.values())}
    about = {"epoch": 0, "global_step": 1, "pytorch-lightning_version": "2.5.0", "callbacks": {}, "loops": {}}
    torch.save({**about, "state_dict": state, "optimizer_states": [{"state": moments, "param_groups": []}]}, path)


@pytest.mark.slow
def test_a_published_checkpoint_makes_an_avatar_and_pictures_of_it(cutout_photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("smplx")
    checkpoint, smplx, out = tmp_path / "stage256.ckpt", tmp_path / "smplx", tmp_path / "out"
    smplx.mkdir()
    write_smplx(smplx)
    write_published(checkpoint)
    try:
        command = [sys.executable, "-m", "nopo", "reconstruct", cutout_photo, "-o", out, "--model", checkpoint]
        options = ["--smplx", smplx, "--size", "128", "--frames", "2", "--device", "cpu"]
        run = subprocess.run([*command, *options], cwd=ROOT, env=os.environ, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    finally:
        checkpoint.unlink()
    assert "left out" in run.stderr and "SMPL templates" in run.stderr, "what is dropped is told"
    avatar = Avatar.load(out / "avatar.safetensors")
    with np.load(next(smplx.glob("template_256_*.npz"))) as template:
        texels = int(template["mask"].sum())
    assert texels < len(avatar.gaussians) < texels + 256 * 256
    for tensor in vars(avatar.gaussians).values():
        assert torch.isfinite(tensor).all()
    assert avatar.gaussians.sh.shape[1] == 25
    picture = np.asarray(Image.open(out / "preview.png").convert("RGB"))
    assert picture.std() > 10
    stages = json.loads((out / "timings.json").read_text())["stages"]
    print({name: (round(s["seconds"], 1), round(s["peak_memory_mib"])) for name, s in stages.items()})
    assert stages["encode"]["peak_memory_mib"] < PEAK_MIB
