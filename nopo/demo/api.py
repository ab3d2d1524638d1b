"""The page's actions for programs: named endpoints of plain functions, which are tools when the page runs with `--mcp`.

They need no session: what one returns is what the next one takes. Their docstrings are what a caller reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from nopo.demo import work
from nopo.demo.film import FRAMINGS, PAPER, RATES, SIZES, film_of
from nopo.demo.handlers import MAKE_FIRST, Handlers
from nopo.demo.shots import FACING, capital, offered_matting
from nopo.demo.visits import Visit
from nopo.errors import NopoError
from nopo.export.formats import FORMATS
from nopo.models import Model
from nopo.motions import descriptions, names
from nopo.preprocess.stage import cut_out
from nopo.views import MAX_VIEWS


class Endpoints:
    """The functions behind the endpoints."""

    def __init__(self, handlers: Handlers) -> None:
        self.visits = handlers.visits
        self.shelf = handlers.shelf

    def offers(self) -> dict[str, Any]:
        """List what can be chosen: models with their licences, matting models, motions, file formats, sizes.

        Returns:
            A dictionary of names and what they mean.
        """
        return {
            "models": {card.name: self._about(card) for card in self.shelf.cards()},
            "matting": list(offered_matting()),
            "motions": descriptions(),
            "formats": {each.key: {"suffix": each.suffix, "about": each.about} for each in FORMATS.values()},
            "sizes": list(SIZES),
            "frames_per_second": list(RATES),
            "framings": list(FRAMINGS),
        }

    def cutouts(self, _request: gr.Request, photos: list[str], matting: str = "auto") -> list[str]:
        """Cut the person out of each photo.

        Args:
            photos: 1 to 8 photos of one person. A photo with transparency is taken as a cut-out already.
            matting: "auto" for the best matting model on the server, or one that /offers lists.

        Returns:
            A PNG with transparency for each photo, in the same order. To correct one, edit its transparency.
        """
        from PIL import Image

        visit = self._visit(_request)
        how = _offered(matting, offered_matting(), "matting models")
        results = []
        for number, photo in enumerate(_few(photos), 1):
            found = cut_out(photo, matting=how, name=f"photo {number}")
            visit.check()
            path = visit.new_file(".png")
            Image.fromarray(found.rgba()).save(path, compress_level=3)
            results.append(str(path))
        return results

    def reconstruct(
        self,
        _request: gr.Request,
        photos: list[str],
        model: str = "",
        matting: str = "auto",
        size: int = 512,
        fps: int = 30,
        background: str = PAPER,
        facing: list[str] | None = None,
    ) -> tuple[str, str]:
        """Make an avatar that can be turned, posed and animated from photos of one person.

        Args:
            photos: 1 to 8 photos of one person, or cut-outs of /cutouts. The whole body should be seen.
            model: one that /offers lists; the server's own if empty.
            matting: "auto" for the best matting model on the server, or one that /offers lists.
            size: side of the video in pixels: 256, 384, 512, 768 or 1024.
            fps: frames a second of the video: 15, 24, 30 or 60.
            background: colour of the video, a name or #rrggbb.
            facing: where the person faces in each photo, "auto", "front", "back", or the photo's "left" or "right".

        Returns:
            A video of one turn around the avatar, .mp4.
            The avatar's file, .safetensors, for /turntable, /animate and /export.
        """
        visit = self._visit(_request)
        video, avatar = visit.new_file(".mp4"), visit.new_file(".safetensors")
        film = film_of(size, fps, background=background)
        chosen = model or self.shelf.first.card.name
        how = _offered(matting, offered_matting(), "matting models")
        told = facing or None
        self._finish(visit, work.reconstruct(_few(photos), None, chosen, str(avatar), str(video), film, how, told))
        visit.avatar = avatar
        return str(video), str(avatar)

    def turntable(
        self,
        _request: gr.Request,
        avatar: str | None = None,
        size: int = 512,
        fps: int = 30,
        seconds: float = 3.0,
        background: str = PAPER,
        framing: str = "whole",
        elevation_deg: float = 5.0,
    ) -> str:
        """Draw a video of one turn around an avatar.

        Args:
            avatar: the .safetensors file of /reconstruct. Without it, a program gets what its session made last; a tool
                has no session, and needs it.
            size: side of the video in pixels: 256, 384, 512, 768 or 1024.
            fps: frames a second: 15, 24, 30 or 60.
            seconds: how long the turn takes, 1 to 12.
            background: colour, a name or #rrggbb.
            framing: "whole", "half" for the upper body, or "head".
            elevation_deg: the camera looks down by so many degrees, -60 to 60.

        Returns:
            The video, .mp4; it loops without a seam.
        """
        visit = self._visit(_request)
        film = film_of(size, fps, seconds, background, framing, elevation_deg)
        video = visit.new_file(".mp4")
        self._finish(visit, work.turntable(_avatar(avatar, visit), str(video), film))
        return str(video)

    def animate(
        self,
        _request: gr.Request,
        avatar: str | None = None,
        motion: str = "walk",
        motion_file: str | None = None,
        size: int = 512,
        fps: int = 30,
        background: str = PAPER,
        framing: str = "whole",
        elevation_deg: float = 5.0,
    ) -> str:
        """Draw a video of an avatar in motion.

        Args:
            avatar: the .safetensors file of /reconstruct. Without it, a program gets what its session made last; a tool
                has no session, and needs it.
            motion: name of a built-in motion that /offers lists, such as "walk", "wave" or "dance".
            motion_file: the first 30 seconds of your own instead: AMASS or SMPL-X .npz, .bvh, SMPL-X .json or its .zip.
            size: side of the video in pixels: 256, 384, 512, 768 or 1024.
            fps: frames a second: 15, 24, 30 or 60.
            background: colour, a name or #rrggbb.
            framing: "whole", "half" for the upper body, or "head".
            elevation_deg: the camera looks down by so many degrees, -60 to 60.

        Returns:
            The video, .mp4.
        """
        visit = self._visit(_request)
        film = film_of(size, fps, 3.0, background, framing, elevation_deg)
        moves = motion_file or _offered(motion, names(), "motions")
        video = visit.new_file(".mp4")
        self._finish(visit, work.animate(_avatar(avatar, visit), moves, str(video), film))
        return str(video)

    def export(
        self,
        _request: gr.Request,
        avatar: str | None = None,
        format: str = "ply",  # noqa: A002 (the word that people use)
        motion: str = "",
        motion_file: str | None = None,
        moment: float | None = -1.0,
        size: int = 512,
        fps: int = 30,
        transparent: bool = True,
    ) -> str:
        """Write an avatar as a file for other programs: Gaussian splats, rigged archive, skinned mesh, video, pictures.

        Args:
            avatar: the .safetensors file of /reconstruct. Without it, a program gets what its session made last; a tool
                has no session, and needs it.
            format: one that /offers lists, such as "ply", "spz", "rigged", "glb", "webp" or "png".
            motion: name of a built-in motion for the formats that move; empty for the T-pose, or one turn in videos.
            motion_file: your own motion instead, as for /animate.
            moment: from 0 to 1, to write the pose at that part of the motion instead of the motion, in formats of
                Gaussians and meshes; -1 for all of the motion.
            size: side of videos and pictures in pixels: 256, 384, 512, 768 or 1024.
            fps: frames a second: 15, 24, 30 or 60.
            transparent: videos and pictures without a background, in formats that can.

        Returns:
            The file. Lengths are in metres, y points up, the T-pose faces +z.
        """
        visit = self._visit(_request)
        kind = FORMATS[_offered(format, tuple(FORMATS), "formats")]
        moves = motion_file or (_offered(motion, names(), "motions") if motion else None)
        film = replace(film_of(size, fps), clear=transparent)
        file = visit.new_file(kind.suffix)
        part = None if moment is None or moment < 0 else min(float(moment), 1.0)
        if part is not None and (moves is None or not kind.takes_pose):
            raise NopoError("A moment needs a motion, and a format that holds one pose, such as ply or glb.")
        self._finish(visit, work.write_file(_avatar(avatar, visit), kind.key, moves, part, str(file), film))
        return str(file)

    def _about(self, card: Model) -> dict[str, Any]:
        facing = list(FACING) if self.shelf.hears_facing(card.name) else []
        return {"photos": card.photos, "licence": card.licence, "facing": facing}

    def _visit(self, _request: gr.Request) -> Visit:
        by_tool = _request.headers.get("x-gradio-user") == "mcp"  # all assistants come in one session of Gradio's
        return self.visits.of(None if by_tool else _request.session_hash)

    def _finish(self, visit: Visit, events: work.Events) -> None:
        with visit.working():
            work.finished(events, visit.check)


def add_endpoints(handlers: Handlers) -> None:
    """Offer every action by name, in the page that is being built; their components are never shown."""
    ends = Endpoints(handlers)
    with gr.Column(visible=False):
        photos = gr.File(label="Photos", file_count="multiple", file_types=["image"])
        avatar = gr.File(label="Avatar", file_types=[".safetensors"])
        motion_file = gr.File(label="Motion file", file_types=[".npz", ".bvh", ".json", ".zip"])
        matting = gr.Textbox("auto", label="Matting model")
        motion, no_motion = gr.Textbox("walk", label="Motion"), gr.Textbox("", label="Motion")
        size, fps = gr.Number(512, label="Size", precision=0), gr.Number(30, label="Frames a second", precision=0)
        paper, framing = gr.Textbox(PAPER, label="Background"), gr.Textbox("whole", label="Framing")
        elevation = gr.Number(5.0, label="Elevation")
        video, file, pictures = gr.File(label="Video"), gr.File(label="File"), gr.Files(label="Cut-outs")
        about = gr.JSON(label="What can be chosen")
        avatar_made = gr.File(label="Avatar")
        model, seconds = gr.Textbox("", label="Model"), gr.Number(3.0, label="Seconds")
        facing = gr.Dropdown(list(FACING), value=[], multiselect=True, label="Facing")
        form, moment = gr.Textbox("ply", label="Format"), gr.Number(-1.0, label="Moment")
        clear = gr.Checkbox(True, label="Transparent")

        def add(function: Callable[..., Any], inputs: list[Any], outputs: Any, where: str = "draw") -> None:
            name = function.__name__
            gr.Button(name).click(_sayable(function), inputs, outputs, api_name=name, concurrency_id=where)

        add(ends.offers, [], about, "look")
        add(ends.cutouts, [photos, matting], pictures, "look")
        add(ends.reconstruct, [photos, model, matting, size, fps, paper, facing], [video, avatar_made])
        add(ends.turntable, [avatar, size, fps, seconds, paper, framing, elevation], video)
        add(ends.animate, [avatar, motion, motion_file, size, fps, paper, framing, elevation], video)
        add(ends.export, [avatar, form, no_motion, motion_file, moment, size, fps, clear], file)


def _sayable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Its expected trouble becomes an error that Gradio hands to the caller, in one sentence."""
    from functools import wraps

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NopoError as error:
            raise gr.Error(_without_names(str(error), args), print_exception=False) from error

    return called


def _without_names(sentence: str, args: tuple[Any, ...]) -> str:
    """The sentence without the names of the caller's files, which nobody but the caller should read."""
    for each in args:
        if isinstance(each, list):
            for number, photo in enumerate(filter(_is_file, each), 1):
                sentence = sentence.replace(Path(photo).name, f"photo {number}")
        elif _is_file(each):
            sentence = sentence.replace(Path(each).name, "Your file")
    return capital(sentence)


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _few(photos: list[str] | None) -> list[str]:
    if not photos or len(photos) > MAX_VIEWS:
        raise NopoError(f"Give 1 to {MAX_VIEWS} photos of one person, not {len(photos or [])}.")
    return photos


def _offered(choice: str, choices: tuple[str, ...], what: str) -> str:
    """A choice that is offered; never a path, the server's files are not the visitor's."""
    if choice not in choices:
        raise NopoError(f"Choose one of the {what} {', '.join(choices)}.")
    return choice


def _avatar(avatar: str | None, visit: Visit) -> str:
    if avatar is not None:
        return avatar
    if visit.avatar is None or not visit.has_avatar:
        raise NopoError(MAKE_FIRST)
    return str(visit.avatar)
