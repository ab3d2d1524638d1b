from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from nopo.avatar import Avatar
from nopo.demo.handlers import READY, Handlers
from nopo.pipeline import Pipeline


def quiet(done: object, desc: str) -> None:
    """Gradio's progress, for nobody."""


@pytest.fixture(scope="module")
def handlers(model: str) -> Iterator[Handlers]:
    handlers = Handlers(Pipeline.load(model, "cpu"))
    yield handlers
    handlers.visits.end_all()


def request(session: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=session)


def test_the_whole_way_for_one_visitor_and_nothing_for_another(handlers: Handlers, cutout_photo: Path) -> None:
    amy, bob = request("amy"), request("bob")
    cutouts, status = handlers.mattes([(str(cutout_photo), None)], "auto", amy, quiet)
    assert status == READY and cutouts[0].shape == (320, 240, 4)
    assert [state["interactive"] for state in handlers.states(amy)[:2]] == [True, False]

    video, same, avatar = handlers.reconstruct(256, amy, quiet)
    assert video == same and Path(video).stat().st_size > 1000
    assert len(Avatar.load(avatar).gaussians) > 1000
    moving, _ = handlers.animate("wave", 256, amy, quiet)
    assert Path(moving).name == "wave.mp4" and Path(moving).parent == Path(avatar).parent
    states = handlers.states(amy)
    assert [state.get("visible") for state in states[2:5]] == [False, True, True]

    with pytest.raises(gr.Error, match="Add a photo first"):
        handlers.reconstruct(256, bob, quiet)
    with pytest.raises(gr.Error, match="Make an avatar first."):
        handlers.animate("wave", 256, bob, quiet)
    handlers.leave(amy)
    assert not Path(avatar).exists()


def test_bad_photos_are_explained_and_forbid_the_next_step(
    handlers: Handlers, cutout_photo: Path, tmp_path: Path
) -> None:
    eve = request("eve")
    letter = tmp_path / "letter.jpg"
    letter.write_text("dear reader")
    handlers.mattes([(str(cutout_photo), None)], "auto", eve, quiet)
    for photos, words in (([letter], "letter.jpg is not an image"), ([cutout_photo] * 9, "not 9")):
        cutouts, status = handlers.mattes([(str(path), None) for path in photos], "auto", eve, quiet)
        assert cutouts == [] and words in status
        assert handlers.states(eve)[0]["interactive"] is False
    assert handlers.mattes(None, "auto", eve, quiet) == ([], "")


def test_what_the_page_does_not_offer_is_refused(handlers: Handlers, cutout_photo: Path) -> None:
    mallory = request("mallory")
    handlers.mattes([(str(cutout_photo), None)], "auto", mallory, quiet)
    with pytest.raises(gr.Error, match="Choose a size"):
        handlers.reconstruct(100_000, mallory, quiet)
    with pytest.raises(gr.Error, match="There is no motion of that name"):
        handlers.animate("/etc/passwd", 256, mallory, quiet)


def test_stop_ends_the_work_and_keeps_what_was_there(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("stopping")
    handlers.mattes([(str(cutout_photo), None)], "auto", amy, quiet)

    def stop_while_drawing(done: object, desc: str) -> None:
        if desc == "Drawing":
            handlers.stop(amy)

    results = handlers.reconstruct(256, amy, stop_while_drawing)
    assert len(results) == 3 and all(result == gr.skip() for result in results)
    visit = handlers.visits.of("stopping")
    assert list(visit.folder.iterdir()) == []
    assert handlers.states(amy)[0]["interactive"] is True
