"""The vitl preset against values recorded from the original network (float64, synthetic weights)."""

from __future__ import annotations

import numpy as np
import parity_rules
import pytest
import torch
from filled import DATA, filled_vitl
from torch import Tensor

from nopo.body.skeleton import sum_bones_to_joints
from nopo.body.template import Template
from nopo.encode.network import Network

MEAN_TOLERANCE = 2e-5
MAX_FACTOR = 20  # times the original's own float32 noise


class Recorder:
    """Collects intermediate tensors by the golden file's names."""

    def __init__(self, network: Network) -> None:
        self.tensors: dict[str, Tensor] = {}
        backbone = network.backbone
        self._watch(backbone.patches.proj, "tok.patch_embed", lambda y: y.flatten(2).transpose(1, 2))
        for i in (0, 1, 11, 23):
            self._watch(backbone.encoder[i], f"tok.enc_block{i:02d}")
        self._watch(backbone.encoder_norm, "tok.enc_norm")
        self._watch_in_turn(backbone.to_decoder, ("tok.decoder_embed.template", "tok.decoder_embed.views"))
        for i in range(12):
            self._watch(backbone.template_decoder[i], f"tok.dec{i + 1:02d}.template")
            self._watch(backbone.image_decoder[i], f"tok.dec{i + 1:02d}.views")
        self._watch_in_turn(backbone.decoder_norm, ("tok.dec_norm.template", "tok.dec_norm.views"))
        for heads, name in ((network.template_heads, "template"), (network.image_heads, "view1")):
            for trunk, kind in ((heads.points_trunk, "pts"), (heads.gaussian_trunk, "gs")):
                for i in range(4):
                    golden = f"{kind}.template.%s%d" if name == "template" else f"{kind}.%s%d.view1"
                    self._watch(trunk.levels[i], golden % ("layer", i + 1))
                    self._watch(trunk.fusions[i], golden % ("path", i + 1))
            golden = "%s.template.%s" if name == "template" else "%s.%s.view1"
            self._watch(heads.points.out, golden % ("pts", "raw"))
            self._watch(heads.gaussians.out, golden % ("gs", "raw"))
            self._watch(heads.gaussians.merge, golden % ("gs", "input_merger"), torch.relu)

    def _watch(self, module, name, convert=lambda y: y) -> None:
        module.register_forward_hook(lambda _m, _x, y: self.tensors.__setitem__(name, convert(y)))

    def _watch_in_turn(self, module, names) -> None:
        queue = list(names)
        module.register_forward_hook(lambda _m, _x, y: self.tensors.__setitem__(queue.pop(0), y))


def errors(golden, name: str, value: Tensor) -> tuple[float, float]:
    """(mean relative error over the mean limit, maximum over the maximum limit) at the recorded samples."""
    shape, index, expected = golden[f"{name}|shape"], golden[f"{name}|idx"], golden[f"{name}|f64"]
    where = np.unravel_index(index, shape)
    if name.endswith("gs.raw.view1") or name == "gs.template.raw":
        kept = where[1] < value.shape[1]  # the last 28 channels are for SMPL and are not computed here
        where, expected = tuple(axis[kept] for axis in where), expected[kept]
    else:
        assert tuple(value.shape) == tuple(shape), name
    difference = np.abs(value.detach()[where].double().numpy() - expected)
    mean = difference.mean() / max(np.abs(expected).mean(), 1e-30)
    return mean / MEAN_TOLERANCE, difference.max() / (MAX_FACTOR * golden[f"{name}|err32"][0])


def joint_log_weights(bone_logits: Tensor) -> Tensor:
    """The recorded logits: summed bones over their L2 norm, floored, not yet brought back to sum 1."""
    summed = sum_bones_to_joints(bone_logits.softmax(-1))
    return (summed / summed.norm(dim=-1, keepdim=True)).clamp_min(1e-6).log()


def final_tensors(prediction, avatar) -> dict[str, Tensor]:
    """Outputs in the golden file's names and layouts."""
    tensors = {}
    for name in ("template", "image"):
        branch = getattr(prediction, name)
        tensors |= {
            f"gauss.{name}.means": branch.means,
            f"gauss.{name}.covariances": branch.covars,
            f"gauss.{name}.harmonics": branch.sh.transpose(1, 2),
            f"gauss.{name}.opacities": branch.opacities,
            f"gauss.{name}.lbs_weights_bones": branch.bone_logits,
            f"gauss.{name}.lbs_weights": joint_log_weights(branch.bone_logits),
        }
    g = avatar.gaussians
    tensors |= {
        "filtered.means": g.means,
        "filtered.covariances": g.covars,
        "filtered.harmonics": g.sh.transpose(1, 2),
        "filtered.opacities": g.opacities,
    }
    return {name: tensor[None] for name, tensor in tensors.items()}


@pytest.mark.slow
def test_vitl_reproduces_the_original_tensor_by_tensor():
    torch.set_grad_enabled(False)
    try:
        golden = np.load(DATA / "golden_encoder_1view.npz")
        network = filled_vitl(256)
        recorder = Recorder(network)
        images, masks = (torch.from_numpy(x) for x in parity_rules.make_images(1, 256, 256))
        maps = [torch.from_numpy(x) for x in parity_rules.make_template(256, 256)]
        template = Template(positions=maps[0], joint_weights=maps[1], mask=maps[2])
        prediction = network(images, masks, template)
        avatar = prediction.avatar(torch.zeros(55, 3))
    finally:
        torch.set_grad_enabled(True)
    assert len(avatar.gaussians) == golden["filtered|nums"][0]
    tensors = recorder.tensors | final_tensors(prediction, avatar)
    compared = {name: errors(golden, name, tensor) for name, tensor in tensors.items() if f"{name}|f64" in golden}
    assert len(compared) == 88
    for group in ("tok.", "pts.", "gs.", "gauss.", "filtered."):
        inside = {name: e for name, e in compared.items() if name.startswith(group)}
        name = max(inside, key=lambda name: inside[name][0])
        mean, noise = inside[name][0] * MEAN_TOLERANCE, max(e[1] for e in inside.values()) * MAX_FACTOR
        print(f"{group:10s} worst mean {mean:.1e} ({name}), worst maximum {noise:.1f} x noise")
    assert {name: e for name, e in compared.items() if max(e) >= 1} == {}
