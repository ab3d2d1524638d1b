"""Which function each event of the page calls. While work is in progress only "Stop" can be pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from nopo.demo.examples import example_people
from nopo.demo.handlers import Handlers
from nopo.demo.work import FILMS
from nopo.export.formats import FORMATS
from nopo.export.moving import MOVING

QUIETLY: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
WORKING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "draw"}
LOOKING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "look"}


WHOLE = {"html": "all built-in motions", "avatar": "the whole avatar"}
"""What these formats hold without a motion or a pose; the others the T-pose."""


@dataclass(frozen=True)
class Parts:
    """The components that the buttons need."""

    photos: gr.Gallery
    examples: gr.Gallery
    mattes: gr.Gallery
    status: gr.Markdown
    fix: gr.Column
    fix_title: gr.Markdown
    opened: gr.Textbox
    canvas: gr.HTML
    fix_matting: gr.Dropdown
    fix_facing: gr.Radio
    mask: gr.UploadButton
    drop: gr.Button
    close: gr.Button
    make: gr.Button
    stop_making: gr.Button
    making: gr.HTML
    model: gr.Radio
    about_model: gr.Markdown
    matting: gr.Dropdown
    stage: gr.Tabs
    turntable: gr.Video
    by_hand: gr.Tab
    viewer: gr.HTML
    avatar_files: gr.Row
    save_turntable: gr.DownloadButton
    save_avatar: gr.DownloadButton
    size: gr.Dropdown
    fps: gr.Dropdown
    turn_seconds: gr.Slider
    background: gr.ColorPicker
    framing: gr.Radio
    elevation: gr.Slider
    turn: gr.Button
    motions: gr.Gallery
    own_motion: gr.UploadButton
    again: gr.Button
    stop_moving: gr.Button
    moving: gr.HTML
    animation: gr.Video
    save_animation: gr.DownloadButton
    kind: gr.Dropdown
    about_kind: gr.HTML
    holds: gr.Radio
    moment: gr.Slider
    clear: gr.Checkbox
    write: gr.Button
    stop_writing: gr.Button
    writing: gr.HTML
    file: gr.DownloadButton


def wire(parts: Parts, handlers: Handlers) -> None:
    """Connect everything."""
    presses = [parts.make, parts.turn, parts.own_motion, parts.again, parts.write]
    stops = [parts.stop_making, parts.stop_moving, parts.stop_writing]
    shown = [parts.avatar_files, parts.save_animation, parts.animation]
    states = [*presses, *stops, *shown]
    _wire_photos(parts, handlers, states)

    def work(event: Callable[..., Any], stop: gr.Button, function: Any, inputs: list[Any], outputs: list[Any]) -> None:
        """Nothing else can be pressed while `function` works; afterwards everything that makes sense can."""

        def begin(request: gr.Request) -> list[Any]:
            off = [gr.update(interactive=False)] * len(presses)
            return [handlers.begin(request), *off, *[gr.update(visible=each is stop) for each in stops]]

        busy = event(begin, None, [outputs[0], *presses, *stops], **QUIETLY)
        done = busy.then(function, inputs, outputs, **WORKING)
        for end in (done.success, done.failure):  # "then" is skipped after a failure (Gradio 6.31)
            end(handlers.ended, None, states, **QUIETLY)

    look = [parts.size, parts.fps, parts.turn_seconds, parts.background, parts.framing, parts.elevation]
    turned = [parts.making, parts.turntable, parts.save_turntable, parts.stage]
    moved = [parts.moving, parts.animation, parts.save_animation, parts.stage]
    made = [*turned, parts.save_avatar, parts.viewer, parts.file, parts.writing]
    work(parts.make.click, parts.stop_making, handlers.reconstruct, look, made)
    work(parts.turn.click, parts.stop_making, handlers.turn, look, turned)
    parts.by_hand.select(handlers.by_hand, None, parts.viewer, **LOOKING)
    picked = parts.motions.select(handlers.pick, None, None, **QUIETLY)
    work(picked.then, parts.stop_moving, handlers.again, look, moved)
    brought = parts.own_motion.upload(handlers.bring, parts.own_motion, None, **QUIETLY)
    work(brought.then, parts.stop_moving, handlers.again, look, moved)
    work(parts.again.click, parts.stop_moving, handlers.again, look, moved)
    parts.kind.change(about_format, parts.kind, [parts.about_kind, parts.holds, parts.clear, parts.file], **QUIETLY)
    parts.holds.change(lambda holds: gr.update(visible=holds == "pose"), parts.holds, parts.moment, **QUIETLY)
    wish = [parts.kind, parts.holds, parts.moment, parts.clear, *look]
    work(parts.write.click, parts.stop_writing, handlers.write, wish, [parts.writing, parts.file])
    gr.on([stop.click for stop in stops], handlers.stop, **QUIETLY)


def about_format(kind: str) -> tuple[Any, ...]:
    """What opens the format, what it can hold, whether without a background; and the file that was made is gone."""
    chosen = FORMATS[kind]
    holds = []
    if not chosen.moves:
        holds.append((WHOLE.get(kind, "T-pose"), "t"))
    if chosen.takes_pose:
        holds.append(("one pose of the motion", "pose"))
    if kind in FILMS:
        holds.append(("one turn", "t"))
    if chosen.takes_motion:
        holds.append(("the motion", "motion"))
    clear = kind in FILMS and MOVING[chosen.suffix].transparent
    usual = holds[-1][1] if chosen.moves else holds[0][1]
    return (
        f"<p>{chosen.about}</p>",
        gr.update(choices=holds, value=usual),
        gr.update(visible=clear),
        gr.update(visible=False),
    )


def _wire_photos(parts: Parts, handlers: Handlers, states: list[Any]) -> None:
    """Photos and cut-outs."""
    seen = [parts.mattes, parts.status]

    def settle(event: Any) -> None:
        for end in (event.success, event.failure):
            end(handlers.states, None, states, **QUIETLY)

    looking = {**LOOKING, "outputs": [*seen, parts.fix]}
    given = [parts.photos, parts.matting]
    # A gallery that the server fills does not say that it changed.
    example = parts.examples.select(take_example, None, parts.photos, **QUIETLY)
    for event, function, inputs in (
        (parts.photos.change, handlers.take, given),
        (parts.matting.input, handlers.take_again, parts.matting),
        (example.then, handlers.take, given),
    ):
        waits = event(handlers.wait, None, parts.make, trigger_mode="always_last", **QUIETLY)
        settle(waits.then(function, inputs, trigger_mode="always_last", **looking))
    parts.model.input(handlers.choose, parts.model, [parts.about_model, parts.status, parts.fix_facing], **QUIETLY)

    # Which photo is meant goes with each event: until its turn comes, another may have been opened.
    which = parts.opened
    drawable = [parts.fix_title, parts.canvas]
    opened = [parts.fix, *drawable, parts.fix_matting, parts.fix_facing, which]
    parts.mattes.select(handlers.open, None, opened, **QUIETLY)
    parts.fix_facing.input(handlers.face, [which, parts.fix_facing], parts.mattes, **QUIETLY)
    parts.close.click(handlers.close, None, parts.fix, **QUIETLY)
    settle(parts.fix_matting.input(handlers.cut_again, [which, parts.fix_matting], [*seen, *drawable], **LOOKING))
    settle(parts.mask.upload(handlers.use_mask, [which, parts.mask], [*seen, *drawable], **LOOKING))
    settle(parts.canvas.submit(handlers.use_drawing, which, [*seen, *drawable, parts.fix], **LOOKING))
    settle(parts.drop.click(handlers.drop, which, [parts.photos, *seen, parts.fix], **LOOKING))


def take_example(chosen: gr.SelectData) -> list[tuple[str, None]]:
    """All photos of the person who was pressed."""
    return [(path, None) for path in list(example_people().values())[chosen.index]]
