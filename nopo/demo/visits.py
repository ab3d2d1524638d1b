"""One folder and one stop button for each visitor; nothing of one visitor is ever given to another."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nopo.demo.shots import Shot
from nopo.errors import Cancelled

FORGOTTEN_AFTER_S = 3600.0
LEFT_AFTER_S = 600.0
"""A page that seems to be closed may be a phone that changes networks: so long its visitor may come back."""

LOOKED_AFTER_EVERY_S = 600.0
PREFIX = "nopo-visit-"
UPLOADS = "GRADIO_TEMP_DIR"
"""Where Gradio keeps what is uploaded and what is shown, if the owner or we say so."""


def keep_uploads_apart() -> None:
    """Give Gradio a folder of this process, so that what a killed server left can be told from what is in use."""
    if not os.environ.get(UPLOADS):
        folder = tempfile.mkdtemp(prefix=f"{PREFIX}uploads-")
        os.environ[UPLOADS] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@dataclass
class Visit:
    """What the server keeps of one visitor.

    Attributes:
        folder: files made for this visitor, removed when the page is closed or after an hour without a visit.
        shots: the photos and their cut-outs.
        opened: key of the one that is being put right; empty if none is.
        waiting: whether photos came that nobody has looked at yet.
        busy: whether something is made, or waits for its turn to be.
        avatar: file of the avatar that was made last.
        model: the model that was chosen last; empty for the page's own.
        motion: name of a built-in motion, or path of the visitor's own, that was chosen last.
        by_hand: which avatar and motion the viewer shows.
        moved: whether the present avatar has been animated.
        left: whether the visitor is gone, and the folder with them.
    """

    folder: Path
    shots: list[Shot] = field(default_factory=list)
    opened: str = ""
    waiting: bool = False
    busy: bool = False
    avatar: Path | None = None
    model: str = ""
    motion: str = ""
    by_hand: str = ""
    moved: bool = False
    left: bool = False
    last_seen: float = field(default_factory=time.monotonic)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def has_avatar(self) -> bool:
        """Whether an avatar has been made."""
        return self.avatar is not None and self.avatar.is_file()

    def new_file(self, suffix: str) -> Path:
        """A file of a new name, so that no browser shows an older one in its place."""
        return self.folder / f"{secrets.token_hex(6)}{suffix}"

    def keep_files(self) -> None:
        """Touch what is old, so that neither Gradio, which tidies its uploads, nor another server takes it for left."""
        for path in (str(self.folder), *(shot.photo for shot in self.shots), self.motion):
            if os.path.isabs(path):  # a built-in motion has a name only
                with contextlib.suppress(OSError):
                    os.utime(path)

    def start(self) -> None:
        """Work begins, or waits for its turn: forget earlier wishes to stop."""
        self.busy = True
        self._stopped.clear()

    def stop(self) -> None:
        """Ask the work in progress to stop."""
        self._stopped.set()

    def check(self) -> None:
        """Called between units of work.

        Raises:
            Cancelled: the visitor pressed stop, or left.
        """
        if self.left or self._stopped.is_set():
            raise Cancelled("Stopped.")

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Around work that writes into the folder: what it made of a folder whose visitor has left is removed."""
        try:
            yield
        finally:
            if self.left:
                shutil.rmtree(self.folder, ignore_errors=True)


class Visits:
    """Every open visit, by the random name that Gradio gives each opened page."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._look_after, daemon=True, name="nopo-visits").start()

    def of(self, session: str | None) -> Visit:
        """The visit of a session, begun when it is new; without a session, one that nobody comes back to."""
        with self._lock:
            key = session or secrets.token_hex(6)
            if key not in self._visits:
                self._visits[key] = Visit(Path(tempfile.mkdtemp(prefix=PREFIX)))
            visit = self._visits[key]
            visit.last_seen = time.monotonic()
            return visit

    def leave(self, session: str | None) -> None:
        """The visitor seems to have gone: stop their work at once, and end the visit unless they come back soon."""
        with self._lock:
            visit = self._visits.get(session or "")
        if visit is None:
            return
        visit.stop()
        seen = visit.last_seen

        def end() -> None:
            if visit.last_seen == seen and self._visits.get(session or "") is visit:
                self.end(session)

        timer = threading.Timer(LEFT_AFTER_S, end)
        timer.daemon = True
        timer.start()

    def end(self, session: str | None) -> None:
        """Stop the visitor's work and remove the folder."""
        with self._lock:
            visit = self._visits.pop(session or "", None)
        if visit is not None:
            visit.left = True
            shutil.rmtree(visit.folder, ignore_errors=True)

    def end_all(self) -> None:
        """When the server stops."""
        self._ended.set()
        for session in list(self._visits):
            self.end(session)

    def forget_old(self) -> None:
        """End the visits of those who left without saying so, and remove what a killed server left."""
        limit = time.monotonic() - FORGOTTEN_AFTER_S
        for session, visit in list(self._visits.items()):
            if visit.last_seen < limit:
                self.end(session)
            else:
                visit.keep_files()
        uploads = Path(os.environ.get(UPLOADS, ""))
        if uploads.name.startswith(PREFIX):
            with contextlib.suppress(OSError):
                os.utime(uploads)
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > FORGOTTEN_AFTER_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def _look_after(self) -> None:
        self.forget_old()
        while not self._ended.wait(LOOKED_AFTER_EVERY_S):
            self.forget_old()
