"""Progress for the page: stage by stage, with seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from nopo.demo.work import Step

SAYS = {
    "preprocess": "Framing the person",
    "encode": "Making the avatar",
    "render": "Drawing the video",
    "export": "Writing the file",
}
WAITING = (
    '<ol class="progress running" data-say="Waiting for its turn">'
    '<li class="now"><b>Waiting for its turn</b><i></i><span></span></li></ol>'
)


@dataclass
class _Stage:
    name: str
    began: float | None = None
    ended: float | None = None
    done: int = 0
    total: int = 1


class Report:
    """What has been done, what is being done, and what comes, each with its seconds.

    `data-say` is what `nopo.demo.look.SPEAK` has a screen reader say: the stage, and not its running seconds.
    """

    def __init__(self, stages: Sequence[str], clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin.

        Args:
            stages: names of the stages in their order; others are added when they come.
            clock: gives seconds.
        """
        self._stages = {name: _Stage(name) for name in stages}
        self._clock = clock
        self._now: _Stage | None = None

    def take(self, step: Step) -> str:
        """Note a step.

        Returns:
            The list as HTML.
        """
        now = self._clock()
        if not step.stage:
            return self._html("running", now)
        stage = self._stages.setdefault(step.stage, _Stage(step.stage))
        if stage is not self._now:
            if self._now is not None:
                self._now.ended = now
            stage.began, stage.ended, self._now = stage.began or now, None, stage
        stage.done, stage.total = step.done, max(1, step.total)
        return self._html("running", now)

    def end(self, notice: str = "") -> str:
        """Everything is done.

        Returns:
            The list as HTML, with one more sentence if there is one to say.
        """
        now = self._clock()
        if self._now is not None:
            self._now.ended = now
        self._stages = {name: stage for name, stage in self._stages.items() if stage.began is not None}
        return self._html("done", now) + (said(notice) if notice else "")

    def _html(self, state: str, now: float) -> str:
        rows = "".join(self._row(stage, now) for stage in self._stages.values())
        say = "Done" if state == "done" else _label(self._now.name) if self._now else ""
        return f'<ol class="progress {state}" data-say="{say}">{rows}</ol>'

    def _row(self, stage: _Stage, now: float) -> str:
        label = _label(stage.name)
        if stage.began is None:
            return f'<li class="later"><b>{label}</b><i></i><span></span></li>'
        seconds = f"{(now if stage.ended is None else stage.ended) - stage.began:.1f} s"
        if stage.ended is not None:
            return f'<li class="done"><b>{label}</b><i></i><span>{seconds}</span></li>'
        count = f"{stage.done} of {stage.total} · " if stage.total > 1 else ""
        part = f' style="--part:{100 * stage.done / stage.total:.0f}%"' if stage.total > 1 else ""
        return f'<li class="now"{part}><b>{label}</b><i></i><span>{count}{seconds}</span></li>'


def _label(stage: str) -> str:
    return escape(SAYS.get(stage, SAYS["export"]))


def said(sentence: str, failed: bool = False) -> str:
    """One sentence as HTML."""
    words = escape(sentence)
    return f'<p class="said{" failed" if failed else ""}" data-say="{words}">{words}</p>'
