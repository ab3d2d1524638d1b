"""The page offers the published models that are on this machine, and treats photos as each of them wants."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from synthetic_smplx import write_smplx

from nopo.avatar import Avatar
from nopo.demo.handlers import READY, Handlers
from nopo.demo.page import build
from nopo.encode import ModelConfig, Network, save_network
from nopo.models import MODELS
from nopo.pipeline import Pipeline

PUBLISHED = MODELS[4]


def quiet(done: object, desc: str) -> None:
    """Gradio's progress, for nobody."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has one published model (of small width) and SMPL-X."""
    pytest.importorskip("smplx")
    torch.manual_seed(0)
    config = replace(
        ModelConfig.vitl(64), encoder_width=64, encoder_layers=2, decoder_width=64, decoder_layers=3,
        hooks=(0, 1, 2, 3), dpt_levels=(8, 8, 16, 16), dpt_trunk=16, merge_width=16, points_hidden=8,
    )  # fmt: skip
    save_network(Network(config), tmp_path / PUBLISHED.files[0], torch.float32)
    monkeypatch.setenv("NOPO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("NOPO_SMPLX", str(write_smplx(tmp_path)))
    return tmp_path


def test_a_published_model_is_chosen_and_used(machine: Path, model: str, cutout_photo: Path) -> None:
    handlers = Handlers(Pipeline.load(model, "cpu"))
    amy, bob = SimpleNamespace(session_hash="amy"), SimpleNamespace(session_hash="bob")
    photos = [(str(cutout_photo), None)] * 2
    assert [card.name for card in handlers.shelf.cards()] == ["open", PUBLISHED.name]
    handlers.mattes(photos, "auto", amy, quiet)
    told = handlers.choose(PUBLISHED.name, amy)
    assert "one photo of 896 × 640" in told and "non-commercial" in told
    with pytest.raises(gr.Error, match="wait for its cut-out"):
        handlers.reconstruct(256, amy, quiet)
    cutouts, status = handlers.mattes(photos, "auto", amy, quiet)
    assert len(cutouts) == 1 and status == f"{READY} This model was trained for one photo."
    views = handlers.visits.of("amy").views
    assert views is not None and views.images.shape == (1, 3, 896, 640)
    assert Avatar.load(handlers.reconstruct(256, amy, quiet)[2]).model == PUBLISHED.name

    assert len(handlers.mattes(photos, "auto", bob, quiet)[0]) == 2, "another visitor keeps the page's own"
    for absent in (MODELS[1].name, "../../etc/passwd"):
        with pytest.raises(gr.Error, match="Choose one of the models open, "):
            handlers.choose(absent, amy)
    (machine / "SMPLX_MALE.npz").unlink()
    fresh = Handlers(handlers.pipeline)
    fresh.choose(PUBLISHED.name, amy)
    cutouts, status = fresh.mattes(photos, "auto", amy, quiet)
    assert cutouts == [] and "There is no SMPLX_MALE.npz" in status
    handlers.visits.end_all()
    fresh.visits.end_all()


def test_the_choice_is_shown_only_when_there_is_one(machine: Path, model: str) -> None:
    def shown() -> bool:
        page = build(Pipeline.load(model, "cpu"))
        return next(block.visible for block in page.blocks.values() if getattr(block, "elem_id", "") == "model")

    assert shown() is True
    (machine / PUBLISHED.files[0]).unlink()
    assert shown() is False
