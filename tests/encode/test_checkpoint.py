"""Checkpoints: the published format, our own, and everything that is neither."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from filled import published_table
from small import small_network, small_template, small_views

from nopo.encode import ModelConfig, Network, load_network, published, save_network
from nopo.encode.checkpoint import convert, read_metadata
from nopo.errors import CheckpointError, ExportError


def published_state(template_size: int = 256) -> dict[str, torch.Tensor]:
    """A whole published state dict in a few kilobytes: every tensor is one number, expanded to its shape."""
    keys = [key for key, *_ in published_table(template_size)]
    state = {
        key: torch.tensor(float(i)).expand(shape) for i, (key, shape, *_) in enumerate(published_table(template_size))
    }
    state["smplx_model.v_template"] = torch.zeros(4, 3)
    state["losses.lpips.weight"] = torch.zeros(2)
    assert len(keys) == 1154
    return state


def write(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"state_dict": state, "epoch": 3, "global_step": 50000, "callbacks": {}, "loops": {}}, path)
    return path


@pytest.mark.parametrize("template_size", [256, 1024])
def test_every_published_key_is_read_or_left_out_for_a_reason(template_size):
    with torch.device("meta"):
        ours = Network(ModelConfig.vitl(template_size)).state_dict()
    read, unused = {}, 0
    for key, shape, kind, alias in published_table(template_size):
        if published.why_unused(key):
            unused += 1
            assert kind != "param" or alias == "-"
            continue
        assert kind == "param", key
        name = published.our_name(key)
        read[name] = published.fit(name, torch.empty(shape, device="meta"), tuple(ours[name].shape)).shape
    assert read == {name: tensor.shape for name, tensor in ours.items()}
    assert len(read) + unused == 1154


@pytest.mark.slow
def test_published_checkpoint_loads(tmp_path, caplog):
    path = write(tmp_path / "thuman.ckpt", published_state(1024))
    with caplog.at_level(logging.INFO):
        network = load_network(path)
    assert network.config == ModelConfig.vitl(1024)
    assert not network.training
    numbers = {key: float(i) for i, (key, *_) in enumerate(published_table(1024))}
    for key, parameter in (
        ("encoder.backbone.dec_blocks2.3.cross_attn.projk.weight", network.backbone.image_decoder[3].cross.k.weight),
        ("encoder.downstream_head2.dpt.scratch.layer2_rn.weight", network.image_heads.points_trunk.levels[1].weight),
        ("encoder.gaussian_param_head_template.dpt.head.4.bias", network.template_heads.gaussians.out.bias),
    ):
        assert bool((parameter == numbers[key]).all())
    assert network.template_heads.gaussians.out.bias.shape == (152,)
    assert "licensed body model" in caplog.text


def test_bad_published_checkpoints_are_one_sentence(tmp_path):
    good = published_state()

    def fails(name: str, state: dict[str, torch.Tensor], message: str) -> None:
        with pytest.raises(CheckpointError, match=message) as caught:
            load_network(write(tmp_path / name, state))
        assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)

    key = "encoder.backbone.enc_blocks.0.attn.qkv.weight"
    fails("shape.ckpt", good | {key: torch.zeros(5, 7)}, key.replace(".", r"\.") + r" has shape \(5, 7\)")
    fails("unknown.ckpt", good | {"encoder.backbone.extra.weight": torch.zeros(2)}, "unknown.*extra")
    fails("missing.ckpt", {k: v for k, v in good.items() if k != key}, r"without backbone\.encoder\.0\.attention")
    fails("noposplat.ckpt", {"encoder.backbone.patch_embed.proj.weight": torch.zeros(2)}, "not a NoPo-Avatar")
    fails("tokens.ckpt", {"encoder.backbone.template_embed": torch.zeros(200, 1024)}, "multiple of 16")
    fails("empty.ckpt", {"encoder.backbone.template_embed": torch.zeros(0, 1024)}, "its 0 template tokens")
    fails("scalar.ckpt", {"encoder.backbone.template_embed": torch.tensor(3.0)}, "no template embedding")
    fails("words.ckpt", good | {"encoder.backbone.enc_norm.weight": "hello"}, "holds more than named weights")
    fails("numbers.ckpt", good | {3: torch.zeros(2)}, "holds more than named weights")
    torch.save({"encoder": torch.zeros(3)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="state_dict"):
        load_network(tmp_path / "other.ckpt")


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint gone.ckpt"):
        load_network(tmp_path / "gone.ckpt")
    save_network(small_network("open"), tmp_path / "a.safetensors")
    for file in (write(tmp_path / "a.ckpt", published_state()), tmp_path / "a.safetensors"):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) * 9 // 10])
        with pytest.raises(CheckpointError, match="truncated"):
            load_network(file)
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_network(tmp_path / "text.ckpt")


class Trap:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_never_run(tmp_path, zipped):
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError):
        load_network(tmp_path / "a.ckpt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("preset", ["vitl", "open"])
def test_our_own_file_keeps_every_output(tmp_path, preset):
    network = small_network(preset)
    save_network(network, tmp_path / "a.safetensors", torch.float32, {"views": 12})
    convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert read_metadata(tmp_path / "a.safetensors") == {"views": 12}
    for name in ("a", "b"):
        loaded = load_network(tmp_path / f"{name}.safetensors")
        assert loaded.config == network.config and not loaded.training
        inputs = (*small_views(2), small_template())
        a, b = network(*inputs), loaded(*inputs)
        for field in ("means", "covars", "opacities", "sh", "bone_logits"):
            assert torch.equal(getattr(a.image, field), getattr(b.image, field))
            assert torch.equal(getattr(a.template, field), getattr(b.template, field))


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.safetensors"
    path.write_text("older")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # as a full disk
    try:
        with pytest.raises(ExportError, match="^a.safetensors cannot be written"):
            save_network(small_network("open"), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_text() == "older" and list(tmp_path.iterdir()) == [path]


def test_half_precision_file_loads_as_float32(tmp_path):
    network = small_network("open")
    save_network(network, tmp_path / "half.safetensors")
    save_network(network, tmp_path / "full.safetensors", torch.float32)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    loaded = load_network(tmp_path / "half.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_our_own_file_from_another_version(tmp_path):
    import json

    from safetensors.torch import load_file, save_file

    save_network(small_network("open"), tmp_path / "a.safetensors")
    state, config = load_file(tmp_path / "a.safetensors"), small_network("open").config.to_dict()

    def fails(format: str, config: object, message: str) -> None:
        about = {"format": format, "config": config, "metadata": {}}
        save_file(state, tmp_path / "b.safetensors", metadata={"nopo": json.dumps(about)})
        with pytest.raises(CheckpointError, match=message):
            load_network(tmp_path / "b.safetensors")

    fails("nopo-network/1", config | {"wings": 2}, "wings")
    fails("nopo-network/1", config | {"template_size": 40}, "multiple of 16")
    fails("nopo-network/1", config | {"shape_components": 5}, r"is \(4,.*not \(5,")
    fails("nopo-avatar/1", config, "not a network")
    for settings in (None, [], {"name": "open"}, config | {"template_size": "large"}):
        fails("nopo-network/1", settings, "settings inside b.safetensors are not those of a network")
