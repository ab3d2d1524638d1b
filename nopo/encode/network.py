"""The network of NoPo-Avatar: photos of unknown camera and pose in, canonical Gaussians out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nopo.body.skeleton import NUM_JOINTS
from nopo.encode.activations import (
    SH_DC,
    learned_covars,
    pixel_colours,
    positions,
    sh_degree_mask,
    tangent_covars,
)
from nopo.encode.attention import MLP, CrossAttention, SelfAttention
from nopo.encode.backbone import Backbone, Features
from nopo.encode.bridges import fade_bridges
from nopo.encode.config import PATCH, ModelConfig
from nopo.encode.detail import refine, shrink
from nopo.encode.dpt import StreamHeads
from nopo.encode.prediction import Branch, Prediction
from nopo.errors import NopoError

if TYPE_CHECKING:
    from nopo.body.template import Template

INITIAL_LOG_ERROR = -1.5
REST_JOINT_HIDDEN = 128


class RestJointHead(nn.Module):
    """The subject's proportions, from the mean token of the template and of the photos."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * width, REST_JOINT_HIDDEN)
        self.out = nn.Linear(REST_JOINT_HIDDEN, NUM_JOINTS * 3)

    def forward(self, template: Tensor, image: Tensor) -> Tensor:
        """Tokens [B, m, C] and [B, V·n, C] -> offsets [B, 55, 3] metres."""
        pooled = torch.cat([template.mean(1), image.mean(1)], -1)
        return self.out(nn.functional.gelu(self.hidden(pooled))).unflatten(-1, (NUM_JOINTS, 3))


class Network(nn.Module):
    """One architecture for every preset of `ModelConfig`.

    `network(images, masks, template)` is the friendly call for one person; `forward_batch` is for training.
    """

    template_joints: Tensor | None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        skips = config.stem[1:] if config.stem is not None and config.stem_skips else ()
        self.backbone = Backbone(config)
        self.template_heads = StreamHeads(config, config.template_channels, config.template_merge_kernel)
        self.image_heads = StreamHeads(config, config.input_channels, config.merge_kernel, skips)
        self.rest_joints = RestJointHead(config.decoder_width) if config.rest_joint_head else None
        joints = torch.zeros(NUM_JOINTS, 3) if config.rest_joint_head else None
        self.register_buffer("template_joints", joints)  # metres; set once from the body the template was made from
        if not next(self.parameters()).is_meta:  # else the values come from a checkpoint
            self._initialise()
        self.channels_last()

    def channels_last(self) -> Network:
        """Lay the convolutions' weights out channels last: up to 1.5 × faster, on CPU and on GPU."""
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def _initialise(self) -> None:
        """Start where an untrained network already gives a grey template body and photos collapsed at the origin."""
        for module in self.backbone.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.backbone.modules():  # every block starts as the identity
            if isinstance(module, (SelfAttention, CrossAttention)):
                nn.init.zeros_(module.out.weight)
            elif isinstance(module, MLP):
                nn.init.zeros_(module.fc2.weight)
        bones = self.config.gaussian_channels["bone_logits"]
        opacity = math.log(self.config.initial_opacity / (1 - self.config.initial_opacity))
        for heads in (self.template_heads, self.image_heads):
            nn.init.zeros_(heads.points.out.weight)
            nn.init.zeros_(heads.points.out.bias)
            nn.init.zeros_(heads.gaussians.out.bias)
            with torch.no_grad():
                heads.points.out.bias[3:] = INITIAL_LOG_ERROR
                heads.gaussians.out.weight[:-bones] = 0
                heads.gaussians.out.bias[0] = opacity
        nn.init.normal_(self.image_heads.points.out.weight[:3], std=0.01)
        if self.rest_joints is not None:
            nn.init.zeros_(self.rest_joints.out.weight)
            nn.init.zeros_(self.rest_joints.out.bias)

    @torch.no_grad()
    def forward(self, images: Tensor, masks: Tensor, template: Template, facing: Tensor | None = None) -> Prediction:
        """One person, without gradients.

        Args:
            images: [V, 3, H, W] sRGB in [0, 1], composited on the model's background; H and W multiples of 16 (times
                the config's `detail`).
            masks: [V, H, W] foreground in [0, 1].
            template: maps of the config's template size.
            facing: [V, 2] the direction that the person faces, where it is known (see `facing.directions`).

        Raises:
            NopoError: a shape that the network cannot take, or a direction that it was never told.
        """
        if facing is not None:
            if self.config.facing is None and not facing.isnan().all():
                raise NopoError("This network cannot be told which way the person faces; leave that out.")
            facing = facing[None].to(images.device)
        detail = self.config.detail
        if images.shape[-2] % (PATCH * detail) or images.shape[-1] % (PATCH * detail):
            raise NopoError(f"Photos must have sides that are multiples of {PATCH * detail} for this network.")
        small_images, small_masks = (images, masks) if detail == 1 else shrink(images, masks, detail)
        prediction = self.forward_batch(small_images[None], small_masks[None], template, told_facing=facing)[0]
        image = fade_bridges(prediction.image) if self.config.fade_bridges else prediction.image
        if detail > 1:
            image = refine(image, images, masks, detail, self.config.image_colour or 0.0)
        return replace(prediction, image=image)

    def forward_batch(
        self,
        images: Tensor,
        masks: Tensor,
        template: Template,
        *,
        covars: bool = True,
        texels: bool = True,
        told_facing: Tensor | None = None,
    ) -> Prediction:
        """A batch of people; every tensor keeps B as its first axis.

        Without gradients the heads run one view at a time, which bounds the memory.

        Args:
            images: [B, V, 3, H, W], as `forward` takes them.
            masks: [B, V, H, W].
            template: maps of the config's template size.
            covars: False leaves the covariances zero: saves a tenth of a training step that renders nothing.
            texels: False leaves out the template's heads, a third of a training step: its branch is empty then.
            told_facing: [B, V, 2] the true directions, while training (see `Facing`); rows of NaN are found.

        Raises:
            NopoError: a shape that the network cannot take.
        """
        self._check(images, masks, template)
        inputs = images * 2 - 1
        if self.config.mask_input:
            inputs = torch.cat([inputs, masks[:, :, None] * 2 - 1], 2)
        features = self.backbone(inputs, None if told_facing is None else told_facing.flatten(0, 1))
        found = (features.facing, features.head)
        facing, head = (None if x is None else x.unflatten(0, images.shape[:2]) for x in found)
        rest = None
        if self.rest_joints is not None:
            tokens = features.image[-1].unflatten(0, images.shape[:2]).flatten(1, 2)  # [B, V·n, C]
            rest = self.template_joints + self.rest_joints(features.template[-1], tokens)
        branches = (
            self._template_branch(features, template, covars) if texels else _empty(images),
            self._image_branch(features, inputs, images, masks, covars),
        )
        return Prediction(self.config, *branches, self.template_joints, rest, facing, head)

    def _check(self, images: Tensor, masks: Tensor, template: Template) -> None:
        b, v, c, height, width = images.shape
        if c != 3 or masks.shape != (b, v, height, width):
            raise NopoError(f"Images {tuple(images.shape)} and masks {tuple(masks.shape)} do not belong together.")
        if height % PATCH or width % PATCH:
            raise NopoError(f"Photos must have sides that are multiples of {PATCH}, not {height}×{width}.")
        size = self.config.template_size
        if tuple(template.mask.shape) != (size, size):
            raise NopoError(f"This network needs template maps of {size}×{size}, not {tuple(template.mask.shape)}.")

    def _template_branch(self, features: Features, template: Template, covars: bool) -> Branch:
        like = features.template[0]
        anchor = template.positions.to(like.device, torch.float32)  # [S, S, 3]
        weights = template.joint_weights.to(anchor)
        mask = template.mask.to(anchor)
        side = self.config.template_size // PATCH
        # One image for the whole batch: the heads broadcast it.
        maps = torch.cat([anchor, weights], -1).permute(2, 0, 1)[None].to(like.dtype)
        points, channels = self.template_heads(features.template, (side, side), maps)
        return self._activate(points, channels, mask.expand(points.shape[0], -1, -1), covars, anchor=anchor)

    def _image_branch(self, features: Features, inputs: Tensor, images: Tensor, masks: Tensor, covars: bool) -> Branch:
        b, views, _, height, width = images.shape
        grid = (height // PATCH, width // PATCH)
        inputs, images, masks = (x.flatten(0, 1) for x in (inputs, images, masks))
        step = b * views if torch.is_grad_enabled() else 1
        parts = []
        for start in range(0, b * views, step):
            chosen = slice(start, start + step)
            tokens = [x[chosen] for x in features.image]
            points, channels = self.image_heads(tokens, grid, inputs[chosen], [x[chosen] for x in features.stem])
            colours = None
            if self.config.image_colour is not None:
                colours = pixel_colours(images[chosen], masks[chosen], self.config.image_colour)
            parts.append(self._activate(points, channels, masks[chosen], covars, colours=colours))
        return _join(parts, b, views)

    def _activate(
        self,
        points: Tensor,
        channels: Tensor,
        mask: Tensor,
        with_covars: bool,
        anchor: Tensor | None = None,
        colours: Tensor | None = None,
    ) -> Branch:
        """Raw maps -> Gaussians.

        Args:
            points: [N, 3 or 4, H, W].
            channels: [N, C, H, W], in the order of `ModelConfig.gaussian_channels`.
            mask: [N, H, W].
            with_covars: False leaves the covariances zero.
            anchor: [H, W, 3] positions that the points are offsets from, metres.
            colours: [N, H, W, 3] sRGB that the constant coefficients are added to.

        Returns:
            tensors [N, H·W, ...].
        """
        config = self.config
        points, channels = (x.permute(0, 2, 3, 1) for x in (points, channels))
        layout = config.gaussian_channels
        raw = dict(zip(layout, channels.split(list(layout.values()), -1), strict=True))
        means = positions(points[..., :3])
        if anchor is not None:
            means = means + anchor
        if not with_covars:
            covars = means.new_zeros(()).expand(*means.shape, 3)
        elif config.splats == "tangent":
            covars = tangent_covars(means, raw["scales"])
        else:
            covars = learned_covars(raw["scales"], raw["quaternion"])
        sh = raw["sh"].unflatten(-1, (3, -1)).transpose(-1, -2)  # [N, H, W, S, 3]
        sh = sh * sh_degree_mask(config.sh_degree, sh)[:, None]
        if colours is not None:
            constant = sh[..., :1, :] + (colours - 0.5)[..., None, :] / SH_DC
            sh = torch.cat([constant, sh[..., 1:, :]], -2)
        branch = Branch(
            grid=(1, *mask.shape[1:]),
            means=means,
            covars=covars,
            opacities=raw["opacity"][..., 0].sigmoid() * mask,
            sh=sh,
            bone_logits=raw["bone_logits"],
            mask=mask,
            uncertainty=points[..., 3] if config.uncertainty else None,
        )
        return branch.map(lambda x: x.flatten(1, 2))


def _empty(images: Tensor) -> Branch:
    """A branch of no Gaussians for a batch of people."""
    none = images.new_zeros(images.shape[0], 0)
    return Branch((1, 0, 0), none, none, none, none, none, none)


def _join(parts: list[Branch], batch: int, views: int) -> Branch:
    """Branches over slices of B·V views, tensors [n, H·W, ...] -> one, tensors [B, V·H·W, ...]."""
    joined = {}
    for name in ("means", "covars", "opacities", "sh", "bone_logits", "mask", "uncertainty"):
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is not None:
            tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
            joined[name] = tensor.unflatten(0, (batch, views)).flatten(1, 2)
    return Branch(grid=(views, *parts[0].grid[1:]), **joined)
