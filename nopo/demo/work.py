"""The heavy work of the page: functions of module level that take paths and plain settings, and can run elsewhere.

Each is a generator of `Step`s that ends with one `Made` or `Failed`, which a page can show; closing the generator stops
the work. What they share is the shelf of loaded models, which `open_shop` sets. On ZeroGPU only `encode` books a GPU:
motions, turns and files cost a visitor no quota.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

import gradio as gr

from nopo.avatar import Avatar
from nopo.demo.film import Film, write_film
from nopo.demo.shelf import Shelf
from nopo.demo.zero import gpu
from nopo.errors import Cancelled, NopoError, no_memory
from nopo.export.formats import export
from nopo.export.web import built_in, web_page
from nopo.motion import Motion
from nopo.motions import load_motion
from nopo.pipeline import Pipeline
from nopo.preprocess.stage import preprocess
from nopo.progress import Progress
from nopo.render import drawing_device
from nopo.views import Views

LOGGER = logging.getLogger(__name__)

TICK_S = 0.25
"""The longest silence between two events, so that clocks run and a wish to stop is heard."""

FILMS = ("mp4", "webm", "webp", "gif", "png")
"""Kinds of files that hold pictures; without a motion they show a turn."""

_SHOP: list[Shelf] = []


@dataclass(frozen=True)
class Step:
    """`done` of `total` units of a stage are finished; the stage is empty before the first one begins."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Made:
    """The end: files that were asked for, and what to say about them."""

    notice: str = ""


@dataclass(frozen=True)
class Failed:
    """The end: one sentence that says what to do, or that it was stopped."""

    sentence: str
    stopped: bool = False


Event: TypeAlias = Step | Made | Failed
Events: TypeAlias = Generator[Event, None, None]


def open_shop(pipeline: Pipeline) -> Shelf:
    """Offer the models of this machine, `pipeline` first; once, before any other function of this module."""
    _SHOP[:] = [Shelf(pipeline)]
    return _SHOP[0]


def shelf() -> Shelf:
    """The models that are offered."""
    return _SHOP[0]


def encode_seconds(views: Views, model: str, facing: Sequence[str] | None = None) -> float:
    """How long `encode` takes a GPU at most: to fetch the weights, and to look at every pixel."""
    fetching = 5 if model == shelf().first.card.name else 20
    return fetching + 2e-6 * views.masks.numel()


@gpu(encode_seconds)
def encode(views: Views, model: str, facing: Sequence[str] | None = None) -> Avatar:
    """The network's part of `reconstruct`: framed photos become an avatar, both on the CPU."""
    return shelf().take(model).encode(views, facing=facing)


def reconstruct(
    photos: list[str],
    masks: Sequence[str | None] | None,
    model: str,
    avatar: str,
    video: str,
    film: Film,
    matting: str = "auto",
    facing: Sequence[str] | None = None,
) -> Events:
    """Photos and their masks become the file of an avatar, and the video of its turntable.

    Args:
        photos: paths.
        masks: a path each, or None where the photo's own transparency or the matting model tells the person.
        model: name of a model on the shelf.
        avatar: file to write, .safetensors.
        video: file to write, .mp4.
        film: how the video looks.
        matting: which matting model, for photos without a mask.
        facing: where the person faces in each photo, see `nopo.pipeline.Pipeline.encode`.
    """

    def work(progress: Progress) -> str:
        card = shelf().card(model)  # on ZeroGPU its network may be loaded in the worker only
        views = preprocess(
            photos, size=card.frame_size, background=card.background, masks=masks, matting=matting, progress=progress
        ).views
        progress("encode", 0, 1)
        person = encode(views, model, facing)
        progress("encode", 1, 1)
        person.save(avatar)
        write_film(video, drawing_device(shelf().first.device), person, None, film, progress)
        return ""

    yield from _watched(work)


def turntable(avatar: str, video: str, film: Film) -> Events:
    """The video of a turn around an avatar: paths and how it looks; no network is asked."""

    def work(progress: Progress) -> str:
        write_film(video, drawing_device(shelf().first.device), Avatar.load(avatar), None, film, progress)
        return ""

    yield from _watched(work)


def animate(avatar: str, motion: str, video: str, film: Film) -> Events:
    """The video of an avatar in motion.

    Args:
        avatar: path.
        motion: name of a built-in motion, or path of a file; long ones are cut, which the end says.
        video: file to write, .mp4.
        film: how the video looks.
    """

    def work(progress: Progress) -> str:
        person = Avatar.load(avatar)
        moves, notice = _moves(person, motion, film)
        write_film(video, drawing_device(shelf().first.device), person, moves, film, progress)
        return notice

    yield from _watched(work)


def write_file(avatar: str, kind: str, motion: str | None, moment: float | None, file: str, film: Film) -> Events:
    """An avatar as a file for other programs.

    Args:
        avatar: path.
        kind: a key of `nopo.export.formats.FORMATS`.
        motion: as for `animate`; None for the T-pose.
        moment: the part of the motion, 0 to 1, whose pose the file shall hold; None for all of the motion.
        file: to write.
        film: how videos and pictures look.
    """

    def work(progress: Progress) -> str:
        person = Avatar.load(avatar)
        moves, notice = _moves(person, motion, film) if motion else (None, "")
        if kind in FILMS:
            write_film(file, drawing_device(shelf().first.device), person, moves, film, progress)
        elif moves is None or moment is None:
            export(person, file, format=kind, motion=moves, progress=progress)
        else:
            export(person, file, format=kind, pose=moves[round(moment * (len(moves) - 1))], progress=progress)
        return notice

    yield from _watched(work)


def page_of(avatar: str, motion: str) -> str:
    """A page that turns an avatar and lets it move, by a motion and all built-in ones; its work is the browser's.

    Args:
        avatar: path.
        motion: as for `animate`; empty for none.

    Raises:
        NopoError: the avatar or the motion cannot be shown.
    """
    person = Avatar.load(avatar)
    motions = built_in(person)
    name = motion.replace("-", " ")
    if name in motions:  # first, for that is what plays
        return web_page(person, {name: motions[name], **motions})
    own = {"your motion": _moves(person, motion, Film())[0]} if motion else {}
    return web_page(person, {**own, **motions})


def finished(events: Events, check: Callable[[], None] = lambda: None) -> str:
    """Let work run to its end, and give its notice.

    Args:
        events: of the work, which is stopped if `check` raises.
        check: called between units of work.

    Raises:
        NopoError: it failed.
        Cancelled: it was stopped.
    """
    with closing(events):
        for event in events:
            check()
            if isinstance(event, Failed):
                raise (Cancelled if event.stopped else NopoError)(event.sentence)
            if isinstance(event, Made):
                return event.notice
    raise NopoError("The work ended early; try again.")


def trouble(error: Exception) -> str:
    """What to say of an error that nobody expected, one sentence; the log has the rest."""
    LOGGER.error("failed unexpectedly", exc_info=error)
    if isinstance(error, gr.Error):  # of ZeroGPU, which says why no GPU was given, with links
        return re.sub("<[^>]*>", "", str(error.message))
    if no_memory(error):
        return "There was not enough memory; choose a smaller video, or fewer photos."
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return f"The server could not read or write a file ({reason}); tell whoever runs this page."
    return f"It failed unexpectedly ({type(error).__name__}); try again, or with other photos."


def _moves(person: Avatar, motion: str, film: Film) -> tuple[Motion, str]:
    """The motion at the film's rate, no longer than its limit, and what to say if it was cut."""
    seconds = film.most_seconds + 1
    moves = load_motion(
        motion, rest_joints=person.rest_joints, fps=film.fps, max_seconds=seconds, on_smplx=person.on_smplx
    )
    if len(moves) <= film.most_frames:
        return moves, ""
    part = Motion(moves.rotations[: film.most_frames], moves.transl[: film.most_frames], moves.fps)
    return part, f"The motion is long: its first {film.most_seconds:g} seconds were taken."


def _watched(work: Callable[[Progress], str]) -> Events:
    """Run work in a thread, and hand on what it reports."""
    steps: SimpleQueue[Step] = SimpleQueue()
    unwanted = threading.Event()

    def progress(stage: str, done: int, total: int) -> None:
        if unwanted.is_set():
            raise Cancelled("Stopped.")
        steps.put(Step(stage, done, total))

    last = Step("", 0, 1)
    with ThreadPoolExecutor(1, "nopo-work") as pool:
        outcome = pool.submit(copy_context().run, work, progress)  # ZeroGPU asks whose request it is
        try:
            while not (outcome.done() and steps.empty()):
                try:
                    last = steps.get(timeout=TICK_S)
                except Empty:
                    pass  # nothing new: the same step again
                yield last
            yield Made(outcome.result())
        except NopoError as error:
            yield Failed(str(error), isinstance(error, Cancelled))
        except Exception as error:  # noqa: BLE001 (a page that shows nothing would wait for ever)
            yield Failed(trouble(error))
        finally:
            unwanted.set()
