"""Pipeline: photos in, avatar out, pictures of it; the only place that knows the order of the stages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nopo import show
from nopo.articulate import warp_shape
from nopo.avatar import Avatar
from nopo.body.open import load_open_body
from nopo.encode.checkpoint import load_network
from nopo.errors import NopoError
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

FRAME_SIZE = (256, 256)
"""(height, width) of the photos that the open model is trained on."""


class Pipeline:
    """One loaded model. Several threads may use it at once: the network runs for one of them at a time."""

    def __init__(self, network: Network, template: Template, device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.template = template.to(device)
        self.device = device
        self._one_at_a_time = threading.Lock()

    @staticmethod
    def load(model: str | Path = "open", device: str = "auto") -> Pipeline:
        """Load a model once, use it many times.

        Args:
            model: a name that `nopo info` lists, or the path of a checkpoint.
            device: "auto" (CUDA when there is some), "cpu", "cuda" or "cuda:1".

        Raises:
            WeightsError: the checkpoint is missing, gated, damaged, or made for another network.
            NopoError: no such device.
        """
        network = load_network(resolve(model))
        template = load_open_body().template(network.config.template_size)
        return Pipeline(network, template, choose_device(device))

    @property
    def background(self) -> float:
        """Grey level around the person that the network was trained with."""
        return self.network.config.image_colour or 0.0

    def preprocess(
        self, photos: Sequence[Source], *, matting: str = "auto", progress: Progress = silent
    ) -> Preprocessed:
        """Decode, matte and frame 1 to 8 photos; see `nopo.preprocess.stage.preprocess`."""
        return preprocess(photos, size=FRAME_SIZE, background=self.background, matting=matting, progress=progress)

    def encode(self, views: Views, *, progress: Progress = silent) -> Avatar:
        """The network's work: an avatar, on the CPU, in the subject's own proportions."""
        progress("encode", 0, 1)
        with self._one_at_a_time, torch.inference_mode():
            images, masks = views.images.to(self.device), views.masks.to(self.device)
            prediction = self.network(images, masks, self.template)
            avatar = in_own_proportions(prediction.avatar(), prediction.rest_joints).to("cpu")
        progress("encode", 1, 1)
        return avatar

    def reconstruct(self, photos: Sequence[Source], *, matting: str = "auto", progress: Progress = silent) -> Avatar:
        """Photos to avatar.

        Args:
            photos: 1 to 8 photos of one person, in any poses: paths, PIL images or uint8 arrays.
            matting: which matting model, see `nopo.preprocess.matte.CHOICES`.
            progress: told what is done; raise `Cancelled` from it to stop.

        Raises:
            PhotoError: a photo cannot be read, or there are none or too many.
            MatteError: nobody in a photo, or no background.
        """
        return self.encode(self.preprocess(photos, matting=matting, progress=progress).views, progress=progress)

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
    """An avatar in the template's proportions, moved into the subject's own.

    Args:
        avatar: around the template's joints.
        rest_joints: (55, 3) of the subject, metres; None leaves the avatar as it is.
    """
    if rest_joints is None:
        return avatar
    gaussians = warp_shape(avatar.gaussians, avatar.bone_weights, avatar.rest_joints, rest_joints)
    return Avatar(gaussians, avatar.bone_weights, rest_joints, avatar.model)


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
