"""One folder and one stop button for each visitor; nothing of one visitor is ever given to another."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from nopo.errors import Cancelled
from nopo.views import Views

FORGOTTEN_AFTER_S = 3600.0


@dataclass
class Visit:
    """What the server keeps of one visitor.

    Attributes:
        folder: files made for this visitor, removed when the page is closed or after an hour without a visit.
        views: the photos as the network will see them; None until they are matted.
        model: the model that was chosen last; empty for the page's own.
        framed_for: the model that `views` were framed for.
        moved: whether the present avatar has been animated.
    """

    folder: Path
    views: Views | None = None
    model: str = ""
    framed_for: str = ""
    moved: bool = False
    last_seen: float = field(default_factory=time.monotonic)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def avatar(self) -> Path:
        """The avatar's file, which may not be there yet."""
        return self.folder / "avatar.safetensors"

    def start(self) -> None:
        """Forget earlier wishes to stop."""
        self._stopped.clear()

    def stop(self) -> None:
        """Ask the work in progress to stop."""
        self._stopped.set()

    def check(self) -> None:
        """Called between units of work.

        Raises:
            Cancelled: the visitor pressed stop, or left.
        """
        if self._stopped.is_set():
            raise Cancelled("Stopped.")


class Visits:
    """Every open visit, by the random name that Gradio gives each opened page."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def of(self, session: str | None) -> Visit:
        """The visit of a session, begun when it is new."""
        self._forget_old()
        with self._lock:
            key = session or "local"
            if key not in self._visits:
                self._visits[key] = Visit(Path(tempfile.mkdtemp(prefix="nopo-visit-")))
            visit = self._visits[key]
            visit.last_seen = time.monotonic()
            return visit

    def end(self, session: str | None) -> None:
        """Stop the visitor's work and remove the folder."""
        with self._lock:
            visit = self._visits.pop(session or "local", None)
        if visit is not None:
            visit.stop()
            shutil.rmtree(visit.folder, ignore_errors=True)

    def end_all(self) -> None:
        """When the server stops."""
        for session in list(self._visits):
            self.end(session)

    def _forget_old(self) -> None:
        limit = time.monotonic() - FORGOTTEN_AFTER_S
        for session in [key for key, visit in list(self._visits.items()) if visit.last_seen < limit]:
            self.end(session)
