"""The page offers the published models that are on this machine, and treats photos as each of them wants."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from synthetic_smplx import write_smplx

from nopo.avatar import Avatar
from nopo.demo.film import PAPER
from nopo.demo.handlers import Handlers
from nopo.demo.page import build
from nopo.demo.work import open_shop
from nopo.encode import ModelConfig, Network, save_network
from nopo.models import MODELS
from nopo.pipeline import Pipeline

PUBLISHED = MODELS[4]


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
    handlers = Handlers(open_shop(Pipeline.load(model, "cpu")))
    amy, bob = SimpleNamespace(session_hash="amy"), SimpleNamespace(session_hash="bob")
    photos = [(str(cutout_photo), None)]
    film = (256, 15, 1.0, PAPER, "whole", 5.0)
    assert [card.name for card in handlers.shelf.cards()] == ["open", PUBLISHED.name]
    *_, (cutouts, _, _) = handlers.take(photos, "auto", amy)
    told, status, faces = handlers.choose(PUBLISHED.name, amy)
    assert faces["visible"] is False
    assert "one photo of 896 × 640" in told and "non-commercial" in told and len(cutouts) == 1
    *_, (_, _, _, _, avatar, *_) = handlers.reconstruct(amy, *film)
    assert Avatar.load(avatar).model == PUBLISHED.name
    *_, (_, status, _) = handlers.take(photos * 2, "auto", amy)
    assert "This model was trained for 1 photo." in status

    *_, (_, status, _) = handlers.take(photos * 2, "auto", bob)
    assert "trained" not in status, "another visitor keeps the page's own"
    for absent in (MODELS[1].name, "../../etc/passwd"):
        with pytest.raises(gr.Error, match="Choose one of the models open, "):
            handlers.choose(absent, amy)
    (machine / "SMPLX_MALE.npz").unlink()
    fresh = Handlers(open_shop(handlers.shelf.first))
    list(fresh.take(photos, "auto", amy))
    fresh.choose(PUBLISHED.name, amy)
    *_, (told, *_) = fresh.reconstruct(amy, *film)
    assert "There is no SMPLX_MALE.npz" in told
    handlers.visits.end_all()
    fresh.visits.end_all()


def test_the_page_offers_what_is_there(machine: Path, model: str) -> None:
    def offered() -> list[str]:
        page = build(Pipeline.load(model, "cpu"))
        radio = next(block for block in page.blocks.values() if getattr(block, "elem_id", "") == "model")
        return [name for name, _ in radio.choices]

    assert offered() == ["open", PUBLISHED.name]
    (machine / PUBLISHED.files[0]).unlink()
    assert offered() == ["open"]
