"""The page: in the order that a person thinks, photos, cut-outs, avatar, motion, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from nopo.demo import look, work
from nopo.demo.api import add_endpoints
from nopo.demo.brush import brush
from nopo.demo.examples import example_people
from nopo.demo.film import FRAMINGS, PAPER, RATES, SIZES, Film
from nopo.demo.handlers import Handlers
from nopo.demo.shelf import Shelf, about
from nopo.demo.shots import FACING, offered_matting
from nopo.demo.wire import Parts, wire
from nopo.export.formats import FORMATS
from nopo.motions import names
from nopo.pipeline import Pipeline
from nopo.preprocess.matte import SHIPPED
from nopo.views import MAX_VIEWS

QUEUE = 24
CACHE_CHECKED_EVERY_S, CACHE_KEPT_S = 600, 3600
PREVIEWS = Path(__file__).with_name("previews")
MATTING_WORDS = {
    "auto": "the best that is here",
    "birefnet-portrait": "BiRefNet portrait, slow and fine",
    "isnet-general-use": "IS-Net",
    "u2net_human_seg": "U²-Net for people",
    SHIPPED: "U²-Net, small and quick",
    "none": "none: photos are cut out",
}
FRAMING_WORDS = {"whole": "whole body", "half": "upper body", "head": "head"}


def build(pipeline: Pipeline) -> gr.Blocks:
    """The page on a loaded pipeline, to be launched with `look.theme()` and `look.CSS`."""
    handlers = Handlers(work.open_shop(pipeline))
    kept = (CACHE_CHECKED_EVERY_S, CACHE_KEPT_S)
    with gr.Blocks(title="nopo", analytics_enabled=False, delete_cache=kept) as page:
        gr.HTML(look.HEADER)
        parts: dict[str, Any] = {}
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320):
                parts |= _photos()
            with gr.Column(scale=1, min_width=320):
                parts |= {**_mattes(), **_make(), **_model(handlers.shelf)}
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=320):
                parts |= {**_avatar(), **_look()}
            with gr.Column(scale=1, min_width=320):
                parts |= _motions()
        parts |= _files()
        gr.HTML(look.footer(handlers.shelf.cards()))
        add_endpoints(handlers)  # first, for the plain names
        wire(Parts(**parts), handlers)
        page.unload(handlers.leave)
    page.queue(max_size=QUEUE, default_concurrency_limit=1)
    return page


def _matting() -> list[tuple[str, str]]:
    """Matting models to choose from, and what to call them."""
    return [(MATTING_WORDS[name], name) for name in offered_matting()]


def _photos() -> dict[str, Any]:
    gr.HTML(look.step(1, "Photos", f"1 to {MAX_VIEWS} of one person, whole body. One from behind makes the back real."))
    photos = gr.Gallery(
        label="Photos", elem_id="photos", show_label=False, interactive=True, file_types=["image"], type="filepath",
        sources=["upload", "webcam", "clipboard"], columns=4, height=190, object_fit="contain", fit_columns=False,
    )  # fmt: skip
    people = example_people()
    examples = gr.Gallery(
        [paths[0] for paths in people.values()],
        label="Examples", elem_id="examples", show_label=False, interactive=False, allow_preview=False, buttons=[],
        columns=5, object_fit="cover", visible=bool(people),
    )  # fmt: skip
    gr.HTML(look.CONSENT)
    return {"photos": photos, "examples": examples}


def _mattes() -> dict[str, Any]:
    gr.HTML(look.step(2, "Cut-outs", "What will be used of your photos. Press one to put it right."))
    mattes = gr.Gallery(
        label="Cut-outs", elem_id="mattes", show_label=False, interactive=False, allow_preview=False, buttons=[],
        columns=4, height=190, object_fit="contain", fit_columns=False,
    )  # fmt: skip
    status = gr.Markdown(elem_id="status")
    with gr.Column(visible=False, elem_id="fix") as fix:
        title = gr.Markdown("### Photo", elem_id="fix-title")
        opened = gr.Textbox(visible=False)
        canvas = brush()
        directions = [(words, facing) for facing, words in FACING.items()]
        facing = gr.Radio(directions, value="auto", label="Faces", elem_id="fix-facing", visible=False)
        matting = gr.Dropdown(_matting()[:-1], value="auto", label="Or cut out again by", elem_id="fix-matting")
        with gr.Row():
            mask = gr.UploadButton("Upload a mask", size="sm", file_types=["image"], elem_id="mask", min_width=110)
            drop = gr.Button("Remove this photo", size="sm", elem_id="drop", min_width=110)
            close = gr.Button("Close", size="sm", elem_id="close", min_width=80)
    return {
        "mattes": mattes, "status": status, "fix": fix, "fix_title": title, "opened": opened, "canvas": canvas,
        "fix_matting": matting, "fix_facing": facing, "mask": mask, "drop": drop, "close": close,
    }  # fmt: skip


def _make() -> dict[str, Any]:
    with gr.Row():
        make = gr.Button("Make the avatar", variant="primary", size="lg", interactive=False, elem_id="make", scale=3)
        stop = gr.Button("Stop", size="lg", visible=False, elem_id="stop-making", scale=1, min_width=90)
    return {"make": make, "stop_making": stop, "making": gr.HTML(elem_id="making")}


def _model(shelf: Shelf) -> dict[str, Any]:
    cards = shelf.cards()
    with gr.Accordion("Settings: model and cut-outs", open=False, elem_id="model-settings"):
        model = gr.Radio([card.name for card in cards], value=cards[0].name, label="Model", elem_id="model")
        about_model = gr.Markdown(about(cards[0]), elem_id="about-model")
        matting = gr.Dropdown(
            _matting(), value="auto", label="Cut-outs by", elem_id="matting",
            info="Some are downloaded when they are first used, which takes a minute.",
        )  # fmt: skip
    return {"model": model, "about_model": about_model, "matting": matting}


def _avatar() -> dict[str, Any]:
    gr.HTML(look.step(3, "Avatar", "Watch it turn, turn it by hand, let it move."))
    with gr.Tabs(selected="turntable", elem_id="stage") as stage:
        with gr.Tab("Turntable", id="turntable"):
            turntable = _video("turntable")
        with gr.Tab("Turn it by hand", id="by-hand") as by_hand:
            viewer = gr.HTML(look.NOTHING_TO_TURN, elem_id="viewer")
        with gr.Tab("Motion", id="motion"):
            animation = _video("animation")
    with gr.Row(visible=False) as files:
        save_turntable = gr.DownloadButton("Turntable, .mp4", size="sm", elem_id="save-turntable", min_width=110)
        save_animation = gr.DownloadButton("Motion, .mp4", size="sm", elem_id="save-animation", min_width=110)
        save_avatar = gr.DownloadButton("Avatar, .safetensors", size="sm", elem_id="save-avatar", min_width=110)
    return {
        "stage": stage, "turntable": turntable, "by_hand": by_hand, "viewer": viewer, "avatar_files": files,
        "save_turntable": save_turntable, "save_avatar": save_avatar, "animation": animation,
        "save_animation": save_animation,
    }  # fmt: skip


def _look() -> dict[str, Any]:
    usual = Film()
    with gr.Accordion("Settings: videos", open=False, elem_id="video-settings"):
        with gr.Row():
            size = gr.Dropdown(list(SIZES), value=usual.size, label="Side, pixels", min_width=100)
            fps = gr.Dropdown(list(RATES), value=usual.fps, label="Frames a second", min_width=100)
            seconds = gr.Slider(1, 12, usual.turn_seconds, step=0.5, label="A turn takes, seconds", min_width=160)
        with gr.Row():
            background = gr.ColorPicker(PAPER, label="Background", min_width=100)
            choices = [(FRAMING_WORDS[framing], framing) for framing in FRAMINGS]
            framing = gr.Radio(choices, value=usual.framing, label="In the picture", min_width=220)
            elevation = gr.Slider(-30, 60, usual.elevation_deg, step=5, label="Camera looks down, °", min_width=160)
        turn = gr.Button("Draw the turntable again", size="sm", interactive=False, elem_id="turn")
    return {
        "size": size, "fps": fps, "turn_seconds": seconds, "background": background, "framing": framing,
        "elevation": elevation, "turn": turn,
    }  # fmt: skip


def _motions() -> dict[str, Any]:
    gr.HTML(look.step(4, "Motion", "Press one: the same avatar moves, nothing is made again."))
    motions = gr.Gallery(
        [(str(PREVIEWS / f"{name}.webp"), name.replace("-", " ")) for name in names()],
        label="Motions", elem_id="motions", show_label=False, interactive=False, allow_preview=False, buttons=[],
        columns=7, object_fit="contain", height="auto", format="webp",
    )  # fmt: skip
    with gr.Row():
        own = gr.UploadButton(
            "Upload your motion", size="sm", elem_id="own-motion", file_types=[".npz", ".bvh", ".json", ".zip"],
            interactive=False, min_width=120,
        )  # fmt: skip
        again = gr.Button("Draw it again", size="sm", elem_id="again", interactive=False, min_width=120)
        stop = gr.Button("Stop", size="sm", visible=False, elem_id="stop-moving", min_width=80)
    moving = gr.HTML(elem_id="moving")
    gr.HTML(look.MOTION_FILES)
    return {"motions": motions, "own_motion": own, "again": again, "stop_moving": stop, "moving": moving}


def _files() -> dict[str, Any]:
    gr.HTML(look.step(5, "Files", "For viewers, 3D programs, games and film. Metres, y up."))
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            choices = [(each.label, each.key) for each in FORMATS.values()]
            kind = gr.Dropdown(choices, value="ply", label="Format", elem_id="kind", filterable=False)
            about_kind = gr.HTML(f"<p>{FORMATS['ply'].about}</p>", elem_id="about-kind")
        with gr.Column(scale=6, min_width=320):
            holds = gr.Radio([("T-pose", "t"), ("one pose of the motion", "pose")], value="t", label="It shows",
                             elem_id="holds")  # fmt: skip
            moment = gr.Slider(0, 1, 0, step=0.01, label="When in the motion, from 0 to 1", visible=False)
            clear = gr.Checkbox(True, label="Transparent background", visible=False, elem_id="clear")
    with gr.Row():
        write = gr.Button("Make the file", variant="primary", interactive=False, elem_id="write", scale=3)
        stop = gr.Button("Stop", visible=False, elem_id="stop-writing", scale=1, min_width=90)
        file = gr.DownloadButton("Save it", visible=False, elem_id="file", scale=1, min_width=120)
    writing = gr.HTML(elem_id="writing")
    return {
        "kind": kind, "about_kind": about_kind, "holds": holds, "moment": moment, "clear": clear, "write": write,
        "stop_writing": stop, "file": file, "writing": writing,
    }  # fmt: skip


def _video(name: str) -> gr.Video:
    return gr.Video(
        elem_id=name, label=name, show_label=False, interactive=False, autoplay=True, loop=True, height=440, buttons=[]
    )
