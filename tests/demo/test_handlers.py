import re
import time
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from nopo.avatar import Avatar
from nopo.demo import shots, work
from nopo.demo.api import Endpoints
from nopo.demo.film import PAPER, Film, film_of
from nopo.demo.handlers import Handlers
from nopo.demo.shots import READY, canvas
from nopo.demo.wire import about_format
from nopo.demo.work import Step, open_shop
from nopo.errors import Cancelled
from nopo.pipeline import Pipeline

FILM = (256, 15, 1.0, PAPER, "whole", 5.0)
KICK = Path(__file__).resolve().parents[2] / "examples" / "motions" / "front_kick.bvh"


@pytest.fixture(scope="module")
def handlers(model: str) -> Iterator[Handlers]:
    handlers = Handlers(open_shop(Pipeline.load(model, "cpu")))
    yield handlers
    handlers.visits.end_all()


def request(session: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=session)


def last(steps: Iterator[Any]) -> Any:
    return list(steps)[-1]


def give(handlers: Handlers, visitor: SimpleNamespace, *photos: Path) -> tuple[Any, ...]:
    return last(handlers.take([(str(photo), None) for photo in photos], "auto", visitor))


def press(handlers: Handlers, visitor: SimpleNamespace, index: int) -> tuple[Any, ...]:
    return handlers.open(SimpleNamespace(index=index), visitor)


@pytest.fixture
def crowd_photo(tmp_path: Path) -> Path:
    """Two people apart."""
    rgba = np.zeros((200, 300, 4), np.uint8)
    rgba[20:180, 30:80] = rgba[30:180, 180:220] = (200, 60, 20, 255)
    path = tmp_path / "crowd.png"
    Image.fromarray(rgba).save(path)
    return path


@pytest.fixture
def empty_photo(tmp_path: Path) -> Path:
    path = tmp_path / "my holiday.png"
    Image.new("RGB", (120, 160), (120, 160, 200)).save(path)
    return path


def test_the_whole_way_for_one_visitor_and_nothing_for_another(handlers: Handlers, cutout_photo: Path) -> None:
    amy, bob = request("amy"), request("bob")
    cutouts, status, panel = give(handlers, amy, cutout_photo)
    assert len(cutouts) == 1 and status == READY and panel["visible"] is False
    assert [state["interactive"] for state in handlers.states(amy)[:5]] == [True] + [False] * 4

    told, video, same, _, avatar, _, file, writing = last(handlers.reconstruct(amy, *FILM))
    assert (file["visible"], writing) == (False, ""), "a file that was made is of the avatar before"
    assert "Making the avatar" in told and told.count(" s</span>") == 3
    assert video == same and Path(video).stat().st_size > 1000
    assert len(Avatar.load(avatar).gaussians) > 1000
    handlers.pick(SimpleNamespace(index=4), amy)
    moving = last(handlers.again(amy, *FILM))[1]
    assert Path(moving).parent == Path(avatar).parent
    assert all(state["interactive"] for state in handlers.states(amy)[:5])

    assert "Add a photo first" in last(handlers.reconstruct(bob, *FILM))[0]
    for made in (handlers.again(bob, *FILM), handlers.turn(bob, *FILM), handlers.write(bob, "ply", "t", 0, True)):
        assert "Make an avatar first." in last(made)[0]
    handlers.leave(amy)
    assert Path(avatar).exists(), "a phone that changes networks comes back"
    handlers.visits.end("amy")
    assert not Path(avatar).exists()


def test_turning_moving_and_files_ask_no_network_again(
    handlers: Handlers, cutout_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = request("again")
    give(handlers, amy, cutout_photo)
    list(handlers.reconstruct(amy, *FILM))
    monkeypatch.setattr(Pipeline, "encode", None)
    blue = (384, 24, 1.0, "rgba(20, 40, 200, 1)", "half", 20.0)
    assert Path(last(handlers.turn(amy, *blue))[1]).is_file()
    handlers.bring(str(KICK), amy)
    assert Path(last(handlers.again(amy, *FILM))[1]).is_file()
    for kind, holds, suffix in (("ply", "pose", ".ply"), ("gif", "motion", ".gif"), ("rigged", "t", ".zip")):
        told, file = last(handlers.write(amy, kind, holds, 0.5, True, *FILM))
        assert file["visible"] and Path(file["value"]).suffix == suffix and Path(file["value"]).is_file(), told
    frames = list(handlers.by_hand(amy))
    assert "<iframe" in frames[-1] and "your motion" in frames[-1]
    assert list(handlers.by_hand(amy)) == [gr.skip()], "it is there already"


def test_a_photo_without_a_person_is_left_out_until_it_is_marked(
    handlers: Handlers, cutout_photo: Path, empty_photo: Path
) -> None:
    eve = request("eve")
    cutouts, status, _ = give(handlers, eve, cutout_photo, empty_photo)
    assert [caption for _, caption in cutouts] == [None, "left out"]
    assert "**Nobody was found in photo 2;" in status and "Press its cut-out to mark" in status
    assert "holiday" not in status, "names of files are the visitor's own business"
    _, title, drawn_on, *_, second = press(handlers, eve, 1)
    assert title == "### Photo 2" and drawn_on["photo"].startswith("data:image/jpeg")

    mask = Image.new("L", (60, 80))
    mask.paste(255, (20, 10, 40, 70))
    path = empty_photo.with_name("mask.png")
    mask.save(path)
    cutouts, status, *_ = handlers.use_mask(second, str(path), eve)
    assert status == READY and cutouts[1][1] is None
    mask.resize((80, 60)).save(path)
    with pytest.raises(gr.Error, match="has another shape; make it 120×160 pixels."):
        handlers.use_mask(second, str(path), eve)
    *_, panel = handlers.drop(second, eve)
    assert panel["visible"] is False and len(handlers.visits.of("eve").shots) == 1


def test_what_is_drawn_changes_the_cutout_and_only_there(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("drawing")
    give(handlers, amy, cutout_photo)
    press(handlers, amy, 0)
    shot = handlers.visits.of("drawing").shots[0]
    sent = canvas(shot, 1)
    before = np.asarray(Image.open(shot.mask))

    def draw(change: Any) -> str:
        import base64
        import io

        picture = Image.open(io.BytesIO(base64.b64decode(sent["mask"].split(",")[1])))
        change(picture)
        file = io.BytesIO()
        picture.save(file, "png")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

    drawing = SimpleNamespace(mask=draw(lambda mask: mask.paste(255, (0, 0, 20, 20))))
    *_, panel = handlers.use_drawing(shot.key, drawing, amy)
    after = np.asarray(Image.open(handlers.visits.of("drawing").shots[0].mask))
    assert panel["visible"] is False and after[:18, :18].min() == 255
    assert (after[40:] == before[40:]).all(), "the rest is as fine as it was"
    press(handlers, amy, 0)
    for bad in ("/etc/passwd", "data:image/png;base64,AAAA", draw(lambda mask: mask.paste(0, (0, 0, *mask.size)))):
        with pytest.raises(gr.Error, match="could not be read|is empty"):
            handlers.use_drawing(shot.key, SimpleNamespace(mask=bad), amy)


def test_a_new_photo_leaves_the_mended_ones_alone(handlers: Handlers, cutout_photo: Path, crowd_photo: Path) -> None:
    amy = request("adding")
    _, status, _ = give(handlers, amy, crowd_photo)
    assert "**Photo 1 shows 2 people.** The largest is taken" in status
    mended = handlers.cut_again(press(handlers, amy, 0)[-1], "u2netp", amy)
    assert len(mended) == 4
    first = handlers.visits.of("adding").shots[0]
    give(handlers, amy, crowd_photo, cutout_photo)
    assert handlers.visits.of("adding").shots[0] is first
    assert "first 8 of your 9" in give(handlers, amy, *[cutout_photo] * 9)[1]
    assert last(handlers.take(None, "auto", amy))[:2] == ([], "")


def test_the_visitor_says_where_the_person_faces_and_the_network_is_told(
    handlers: Handlers, cutout_photo: Path, empty_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = request("facing")
    give(handlers, amy, empty_photo, cutout_photo, cutout_photo)
    *_, choice, third = press(handlers, amy, 2)
    assert choice["visible"] is True and choice["value"] == "auto"
    captions = [caption for _, caption in handlers.face(third, "back", amy)]
    assert captions == ["left out", None, "faces away"]
    handlers.use_mask(third, str(handlers.visits.of("facing").shots[2].mask), amy)
    last(handlers.take_again("u2netp", amy))
    assert press(handlers, amy, 2)[-2]["value"] == "back", "a new mask turns nobody round"
    told = []
    encode = Pipeline.encode
    monkeypatch.setattr(
        Pipeline, "encode", lambda self, views, facing: (told.append(facing), encode(self, views, facing=facing))[1]
    )
    assert "Making the avatar" in last(handlers.reconstruct(amy, *FILM))[0]
    deaf = copy(handlers.shelf.first.network.config)
    object.__setattr__(deaf, "facing", None)  # as the original is
    monkeypatch.setattr(handlers.shelf.first.network, "config", deaf)
    assert press(handlers, amy, 2)[-2]["visible"] is False, "what the network cannot be told is not offered"
    assert "Making the avatar" in last(handlers.reconstruct(amy, *FILM))[0]
    assert told == [["auto", "back"], None]
    with pytest.raises(gr.Error, match="press a cut-out"):
        handlers.face(third, "back", request("another"))


def test_bad_photos_are_explained(handlers: Handlers, tmp_path: Path) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("dear reader")
    eve = request("letters")
    cutouts, status, _ = give(handlers, eve, letter)
    assert len(cutouts) == 1 and "Photo 1 is not an image; give JPEG" in status and "letter" not in status
    assert handlers.states(eve)[0]["interactive"] is False
    assert "is not an image" in press(handlers, eve, 0)[1]


def test_what_the_page_does_not_offer_is_refused(handlers: Handlers, cutout_photo: Path, tmp_path: Path) -> None:
    mallory = request("mallory")
    give(handlers, mallory, cutout_photo)
    list(handlers.reconstruct(mallory, *FILM))
    assert "Choose a size" in last(handlers.turn(mallory, 100_000, *FILM[1:]))[0]
    assert "Choose one of the formats" in last(handlers.write(mallory, "../x", "t", 0, True, *FILM))[0]
    handlers.pick(SimpleNamespace(index=1000), mallory)
    assert handlers.visits.of("mallory").motion == ""
    secret = tmp_path / "<b>secret name.npz"
    secret.write_bytes(b"nothing")
    handlers.bring(str(secret), mallory)
    told = last(handlers.again(mallory, *FILM))[0]
    assert "Your file is not a motion" in told and "secret" not in told


def test_stop_ends_the_work_and_keeps_what_was_there(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("stopping")
    give(handlers, amy, cutout_photo)
    steps = handlers.reconstruct(amy, *FILM)
    for html, *_ in steps:
        if "Drawing the video" in html:
            handlers.stop(amy)
    assert "Stopped." in html
    visit = handlers.visits.of("stopping")
    time.sleep(0.1)
    assert not visit.has_avatar and not list(visit.folder.glob("*.mp4"))
    assert handlers.states(amy)[0]["interactive"] is True


def test_stop_is_heard_while_the_work_waits_for_its_turn(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("waiting")
    give(handlers, amy, cutout_photo)
    assert "Waiting for its turn" in handlers.begin(amy)
    handlers.stop(amy)
    ((told, *_),) = handlers.reconstruct(amy, *FILM)
    assert "Stopped." in told
    handlers.begin(amy)
    assert "Making the avatar" in last(handlers.reconstruct(amy, *FILM))[0]


def test_no_avatar_is_made_of_the_photos_before_while_new_ones_wait(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("impatient")
    give(handlers, amy, cutout_photo)
    assert handlers.wait(amy)["interactive"] is False
    assert handlers.states(amy)[0]["interactive"] is False, "whatever ends in the meantime"
    give(handlers, amy, cutout_photo, cutout_photo)
    assert handlers.states(amy)[0]["interactive"] is True


def test_a_photo_that_comes_while_something_is_made_changes_no_button(handlers: Handlers, cutout_photo: Path) -> None:
    amy = request("busy")
    give(handlers, amy, cutout_photo)
    handlers.begin(amy)
    give(handlers, amy, cutout_photo, cutout_photo)
    assert all(state == gr.skip() for state in handlers.states(amy)), "only Stop can be pressed, as before"
    assert handlers.ended(amy)[0]["interactive"] is True


@pytest.mark.parametrize("meanwhile", ["another", "close"])
def test_a_mended_cutout_lands_on_its_own_photo_whatever_is_pressed_meanwhile(
    handlers: Handlers, cutout_photo: Path, crowd_photo: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    amy = request(f"mending {meanwhile}")
    give(handlers, amy, crowd_photo, cutout_photo)
    pressed = press(handlers, amy, 0)[-1]
    slow = shots.cut_out

    def cut_out(*args: Any, **kwargs: Any) -> Any:
        handlers.face(pressed, "back", amy)
        handlers.close(amy)
        if meanwhile == "another":
            press(handlers, amy, 1)
        return slow(*args, **kwargs)

    monkeypatch.setattr(shots, "cut_out", cut_out)
    *_, title, drawn_on = handlers.cut_again(pressed, "u2netp", amy)
    assert title == drawn_on == gr.skip(), "the panel shows what was pressed last, or nothing"
    first, second = handlers.visits.of(amy.session_hash).shots
    assert (first.photo, second.photo) == (str(crowd_photo), str(cutout_photo))
    assert (first.matting, first.facing, second.matting) == ("u2netp", "back", "auto")


def test_a_correction_that_waits_for_its_turn_is_of_the_photo_that_was_open_when_it_was_sent(
    handlers: Handlers, cutout_photo: Path, crowd_photo: Path
) -> None:
    amy = request("queueing")
    give(handlers, amy, crowd_photo, cutout_photo)
    first, second = (press(handlers, amy, index)[-1] for index in (0, 1))
    handlers.cut_again(first, "u2netp", amy)
    assert [shot.matting for shot in handlers.visits.of("queueing").shots] == ["u2netp", "auto"]
    *_, panel = handlers.drop(first, amy)
    assert panel == gr.skip(), "the other cut-out is being put right"
    (left,) = handlers.visits.of("queueing").shots
    assert left.photo == str(cutout_photo)
    with pytest.raises(gr.Error, match="not here any more"):
        handlers.cut_again(first, "u2netp", amy)
    assert handlers.cut_again(second, "u2netp", amy)[2] == "### Photo 1"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate"), "There was not enough memory; choose a smaller video"),
        (OSError(28, "No space left on device", "/tmp/secret"), r"\(No space left on device\); tell whoever runs"),
        (KeyError("what"), r"unexpectedly \(KeyError\); try again"),
        (gr.Error('Quota used up. <a href="x">Log in</a>'), "Quota used up. Log in"),
    ],
)
def test_what_nobody_expected_is_said_and_not_waited_for(
    handlers: Handlers, cutout_photo: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    amy = request(f"unlucky {words}")
    give(handlers, amy, cutout_photo)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(work, "encode", broken)
    told = last(handlers.reconstruct(amy, *FILM))[0]
    assert re.search(words, told) and "running" not in told and "secret" not in told
    monkeypatch.setattr(shots, "cut_out", broken)
    _, status, _ = give(handlers, amy, cutout_photo.with_name("another.png"))
    assert re.search(words, status) and "Looking" not in status


def test_nothing_stays_of_what_is_made_for_a_program_that_has_left(
    handlers: Handlers, saved_avatar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = handlers.visits.of("program").folder

    def turntable(avatar: str, video: str, film: Any) -> work.Events:
        handlers.visits.end("program")
        folder.mkdir()  # as a writer of files does
        Path(video).write_bytes(b"half")
        yield Step("render", 1, 9)
        raise AssertionError("it should not go on")

    monkeypatch.setattr(work, "turntable", turntable)
    with pytest.raises(Cancelled):
        Endpoints(handlers).turntable(SimpleNamespace(session_hash="program", headers={}), str(saved_avatar))
    assert not folder.exists()


def test_files_are_called_what_they_hold() -> None:
    def choices(kind: str) -> list[tuple[str, str]]:
        return about_format(kind)[1]["choices"]

    assert choices("ply") == [("T-pose", "t"), ("one pose of the motion", "pose")]
    assert choices("html") == [("all built-in motions", "t"), ("the motion", "motion")]
    assert choices("avatar") == [("the whole avatar", "t")]
    assert choices("gif") == [("one turn", "t"), ("the motion", "motion")]


def test_only_matting_models_that_are_offered_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots, "is_present", lambda name: False)
    assert "birefnet-portrait" not in shots.offered_matting() and "isnet-general-use" in shots.offered_matting()
    monkeypatch.setattr(shots, "is_present", lambda name: True)
    assert "birefnet-portrait" in shots.offered_matting(), "the owner has put it there"


def test_settings_that_a_program_leaves_out_are_the_usual_ones() -> None:
    assert film_of(None, None, None, None, None, None) == Film()
    assert film_of(384, None, 2.0) == Film(size=384, turn_seconds=2.0)
