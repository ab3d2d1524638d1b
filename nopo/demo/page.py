"""The page: in the order that a person thinks, photos, cut-outs, avatar, motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from nopo.demo import look
from nopo.demo.examples import example_people
from nopo.demo.handlers import SIZES, Handlers
from nopo.demo.shelf import Shelf, about
from nopo.motions import names
from nopo.pipeline import Pipeline
from nopo.views import MAX_VIEWS

QUEUE = 24
CACHE_CHECKED_EVERY_S, CACHE_KEPT_S = 600, 3600
MATTING = [("best that is here", "auto"), ("U²-Net, small", "u2netp"), ("none: photos are cut out", "none")]
QUIETLY: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Parts:
    """The components that the buttons need."""

    photos: gr.Gallery
    examples: gr.Gallery
    matting: gr.Dropdown
    model: gr.Radio
    about_model: gr.Markdown
    size: gr.Dropdown
    mattes: gr.Gallery
    status: gr.Markdown
    make: gr.Button
    stop: gr.Button
    turntable: gr.Video
    avatar_files: gr.Row
    save_turntable: gr.DownloadButton
    save_avatar: gr.DownloadButton
    motion: gr.Radio
    move: gr.Button
    animation: gr.Video
    animation_files: gr.Row
    save_animation: gr.DownloadButton


def build(pipeline: Pipeline) -> gr.Blocks:
    """The page on a loaded pipeline, to be launched with `look.theme()` and `look.CSS`."""
    handlers = Handlers(pipeline)
    kept = (CACHE_CHECKED_EVERY_S, CACHE_KEPT_S)
    with gr.Blocks(title="nopo", analytics_enabled=False, delete_cache=kept) as page:
        gr.HTML(look.HEADER)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320):
                left = {**_photos(handlers.shelf), **_mattes()}
            with gr.Column(scale=6, min_width=320):
                right = {**_avatar(), **_motion()}
        gr.HTML(look.FOOTER.format(model=pipeline.card.name, licence=pipeline.card.licence))
        _wire(Parts(**left, **right), handlers)
        page.unload(handlers.leave)
    page.queue(max_size=QUEUE, default_concurrency_limit=1)
    return page


def _photos(shelf: Shelf) -> dict[str, Any]:
    gr.HTML(look.step(1, "Photos", f"1 to {MAX_VIEWS} of one person, whole body. One from the front works best."))
    photos = gr.Gallery(
        label="Photos", elem_id="photos", show_label=False, interactive=True, file_types=["image"], type="filepath",
        columns=4, height=180, object_fit="contain", fit_columns=False,
    )  # fmt: skip
    people = example_people()
    examples = gr.Gallery(
        [paths[0] for paths in people.values()],
        label="Examples", elem_id="examples", show_label=False, interactive=False, allow_preview=False, buttons=[],
        columns=5, object_fit="cover", visible=bool(people),
    )  # fmt: skip
    cards = shelf.cards()
    with gr.Accordion("Settings", open=False):
        model = gr.Radio(
            [card.name for card in cards], value=cards[0].name, label="Model", elem_id="model", visible=len(cards) > 1
        )
        about_model = gr.Markdown(about(cards[0]), elem_id="about-model", visible=len(cards) > 1)
        matting = gr.Dropdown(MATTING, value="auto", label="Cut-out by")
        size = gr.Dropdown(list(SIZES), value=512, label="Side of the videos, pixels")
    return {
        "photos": photos, "examples": examples, "model": model, "about_model": about_model, "matting": matting,
        "size": size,
    }  # fmt: skip


def _mattes() -> dict[str, Any]:
    gr.HTML(look.step(2, "Cut-outs", "What will be used of your photos."))
    mattes = gr.Gallery(
        label="Cut-outs", elem_id="mattes", show_label=False, interactive=False, format="png", buttons=[],
        columns=4, height=180, object_fit="contain", fit_columns=False,
    )  # fmt: skip
    status = gr.Markdown(elem_id="status")
    with gr.Row():
        make = gr.Button("Make the avatar", variant="primary", size="lg", interactive=False, elem_id="make", scale=3)
        stop = gr.Button("Stop", variant="secondary", size="lg", visible=False, elem_id="stop", scale=1)
    return {"mattes": mattes, "status": status, "make": make, "stop": stop}


def _avatar() -> dict[str, Any]:
    gr.HTML(look.step(3, "Avatar", "Seen from all around."))
    turntable = _video("turntable")
    with gr.Row(visible=False) as files:
        save_turntable = gr.DownloadButton("Turntable, .mp4", size="sm")
        save_avatar = gr.DownloadButton("Avatar, .safetensors", size="sm", elem_id="save-avatar")
    return {
        "turntable": turntable, "avatar_files": files, "save_turntable": save_turntable, "save_avatar": save_avatar
    }  # fmt: skip


def _motion() -> dict[str, Any]:
    gr.HTML(look.step(4, "Motion", "The same avatar moves; nothing is made again."))
    choices = [(name.replace("-", " "), name) for name in names()]
    motion = gr.Radio(choices, value=choices[1][1], show_label=False, container=False, elem_id="motion")
    move = gr.Button("Animate", variant="primary", interactive=False, elem_id="move")
    animation = _video("animation")
    with gr.Row(visible=False) as files:
        save = gr.DownloadButton("Animation, .mp4", size="sm")
    return {"motion": motion, "move": move, "animation": animation, "animation_files": files, "save_animation": save}


def _video(name: str) -> gr.Video:
    return gr.Video(
        elem_id=name, label=name, show_label=False, interactive=False, autoplay=True, loop=True, height=420, buttons=[]
    )


def _wire(parts: Parts, handlers: Handlers) -> None:
    """Which function each event calls. While work is in progress only "Stop" can be pressed."""
    states = [parts.make, parts.move, parts.stop, parts.avatar_files, parts.animation_files, parts.animation]
    matting: dict[str, Any] = {
        "fn": handlers.mattes,
        "inputs": [parts.photos, parts.matting],
        "outputs": [parts.mattes, parts.status],
        "show_progress_on": [parts.mattes],
    }
    changes = [parts.photos.change, parts.matting.change]
    matted = gr.on(changes, **matting, trigger_mode="always_last", api_name="mattes")
    # A gallery that the server fills does not say that it changed.
    taken = parts.examples.select(_take_example, None, [parts.photos], **QUIETLY)
    example_matted = taken.then(**matting, api_visibility="private")
    chosen = parts.model.input(handlers.choose, [parts.model], [parts.about_model], api_name="choose", queue=False)
    chosen_matted = chosen.success(**matting, api_visibility="private")
    made = parts.make.click(_busy, None, states[:3], **QUIETLY).then(
        handlers.reconstruct,
        [parts.size],
        [parts.turntable, parts.save_turntable, parts.save_avatar],
        api_name="reconstruct",
        show_progress_on=[parts.turntable],
        concurrency_id="draw",
    )
    moved = parts.move.click(_busy, None, states[:3], **QUIETLY).then(
        handlers.animate,
        [parts.motion, parts.size],
        [parts.animation, parts.save_animation],
        api_name="animate",
        show_progress_on=[parts.animation],
        concurrency_id="draw",
    )
    for work in (matted, example_matted, chosen_matted, made, moved):
        work.success(handlers.states, None, states, **QUIETLY)
        work.failure(handlers.states, None, states, **QUIETLY)  # "then" is skipped after a failure (Gradio 6.31)
    parts.stop.click(handlers.stop, **QUIETLY)


def _take_example(chosen: gr.SelectData) -> list[tuple[str, None]]:
    """The photo that was pressed."""
    return [(list(example_people().values())[chosen.index][0], None)]


def _busy() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return gr.update(interactive=False), gr.update(interactive=False), gr.update(visible=True)
