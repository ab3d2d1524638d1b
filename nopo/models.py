"""The models that can be named, each with a card: what it was trained for, and what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nopo.views import MAX_VIEWS

BLACK, WHITE = 0.0, 1.0
RESEARCH = "non-commercial research only"
HOME_OF_PUBLISHED = "https://wenj.github.io/NoPo-Avatar"


@dataclass(frozen=True)
class Model:
    """One model that can be named.

    Attributes:
        name: what `Pipeline.load` and the command line call it.
        file: its file, under the name that it was published with.
        frame_size: (height, width) of the photos that it was trained on, pixels.
        views: how many photos of a person it was trained for; None for any number up to 8.
        background: grey level in [0, 1] around the person.
        training: the data it was trained on.
        licence: what its weights may be used for.
        published: one of NoPo-Avatar's own, which nopo reads but never ships; it needs the user's SMPL-X files.
    """

    name: str
    file: str
    frame_size: tuple[int, int]
    views: int | None
    background: float
    training: str
    licence: str
    published: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """Names of files that hold it, the one that starts fastest first (see `nopo export`)."""
        return tuple(dict.fromkeys((Path(self.file).stem + ".safetensors", self.file)))

    @property
    def photos(self) -> str:
        """How many photos to give, in words."""
        return "one photo" if self.views == 1 else f"{self.views or f'1 to {MAX_VIEWS}'} photos"


OPEN = Model(
    name="open",
    file="open.safetensors",
    frame_size=(512, 512),
    views=None,
    background=WHITE,
    training="synthetic people of this project",
    licence="Apache-2.0",
    published=False,
)

MODELS = (
    OPEN,
    Model(
        name="nopo-avatar/thuman2.0-3view",
        file="thuman2.0_inputs3_res1024_iter50000.ckpt",
        frame_size=(1024, 1024),
        views=3,
        background=BLACK,
        training="THuman2.0",
        licence=RESEARCH,
    ),
    Model(
        name="nopo-avatar/thuman2.1-3view",
        file="thuman2.1_inputs3_res1024_iter50000.ckpt",
        frame_size=(1024, 1024),
        views=3,
        background=BLACK,
        training="THuman2.1",
        licence=RESEARCH,
    ),
    Model(
        name="nopo-avatar/thuman2.1-huge100k-3view",
        file="thuman2.1_huge100k_inputs3_res1024_iter90000.ckpt",
        frame_size=(1024, 1024),
        views=3,
        background=BLACK,
        training="THuman2.1 and HuGe100K",
        licence=RESEARCH,
    ),
    Model(
        name="nopo-avatar/huge100k-1view",
        file="huge100k_inputs1_res896_iter80000.ckpt",
        frame_size=(896, 640),
        views=1,
        background=WHITE,
        training="HuGe100K",
        licence=RESEARCH,
    ),
)


def named(name: str) -> Model | None:
    """The model of this name, or None."""
    return next((model for model in MODELS if model.name == name), None)


def of_file(file: str) -> Model | None:
    """The model whose file has this name, as published or as `nopo export` rewrites it; None if no model has."""
    return next((model for model in MODELS if file in model.files), None)


def of_network(name: str, template_size: int) -> Model:
    """A card for a checkpoint under no known name: our own network, or another training of the published one.

    Args:
        name: of the network's architecture, `ModelConfig.name`.
        template_size: of the network, texels; the published training always had square photos of the same size.
    """
    if name == OPEN.name:
        return OPEN
    return Model(
        name=name,
        file="",
        frame_size=(template_size, template_size),
        views=None,
        background=BLACK,
        training="not told",
        licence="see where it came from; the published ones are for non-commercial research only",
    )
