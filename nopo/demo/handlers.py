"""What the page's buttons do: small functions of their inputs and of the visitor's own folder."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from nopo.demo import look, work
from nopo.demo.film import film_of
from nopo.demo.report import WAITING, Report, said
from nopo.demo.shelf import Shelf, about
from nopo.demo.shots import FACING, Desk, Shot, canvas, offered_matting, status
from nopo.demo.visits import Visit, Visits
from nopo.errors import Cancelled, NopoError
from nopo.export.formats import FORMATS
from nopo.motions import names
from nopo.preprocess.matte import CHOICES
from nopo.views import MAX_VIEWS

LOGGER = logging.getLogger(__name__)

SHOWN_EVERY_S = 0.2
ADD_FIRST = "Add a photo first, and wait for its cut-out; photos are forgotten after an hour without a click."
MAKE_FIRST = "Make an avatar first."


class Handlers:
    """The functions behind the page. `film` is always what `nopo.demo.film.film_of` takes, in its order.

    Gradio gives requests and events to the parameters of these types, which therefore come first.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.visits = Visits()
        atexit.register(self.visits.end_all)

    # Photos and cut-outs

    def choose(self, model: str, request: gr.Request) -> tuple[Any, ...]:
        """Take another model: what it wants, its licence, what that means for the photos, the choice of directions."""
        visit = self._visit(request)
        try:
            card = self.shelf.card(model)
        except NopoError as error:
            raise gr.Error(str(error), print_exception=False) from error
        visit.model = model
        return about(card), self._status(visit, len(visit.shots)), gr.update(visible=self.shelf.hears_facing(model))

    def wait(self, request: gr.Request) -> dict[str, Any]:
        """Photos came, and wait for their cut-outs: no avatar is made until `take` has looked at them."""
        self._visit(request).waiting = True
        return gr.update(interactive=False)

    def take(
        self, photos: list[tuple[str, Any]] | None, matting: str, request: gr.Request, anew: bool = False
    ) -> Generator[tuple[Any, ...], None, None]:
        """Cut the person out of each new photo; those that were there keep their cut-outs, unless all begin `anew`.

        Yields:
            The cut-outs, what to do next, the panel to put one right (closed).
        """
        visit = self._visit(request)
        visit.opened, visit.waiting = "", False
        paths = [path for path, _ in photos or []]
        before, visit.shots = visit.shots, []
        for number, path in enumerate(paths[:MAX_VIEWS], 1):
            known = next((shot for shot in before if shot.photo == path), None)
            if known is not None:
                before.remove(known)
            if known is None or anew:
                yield self._gallery(visit), f"Looking at photo {number} of {len(paths[:MAX_VIEWS])}…", _closed()
                facing = known.facing if known else "auto"
                try:
                    made = Desk(visit.new_file).make(path, number, _matting(matting), facing)
                except Exception as error:  # noqa: BLE001 (else the page would look at this photo for ever)
                    yield self._gallery(visit), f"**{work.trouble(error)}**", _closed()
                    return
                known = replace(made, key=known.key) if known else made
            visit.shots.append(known)
        yield self._gallery(visit), self._status(visit, len(paths)), _closed()

    def take_again(self, matting: str, request: gr.Request) -> Generator[tuple[Any, ...], None, None]:
        """Cut all photos out by another matting model; outputs as of `take`."""
        photos = [(shot.photo, None) for shot in self._visit(request).shots]
        yield from self.take(photos, matting, request, anew=True)

    def open(self, chosen: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """Open the panel for the cut-out that was pressed: panel, title, canvas, matting model, direction, its key."""
        visit = self._visit(request)
        if not isinstance(chosen.index, int) or not 0 <= chosen.index < len(visit.shots):
            return _closed(), *[gr.skip()] * 5
        shot = visit.shots[chosen.index]
        visit.opened = shot.key
        matting = shot.matting if shot.matting in CHOICES else "auto"
        faces = gr.update(value=shot.facing, visible=self.shelf.hears_facing(self._model(visit)))
        drawable = self._drawable(shot, chosen.index + 1)
        return gr.update(visible=True), *drawable, gr.update(value=matting), faces, shot.key

    def close(self, request: gr.Request) -> Any:
        """Close the panel."""
        self._visit(request).opened = ""
        return _closed()

    def face(self, opened: str, facing: str, request: gr.Request) -> list[tuple[str, str | None]]:
        """Note where the person in the opened photo faces: cut-outs."""
        visit, shot, number = self._shot(opened, request)
        visit.shots[number - 1] = replace(shot, facing=facing if facing in FACING else "auto")
        return self._gallery(visit)

    def cut_again(self, opened: str, matting: str, request: gr.Request) -> tuple[Any, ...]:
        """Cut the opened photo out by another matting model: cut-outs, what to do next, title, canvas."""
        visit, shot, number = self._shot(opened, request)
        mended = Desk(visit.new_file).make(shot.photo, number, _matting(matting), shot.facing)
        if mended.problem and not shot.problem:
            raise gr.Error(mended.problem, title="The cut-out stays as it was", print_exception=False)
        return self._mended(visit, opened, mended)

    def use_mask(self, opened: str, mask: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Take a picture as the mask of the opened photo; outputs as of `cut_again`."""
        visit, shot, number = self._shot(opened, request)
        if mask is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        try:
            return self._mended(visit, opened, Desk(visit.new_file).with_mask(shot, number, mask, "mask"))
        except NopoError as error:
            raise gr.Error(str(error), title="That mask cannot be used", print_exception=False) from error

    def use_drawing(self, opened: str, drawn: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Take what was drawn as the mask of the opened photo; outputs as of `cut_again`, and the panel, closed."""
        visit, shot, number = self._shot(opened, request)
        try:
            mended = Desk(visit.new_file).with_drawing(shot, number, str(getattr(drawn, "mask", "")))
        except NopoError as error:
            raise gr.Error(str(error), title="That mask cannot be used", print_exception=False) from error
        cutouts, told, *_ = self._mended(visit, opened, mended)
        return cutouts, told, gr.skip(), gr.skip(), self._closed_if(opened, visit)

    def drop(self, opened: str, request: gr.Request) -> tuple[Any, ...]:
        """Take the opened photo away: photos, cut-outs, what to do next, panel (closed)."""
        visit, shot, _ = self._shot(opened, request)
        visit.shots.remove(shot)
        photos = [(each.photo, None) for each in visit.shots]
        panel = self._closed_if(opened, visit)
        return photos or None, self._gallery(visit), self._status(visit, len(photos)), panel

    # Avatar, motions, files

    def reconstruct(self, request: gr.Request, *film: Any) -> Generator[tuple[Any, ...], None, None]:
        """Make the avatar of the cut-outs, and its turntable.

        Yields:
            Progress, video, its file, tab, avatar's file, viewer; the last file for other programs and its progress,
            which are of the avatar before and go.
        """
        visit = self._visit(request)
        used = [shot for shot in visit.shots if shot.mask is not None]
        video, avatar = visit.new_file(".mp4"), visit.new_file(".safetensors")

        def events() -> work.Events:
            if not used:
                raise NopoError(ADD_FIRST)
            photos, masks = [shot.photo for shot in used], [str(shot.mask) for shot in used]
            model = self._model(visit)
            facing = [shot.facing for shot in used] if self.shelf.hears_facing(model) else None
            return work.reconstruct(photos, masks, model, str(avatar), str(video), film_of(*film), facing=facing)

        for html, done in self._watch(visit, events, ("preprocess", "encode", "render")):
            if done:
                visit.avatar = avatar
                visit.moved = False
                shown = str(video), str(video), gr.Tabs(selected="turntable"), str(avatar), look.NOTHING_TO_TURN
                yield html, *shown, gr.update(visible=False), ""
            else:
                yield html, *[gr.skip()] * 7

    def turn(self, request: gr.Request, *film: Any) -> Generator[tuple[Any, ...], None, None]:
        """Draw the turntable again, with other settings: progress, video, its file, tab."""
        visit = self._visit(request)
        video = visit.new_file(".mp4")

        def events() -> work.Events:
            return work.turntable(self._avatar(visit), str(video), film_of(*film))

        for html, done in self._watch(visit, events, ("render",)):
            yield html, *(_shown(video, "turntable") if done else [gr.skip()] * 3)

    def by_hand(self, request: gr.Request) -> Generator[Any, None, None]:
        """Bring the avatar to the viewer, when its tab is opened, with the motion that was chosen last."""
        visit = self._visit(request)
        if not visit.has_avatar:
            yield look.NOTHING_TO_TURN
            return
        shown = f"{visit.avatar} {visit.motion}"
        if shown == visit.by_hand:
            yield gr.skip()
            return
        yield look.BRINGING
        try:
            yield look.viewer(work.page_of(self._avatar(visit), visit.motion))
            visit.by_hand = shown
        except NopoError as error:
            yield said(str(error), failed=True)

    def pick(self, chosen: gr.SelectData, request: gr.Request) -> None:
        """Note the built-in motion that was pressed."""
        known = names()
        if isinstance(chosen.index, int) and 0 <= chosen.index < len(known):
            self._visit(request).motion = known[chosen.index]

    def bring(self, motion: str | None, request: gr.Request) -> None:
        """Note the visitor's own motion."""
        if motion is not None:
            self._visit(request).motion = motion

    def again(self, request: gr.Request, *film: Any) -> Generator[tuple[Any, ...], None, None]:
        """Animate by the motion that was chosen last: progress, video, its file, tab."""
        visit = self._visit(request)
        motion, video = visit.motion or names()[1], visit.new_file(".mp4")

        def events() -> work.Events:
            return work.animate(self._avatar(visit), motion, str(video), film_of(*film))

        for html, done in self._watch(visit, events, ("render",), echo=motion):
            if done:
                visit.moved = True
            yield html, *(_shown(video, "motion") if done else [gr.skip()] * 3)

    def write(
        self, request: gr.Request, kind: str, holds: str, moment: float, clear: bool, *film: Any
    ) -> Generator[tuple[Any, ...], None, None]:
        """Make a file for other programs: progress, the file."""
        visit = self._visit(request)

        def events() -> work.Events:
            if kind not in FORMATS:
                raise NopoError("Choose one of the formats.")
            chosen = replace(film_of(*film), clear=clear)
            motion = None if holds == "t" else visit.motion or names()[1]
            part = min(max(float(moment), 0.0), 1.0) if holds == "pose" else None
            return work.write_file(self._avatar(visit), kind, motion, part, str(file), chosen)

        name = Path(visit.motion).stem if visit.motion in names() else "motion"
        suffix = FORMATS[kind].suffix if kind in FORMATS else ""
        file = visit.new_file("") / f"{name if holds == 'motion' else 'avatar'}{suffix}"
        for html, done in self._watch(visit, events, (), echo=visit.motion):
            yield (html, gr.update(value=str(file), visible=True)) if done else (html, gr.update(visible=False))

    # What every step needs

    def states(self, request: gr.Request) -> list[dict[str, Any]]:
        """What can be pressed and seen now; see `nopo.demo.wire`."""
        visit = self._visit(request)
        ready = not visit.waiting and any(shot.mask is not None for shot in visit.shots)
        made = visit.has_avatar
        states = [
            gr.update(interactive=ready),
            *[gr.update(interactive=made)] * 4,
            *[gr.update(visible=False)] * 3,
            gr.update(visible=made),
            gr.update(visible=made and visit.moved),
            gr.skip() if visit.moved else gr.update(value=None),
        ]
        return [gr.skip()] * len(states) if visit.busy else states  # while something is made, it stays as it is

    def ended(self, request: gr.Request) -> list[dict[str, Any]]:
        """Work came to its end, good or bad; outputs as of `states`."""
        self._visit(request).busy = False
        return self.states(request)

    def begin(self, request: gr.Request) -> str:
        """A button was pressed: forget earlier wishes to stop. What to show until the work gets its turn."""
        self._visit(request).start()
        return WAITING

    def stop(self, request: gr.Request) -> None:
        """Stop what is being made for this visitor."""
        self._visit(request).stop()

    def leave(self, request: gr.Request) -> None:
        """The page was closed, or its connection is interrupted; see `Visits.leave`."""
        self.visits.leave(request.session_hash)

    def _visit(self, request: gr.Request) -> Visit:
        return self.visits.of(request.session_hash)

    def _model(self, visit: Visit) -> str:
        return visit.model or self.shelf.first.card.name

    def _avatar(self, visit: Visit) -> str:
        if visit.avatar is None or not visit.has_avatar:
            raise NopoError(MAKE_FIRST)
        return str(visit.avatar)

    def _shot(self, key: str, request: gr.Request) -> tuple[Visit, Shot, int]:
        visit = self._visit(request)
        for number, shot in enumerate(visit.shots, 1):
            if shot.key == key:
                return visit, shot, number
        raise gr.Error("That photo is not here any more; press a cut-out.", print_exception=False)

    def _closed_if(self, opened: str, visit: Visit) -> dict[str, Any]:
        """The panel, closed, unless another cut-out was pressed in the meantime."""
        if visit.opened != opened:
            return gr.skip()
        visit.opened = ""
        return _closed()

    def _mended(self, visit: Visit, key: str, shot: Shot) -> tuple[Any, ...]:
        """Put a shot in the place of the one of that key, if that is still there: the visitor may have gone on."""
        drawable: Sequence[Any] = (gr.skip(), gr.skip())
        for index, present in enumerate(visit.shots):
            if present.key == key:
                visit.shots[index] = replace(shot, facing=present.facing, key=key)
                if visit.opened == key:
                    drawable = self._drawable(shot, index + 1)
        return self._gallery(visit), self._status(visit, len(visit.shots)), *drawable

    def _drawable(self, shot: Shot, number: int) -> tuple[str, Any]:
        try:
            return f"### Photo {number}", canvas(shot, number)
        except NopoError as error:  # no picture to draw on
            return f"### Photo {number}\n\n{error}", None

    def _gallery(self, visit: Visit) -> list[tuple[str, str | None]]:
        return [(str(shot.shown), shot.caption) for shot in visit.shots]

    def _status(self, visit: Visit, given: int) -> str:
        return status(visit.shots, self.shelf.card(self._model(visit)).views, given)

    def _watch(
        self, visit: Visit, begin: Any, stages: Sequence[str], echo: str = ""
    ) -> Generator[tuple[str, bool], None, None]:
        """Follow work; yields the progress as HTML, and True with the last one if it came to its end.

        Args:
            visit: whose wish to stop is heard.
            begin: gives the events, or raises what is wrong with the wish.
            stages: names of the stages to come.
            echo: path of the visitor's file, whose made-up name no message should show.
        """
        report, shown = Report(stages), 0.0
        try:
            visit.check()  # the wait for a turn may have been long
            with visit.working(), closing(begin()) as events:
                for event in events:
                    visit.check()
                    if isinstance(event, work.Failed):
                        raise (Cancelled if event.stopped else NopoError)(event.sentence)
                    if isinstance(event, work.Made):
                        yield report.end(event.notice), True
                        return
                    html = report.take(event)
                    if time.monotonic() - shown > SHOWN_EVERY_S:
                        shown = time.monotonic()
                        yield html, False
        except Cancelled:
            yield said("Stopped. What was not finished is gone."), False
        except NopoError as error:
            sentence = str(error)
            if echo and echo not in names():
                sentence = sentence.replace(Path(echo).name, "Your file")
            yield said(sentence, failed=True), False


def _closed() -> dict[str, Any]:
    return gr.update(visible=False)


def _shown(video: Path, tab: str) -> tuple[Any, ...]:
    return str(video), str(video), gr.Tabs(selected=tab)


def _matting(matting: str) -> str:
    return matting if matting in offered_matting() else "auto"
