"""The models that the page offers: those that are on this machine, each loaded when it is first chosen."""

from __future__ import annotations

import threading

from nopo.errors import NopoError
from nopo.models import MODELS, Model
from nopo.pipeline import Pipeline
from nopo.weights import is_present


class Shelf:
    """The page's own model, always loaded, and one of the others: they are large."""

    def __init__(self, first: Pipeline) -> None:
        self.first = first
        self._other: Pipeline | None = None
        self._one_at_a_time = threading.Lock()

    def cards(self) -> list[Model]:
        """What can be chosen, the page's own first."""
        own = self.first.card
        return [own, *(model for model in MODELS if model.name != own.name and is_present(model))]

    def card(self, name: str) -> Model:
        """The card of a model that is offered.

        Raises:
            NopoError: it is not; a path never is, the server's files are not the visitor's.
        """
        card = next((card for card in self.cards() if card.name == name), None)
        if card is None:
            raise NopoError(f"Choose one of the models {', '.join(card.name for card in self.cards())}.")
        return card

    def hears_facing(self, name: str) -> bool:
        """Whether a model can be told where people face; of the others, which are not loaded to be asked, none can."""
        return name == self.first.card.name and self.first.network.config.facing is not None

    def take(self, name: str) -> Pipeline:
        """The pipeline of a model that is offered, loaded if it is not the one that was asked for last.

        Raises:
            NopoError: it is not offered, its file is damaged, or SMPL-X is missing.
        """
        if name == self.first.card.name:
            return self.first
        self.card(name)
        with self._one_at_a_time:
            if self._other is None or self._other.card.name != name:
                self._other = None  # its memory first
                self._other = Pipeline.load(name, str(self.first.device))
            return self._other


def about(card: Model) -> str:
    """What a visitor should know before choosing a model: one line."""
    height, width = card.frame_size
    return f"{card.photos} of {height} × {width} · {card.licence}"
