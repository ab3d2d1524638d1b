"""What the page's buttons do: small functions of their inputs and of the visitor's own folder."""

from __future__ import annotations

import atexit
import logging
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from nopo.avatar import Avatar
from nopo.demo.look import BACKDROP
from nopo.demo.shelf import Shelf, about
from nopo.demo.visits import Visit, Visits
from nopo.errors import Cancelled, NopoError
from nopo.export.video import write_mp4
from nopo.motions import load_motion, names
from nopo.pipeline import Pipeline
from nopo.progress import Progress

LOGGER = logging.getLogger(__name__)

FPS = 30
SIZES = (256, 384, 512, 768)
SAYS = {"preprocess": "Finding the person", "encode": "Making the avatar", "render": "Drawing"}
READY = "Look at the cut-outs: is all of the person there, and nothing else? Then make the avatar."


class Handlers:
    """The functions behind the page, on one loaded pipeline and on those that are loaded when they are chosen."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.shelf = Shelf(pipeline)
        self.visits = Visits()
        atexit.register(self.visits.end_all)

    def choose(self, model: str, request: gr.Request) -> str:
        """Take another model; its photos are framed differently, so they are to be cut out again.

        Args:
            model: name of one that the page offers.
            request: given by Gradio.

        Returns:
            How many photos it wants, and its licence.
        """
        try:
            card = self.shelf.card(model)
        except NopoError as error:
            return _told(error, outputs=1)
        visit = self._begin(request)
        visit.model, visit.views = model, None
        return about(card)

    def mattes(
        self,
        photos: list[tuple[str, Any]] | None,
        matting: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds its progress by this default)
    ) -> tuple[list[np.ndarray], str]:
        """Cut the person out of each photo.

        Args:
            photos: 1 to 8 photos of one person.
            matting: the matting model: "auto", "u2netp" or "none" for photos that are cut out already.
            request: given by Gradio.
            progress: given by Gradio.

        Returns:
            The cut-outs, and what to do next.
        """
        visit = self._begin(request)
        visit.views = None
        if not photos:
            return [], ""
        model = visit.model or self.pipeline.card.name
        try:
            pipeline = self.shelf.take(model)
            wanted = pipeline.card.views
            paths = [path for path, _ in photos][:wanted]
            seen = pipeline.preprocess(paths, matting=matting, progress=_reporter(progress, visit))
        except NopoError as error:
            return [], f"**{error}**"
        visit.views, visit.framed_for = seen.views, model
        fits = wanted is None or wanted == len(photos)
        return seen.cutouts(), READY if fits else f"{READY} This model was trained for {pipeline.card.photos}."

    def reconstruct(
        self,
        size: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, str]:
        """Make the avatar of the photos that were cut out, and its turntable.

        Args:
            size: side of the video in pixels.
            request: given by Gradio.
            progress: given by Gradio.

        Returns:
            The turntable video, the same to be saved, and the avatar's file.
        """
        visit = self._begin(request)
        try:
            if visit.views is None:
                raise NopoError("Add a photo first, and wait for its cut-out.")
            report = _reporter(progress, visit)
            avatar = self.shelf.take(visit.framed_for).encode(visit.views, progress=report)
            frames = self.pipeline.turntable(
                avatar, size=_size(size), frames=3 * FPS, background=BACKDROP, progress=report
            )
            video = str(write_mp4(visit.folder / "turntable.mp4", frames, FPS))
            avatar.save(visit.avatar)
            visit.moved = False
            return video, video, str(visit.avatar)
        except NopoError as error:
            return _told(error, outputs=3)

    def animate(
        self,
        motion: str,
        size: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str]:
        """Move the avatar that was made.

        Args:
            motion: name of a built-in motion.
            size: side of the video in pixels.
            request: given by Gradio.
            progress: given by Gradio.

        Returns:
            The video, and the same to be saved.
        """
        visit = self._begin(request)
        try:
            if motion not in names():  # never a path: the server's files are not the visitor's
                raise NopoError(f"There is no motion of that name; choose one of {', '.join(names())}.")
            if not visit.avatar.is_file():
                raise NopoError("Make an avatar first.")
            avatar = Avatar.load(visit.avatar)
            moves = load_motion(motion, rest_joints=avatar.rest_joints, fps=FPS)
            report = _reporter(progress, visit)
            frames = self.pipeline.animate(avatar, moves, size=_size(size), background=BACKDROP, progress=report)
            video = str(write_mp4(visit.folder / f"{motion}.mp4", frames, FPS))
            visit.moved = True
            return video, video
        except NopoError as error:
            return _told(error, outputs=2)

    def states(self, request: gr.Request) -> list[dict[str, Any]]:
        """What can be pressed and seen now: make, move, stop, the avatar's files, the animation's, the animation."""
        visit = self.visits.of(request.session_hash)
        made = visit.avatar.is_file()
        return [
            gr.update(interactive=visit.views is not None),
            gr.update(interactive=made),
            gr.update(visible=False),
            gr.update(visible=made),
            gr.update(visible=made and visit.moved),
            gr.skip() if visit.moved else gr.update(value=None),
        ]

    def stop(self, request: gr.Request) -> None:
        """Stop what is being made for this visitor."""
        self.visits.of(request.session_hash).stop()

    def leave(self, request: gr.Request) -> None:
        """The page was closed: stop, and remove the visitor's files."""
        self.visits.end(request.session_hash)

    def _begin(self, request: gr.Request) -> Visit:
        visit = self.visits.of(request.session_hash)
        visit.start()
        return visit


def _size(size: int) -> int:
    if size not in SIZES:
        raise NopoError(f"Choose a size of {', '.join(map(str, SIZES))} pixels.")
    return size


def _reporter(progress: gr.Progress, visit: Visit) -> Progress:
    def report(stage: str, done: int, total: int) -> None:
        visit.check()
        progress((done, total), desc=SAYS[stage])

    return report


def _told(error: NopoError, outputs: int) -> Any:
    """Expected trouble becomes a message on the page, which keeps what it showed; a wish to stop is no trouble."""
    if isinstance(error, Cancelled):
        gr.Info("Stopped. What was not finished is gone.", duration=4)
        return [gr.skip()] * outputs
    # shown as HTML, and a file's name may be anything
    raise gr.Error(escape(str(error)), title="That did not work", print_exception=False) from error
