"""Pipeline: photos in, avatar out, pictures of it; the only place that knows the order of the stages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nopo import show
from nopo.articulate import leaf_bones_of, warp_shape
from nopo.avatar import Avatar
from nopo.body.open import load_open_body
from nopo.encode.checkpoint import load_network, read_metadata
from nopo.encode.config import PATCH
from nopo.encode.detail import shrink
from nopo.encode.facing import directions
from nopo.errors import NopoError
from nopo.models import OPEN, Model, of_file, of_network
from nopo.motion import Motion
from nopo.preprocess.load import Source
from nopo.preprocess.stage import Preprocessed, preprocess
from nopo.progress import Progress, silent
from nopo.views import Views
from nopo.weights import resolve

if TYPE_CHECKING:
    from nopo.body.template import Template
    from nopo.encode.network import Network

LOGGER = logging.getLogger(__name__)

MOST_PIXELS = 3 * 512**2
"""Of one person's photos together, as many Gaussians at most: eight photos at full size would need 3 GiB."""


class Pipeline:
    """One loaded model. Several threads may use it at once: the network runs for one of them at a time."""

    def __init__(
        self,
        network: Network,
        template: Template,
        device: torch.device,
        card: Model = OPEN,
        template_joints: torch.Tensor | None = None,
        *,
        bf16: bool = False,
    ) -> None:
        """Put a network to work.

        Args:
            network: of any preset.
            template: maps of the network's template size.
            device: where the network runs.
            card: what the network was trained for.
            template_joints: (55, 3) joints of the template's body, metres, if the network does not carry them.
            bf16: run the network in bfloat16, on CUDA.
        """
        if bf16 and device.type != "cuda":
            raise NopoError("bfloat16 is for CUDA; leave it out on this device.")
        self.network = network.to(device).eval()
        self.template = template.to(device)
        self.device = device
        self.card = card
        self.template_joints = template_joints
        self.bf16 = bf16
        self._one_at_a_time = threading.Lock()

    @staticmethod
    def load(
        model: str | Path = "open",
        device: str = "auto",
        *,
        smplx: str | Path | None = None,
        card: Model | None = None,
        bf16: bool = False,
    ) -> Pipeline:
        """Load a model once, use it many times.

        Args:
            model: a name that `nopo info` lists, or the path of a checkpoint.
            device: "auto" (CUDA when there is some), "cpu", "cuda" or "cuda:1".
            smplx: folder of the user's SMPL-X files, which the published models need; see `nopo.body.smplx.find_smplx`.
            card: frame size and background that the network was trained for; by default those of the file's name.
            bf16: run the network in bfloat16, on CUDA: faster and leaner, less exact (benchmarks/encoder.py says by how
                much).

        Raises:
            WeightsError: the checkpoint is missing, gated, damaged, or made for another network.
            BodyError: the SMPL-X files are missing.
            NopoError: no such device.
        """
        where = choose_device(device)
        path = resolve(model)
        network = load_network(path)
        config = network.config
        card = card or _card(path) or of_network(config.name, config.template_size)
        if network.template_joints is not None:
            return Pipeline(network, load_open_body().template(config.template_size), where, card, bf16=bf16)
        from nopo.body.smplx import load_smplx

        body = load_smplx("male", smplx)  # whose skinning weights the published models saw
        return Pipeline(network, body.template(config.template_size), where, card, body.rest_joints(), bf16=bf16)

    def preprocess(
        self,
        photos: Sequence[Source],
        *,
        matting: str = "auto",
        masks: Sequence[Source | None] | None = None,
        progress: Progress = silent,
    ) -> Preprocessed:
        """Decode, matte and frame 1 to 8 photos as the model's card says; see `nopo.preprocess.stage.preprocess`."""
        card = self.card
        if card.views is not None and card.views != len(photos):
            LOGGER.warning("%s was trained for %s, not for %d.", card.name, card.photos, len(photos))
        return preprocess(
            photos,
            size=card.frame_size,
            background=card.background,
            matting=matting,
            masks=masks,
            progress=progress,
        )

    def encode(
        self,
        views: Views,
        *,
        rest_joints: torch.Tensor | None = None,
        facing: Sequence[str | None] | None = None,
        progress: Progress = silent,
    ) -> Avatar:
        """The network's work: an avatar, on the CPU.

        Args:
            views: framed photos.
            rest_joints: (55, 3) joints of the subject's own T-pose, metres, if they are known. Without them the open
                model predicts them, and the published ones stay in the proportions of their template.
            facing: for each photo, where the person faces, if you want to say so: "front", "back", or the picture's
                "left" or "right"; "auto" leaves it to the network.
            progress: told before and after.

        Raises:
            NopoError: not one direction for each photo, or the model cannot be told.
        """
        if facing is not None and len(facing) != len(views.images):
            raise NopoError(f"Give one direction for each of the {len(views.images)} photos, not {len(facing)}.")
        told = None if facing is None else directions(facing)
        progress("encode", 0, 1)
        images, masks = self._within_budget(views)
        with self._one_at_a_time, torch.inference_mode():
            images, masks = images.to(self.device), masks.to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                prediction = self.network(images, masks, self.template, told)
            avatar = replace(prediction.avatar(self.template_joints), model=self.card.name)
            own = prediction.rest_joints if rest_joints is None else rest_joints
            avatar = in_own_proportions(avatar, own).to("cpu")
        progress("encode", 1, 1)
        return avatar

    def _within_budget(self, views: Views) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and masks, less fine if there are many of them and the network sees them smaller anyway."""
        images, masks = views.images, views.masks
        height, width = masks.shape[1:]
        seen = self.network.config.seen_size(height, width)
        if masks.numel() <= MOST_PIXELS or seen == (height, width):
            return images, masks
        sizes = ((rows, width * rows // height) for rows in range(height, seen[0], -PATCH))
        fitting = (size for size in sizes if len(masks) * size[0] * size[1] <= MOST_PIXELS)
        return shrink(images, masks, next(fitting, seen))

    def reconstruct(
        self,
        photos: Sequence[Source],
        *,
        matting: str = "auto",
        rest_joints: torch.Tensor | None = None,
        facing: Sequence[str | None] | None = None,
        progress: Progress = silent,
    ) -> Avatar:
        """Photos to avatar.

        Args:
            photos: 1 to 8 photos of one person, in any poses: paths, PIL images or uint8 arrays.
            matting: which matting model, see `nopo.preprocess.matte.CHOICES`.
            rest_joints: the subject's proportions, see `encode`.
            facing: where the person faces in each photo, see `encode`.
            progress: told what is done; raise `Cancelled` from it to stop.

        Raises:
            PhotoError: a photo cannot be read, or there are none or too many.
            MatteError: nobody in a photo, or no background.
        """
        views = self.preprocess(photos, matting=matting, progress=progress).views
        return self.encode(views, rest_joints=rest_joints, facing=facing, progress=progress)

    def turntable(self, avatar: Avatar, **options: Any) -> Iterator[np.ndarray]:
        """Frames of a turn around the avatar; options as in `nopo.show.turntable`."""
        return show.turntable(avatar.to(self.device), **options)

    def animate(self, avatar: Avatar, motion: Motion, **options: Any) -> Iterator[np.ndarray]:
        """Frames of the avatar in motion; options as in `nopo.show.animate`."""
        return show.animate(avatar.to(self.device), motion, **options)

    def view(self, avatar: Avatar, azimuth_deg: float = 0.0, elevation_deg: float = 5.0, **options: Any) -> np.ndarray:
        """One picture; options as in `nopo.show.view`."""
        return show.view(avatar.to(self.device), azimuth_deg, elevation_deg, **options)


def in_own_proportions(avatar: Avatar, rest_joints: torch.Tensor | None) -> Avatar:
    """An avatar in its template's proportions, moved into the subject's own.

    Args:
        avatar: around the template's joints.
        rest_joints: (55, 3) of the subject, metres; None leaves the avatar as it is.
    """
    if rest_joints is None:
        return avatar
    own = rest_joints.to(avatar.rest_joints)
    gaussians = warp_shape(avatar.gaussians, avatar.bone_weights, avatar.rest_joints, own, leaf_bones_of(avatar))
    return Avatar(gaussians, avatar.bone_weights, own, avatar.model)


def _card(path: Path) -> Model | None:
    """The card of a checkpoint by its file's name, or by the name it had before `nopo export` rewrote it."""
    before = read_metadata(path).get("converted_from", "") if path.suffix == ".safetensors" else ""
    return of_file(path.name) or of_file(before)


def choose_device(device: str = "auto") -> torch.device:
    """The device that a name means; "auto" is CUDA when there is some.

    Raises:
        NopoError: this machine or this build of PyTorch has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # PyTorch without CUDA asserts
        raise NopoError(f'The device "{device}" cannot be used here; choose "auto" or "cpu".') from error
    return torch.device(device)
