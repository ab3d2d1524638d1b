"""The network of NoPo-Avatar: photos of unknown camera and pose in, canonical Gaussians out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

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
from nopo.encode.both_ways import look_both_ways
from nopo.encode.branch import Branch
from nopo.encode.bridges import fade_bridges
from nopo.encode.config import PATCH, ModelConfig
from nopo.encode.detail import refine, shrink
from nopo.encode.dpt import StreamHeads
from nopo.encode.landmarks import find_landmarks
from nopo.encode.prediction import Prediction
from nopo.encode.shape import ShapeHead
from nopo.encode.smooth import smooth_surface
from nopo.encode.unet import PhotoMaps, UNet
from nopo.encode.window import cut_columns, paste_columns, window_columns
from nopo.errors import NopoError

if TYPE_CHECKING:
    from nopo.body.template import Template

INITIAL_LOG_ERROR = -1.5
LEAST_WEIGHT = 1e-6
"""Bone weights of the template's texels below this count as this, so that they have a logarithm."""


class Network(nn.Module):
    """One architecture for every preset of `ModelConfig`.

    `network(images, masks, template)` is the friendly call for one person; `forward_batch` is for training.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = self.template_heads = self.image_heads = self.unet = self.shape = None
        if config.unet is None:
            self.backbone = Backbone(config)
            self.template_heads = StreamHeads(config, config.template_channels, config.template_merge_kernel)
            self.image_heads = StreamHeads(config, config.input_channels, config.merge_kernel)
        else:
            self.unet = UNet(config)
            self.shape = ShapeHead(self.unet.cell_channels, config.shape_components, config.template_size)
        if not next(self.parameters()).is_meta:  # else the values come from a checkpoint
            self._initialise()
        self.channels_last()

    @property
    def template_joints(self) -> Tensor | None:
        """[55, 3] joints of the body that the template was made from, metres, if the network carries them."""
        return None if self.shape is None else self.shape.template_joints

    def channels_last(self) -> Network:
        """Lay the convolutions' weights out channels last: up to 1.5 × faster, on CPU and on GPU."""
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def _initialise(self) -> None:
        """Start where an untrained network already gives a grey template body and photos collapsed at the origin."""
        opacity = math.log(self.config.initial_opacity / (1 - self.config.initial_opacity))
        if self.unet is not None and self.shape is not None:
            self.unet.start(opacity, INITIAL_LOG_ERROR)
            self.shape.start()
            return
        assert self.backbone is not None and self.template_heads is not None and self.image_heads is not None
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
        for heads in (self.template_heads, self.image_heads):
            nn.init.zeros_(heads.points.out.weight)
            nn.init.zeros_(heads.points.out.bias)
            nn.init.zeros_(heads.gaussians.out.bias)
            with torch.no_grad():
                heads.gaussians.out.weight[:-bones] = 0
                heads.gaussians.out.bias[0] = opacity
        nn.init.normal_(self.image_heads.points.out.weight, std=0.01)

    @torch.no_grad()
    def forward(self, images: Tensor, masks: Tensor, template: Template, facing: Tensor | None = None) -> Prediction:
        """One person, without gradients.

        Args:
            images: [V, 3, H, W] sRGB in [0, 1], composited on the model's background; H and W multiples of 16, also
                of the size at which the network sees them (`ModelConfig.seen_size`).
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
        if images.ndim != 4 or masks.shape != (len(images), *images.shape[-2:]):
            raise NopoError(f"Images {tuple(images.shape)} and masks {tuple(masks.shape)} do not belong together.")
        size = (height, width) = self.config.seen_size(*masks.shape[-2:])
        if height % PATCH or width % PATCH:
            raise NopoError(f"This network sees photos of this size at {height}×{width}: no multiples of {PATCH}.")
        finer = size != tuple(masks.shape[-2:])
        seen, seen_masks = shrink(images, masks, size) if finer else (images, masks)
        starts, narrow = window_columns(seen_masks, PATCH) if self.config.windowed else (None, width)
        if starts is not None:
            seen, seen_masks = cut_columns(seen, starts, narrow), cut_columns(seen_masks, starts, narrow)
        prediction = self.forward_batch(
            seen[None], seen_masks[None], template, told_facing=facing, both_ways=self.config.both_ways
        )[0]
        image = fade_bridges(prediction.image) if self.config.fade_bridges else prediction.image
        image = smooth_surface(image) if self.config.smooth else image
        image = image if starts is None else paste_columns(image, starts, width)
        if finer:
            image = refine(image, images, masks, self.config.image_colour or 0.0)
        return replace(prediction, image=image)

    def forward_batch(
        self,
        images: Tensor,
        masks: Tensor,
        template: Template,
        *,
        render: bool = True,
        told_facing: Tensor | None = None,
        both_ways: bool = False,
    ) -> Prediction:
        """A batch of people; every tensor keeps B as its first axis.

        Without gradients dense heads run one view at a time, which bounds the memory.

        Args:
            images: [B, V, 3, H, W], as `forward` takes them.
            masks: [B, V, H, W].
            template: maps of the config's template size.
            render: False leaves out what only pictures need, a third of a training step: the covariances are zero and
                the photos' bone logits as coarse as the heads say them, [B, V·h·w, 69].
            told_facing: [B, V, 2] the true directions, while training (see `Facing`); rows of NaN are found.
            both_ways: look at the photos in a mirror as well (see `both_ways`).

        Raises:
            NopoError: a shape that the network cannot take.
        """
        self._check(images, masks, template)
        inputs = images * 2 - 1
        if self.config.mask_input:
            inputs = torch.cat([inputs, masks[:, :, None] * 2 - 1], 2)
        if self.unet is None or self.shape is None:
            assert self.backbone is not None
            features = self.backbone(inputs)
            image = self._photos_drawn(features, inputs, images, masks, render)
            return Prediction(self.config, self._template_drawn(features, template, render), image)
        views = masks.shape[:2]
        look = partial(look_both_ways, self.unet) if both_ways else self.unet
        maps = look(inputs.flatten(0, 1), None if told_facing is None else told_facing.flatten(0, 1))
        image = self._photos_mapped(maps, images, masks, render)
        found = self._landmarks(image, masks, maps.known)
        rest, offsets, traits = self.shape(found, maps.cells.unflatten(0, views).flatten(1, 2))
        surface = self._template_shaped(offsets, template, render)
        facing, head = (x.unflatten(0, views) for x in (maps.facing, maps.head))
        return Prediction(self.config, surface, image, self.shape.template_joints, rest, facing, head, found, traits)

    def _landmarks(self, image: Branch, masks: Tensor, known: Tensor) -> Tensor:
        """What the photos' Gaussians say of where the body is in each photo: [B, V, SIZE]; nothing learns from it."""
        assert self.shape is not None
        means, opacities = (x.unflatten(1, masks.shape[1:]).flatten(0, 1) for x in (image.means, image.opacities))
        with torch.autocast(masks.device.type, enabled=False):
            found = find_landmarks(means, opacities, masks.flatten(0, 1), known, self.shape.places)
        return found.unflatten(0, masks.shape[:2])

    def _check(self, images: Tensor, masks: Tensor, template: Template) -> None:
        b, v, c, height, width = images.shape
        if c != 3 or masks.shape != (b, v, height, width):
            raise NopoError(f"Images {tuple(images.shape)} and masks {tuple(masks.shape)} do not belong together.")
        if height % PATCH or width % PATCH:
            raise NopoError(f"Photos must have sides that are multiples of {PATCH}, not {height}×{width}.")
        size = self.config.template_size
        if tuple(template.mask.shape) != (size, size):
            raise NopoError(f"This network needs template maps of {size}×{size}, not {tuple(template.mask.shape)}.")

    def _template_shaped(self, offsets: Tensor, template: Template, render: bool) -> Branch:
        """The template's Gaussians from the shape head's offsets [B, S·S, 3]; grey, until they are completed."""
        assert self.shape is not None
        size, config = self.config.template_size, self.config
        mask = template.mask.to(offsets).flatten().expand(len(offsets), -1)
        means = template.positions.to(offsets).flatten(0, 1) + offsets
        flat = means.new_zeros(())
        splats = flat.expand(*means.shape, 3)
        if render:
            maps = means.unflatten(1, (size, size))
            splats = tangent_covars(maps, flat.expand_as(maps)).flatten(1, 2)
        return Branch(
            grid=(1, size, size),
            means=means,
            covars=splats,
            opacities=config.initial_opacity * mask,
            sh=flat.expand(*mask.shape, (config.sh_degree + 1) ** 2, 3),
            bone_logits=self.shape.bone_weights.clamp_min(LEAST_WEIGHT).log().expand(*mask.shape, -1),
            mask=mask,
        )

    def _template_drawn(self, features: Features, template: Template, render: bool) -> Branch:
        """The template's Gaussians from dense heads on its tokens."""
        assert self.template_heads is not None
        like = features.template[0]
        anchor = template.positions.to(like.device, torch.float32)  # [S, S, 3]
        weights = template.joint_weights.to(anchor)
        mask = template.mask.to(anchor)
        side = self.config.template_size // PATCH
        # One image for the whole batch: the heads broadcast it.
        maps = torch.cat([anchor, weights], -1).permute(2, 0, 1)[None].to(like.dtype)
        points, channels = self.template_heads(features.template, (side, side), maps)
        return self._activate(points, channels, mask.expand(points.shape[0], -1, -1), render, anchor=anchor)

    def _photos_drawn(self, features: Features, inputs: Tensor, images: Tensor, masks: Tensor, render: bool) -> Branch:
        """The photos' Gaussians from dense heads on their tokens."""
        assert self.image_heads is not None
        b, views, _, height, width = images.shape
        grid = (height // PATCH, width // PATCH)
        inputs, masks = inputs.flatten(0, 1), masks.flatten(0, 1)
        step = b * views if torch.is_grad_enabled() else 1
        parts = []
        for start in range(0, b * views, step):
            chosen = slice(start, start + step)
            points, channels = self.image_heads([x[chosen] for x in features.image], grid, inputs[chosen])
            parts.append(self._activate(points, channels, masks[chosen], render))
        return _join(parts, b, views)

    def _photos_mapped(self, maps: PhotoMaps, images: Tensor, masks: Tensor, render: bool) -> Branch:
        """The photos' Gaussians from the U-Net's maps."""
        flat = masks.flatten(0, 1)
        colours = None
        if self.config.image_colour is not None:
            colours = pixel_colours(images.flatten(0, 1), flat, self.config.image_colour)
        said = {"opacity": maps.opacity, "bone_logits": maps.bone_logits}
        return _join([self._activate(maps.points, said, flat, render, colours=colours)], *masks.shape[:2])

    def _activate(
        self,
        points: Tensor,
        channels: dict[str, Tensor],
        mask: Tensor,
        render: bool,
        anchor: Tensor | None = None,
        colours: Tensor | None = None,
    ) -> Branch:
        """Raw maps -> Gaussians.

        Args:
            points: [N, 3 or 4, H, W].
            channels: [N, C, H, W] each, by the names of `ModelConfig.gaussian_channels`; what is not said is 0.
            mask: [N, H, W].
            render: as for `forward_batch`.
            anchor: [H, W, 3] positions that the points are offsets from, metres.
            colours: [N, H, W, 3] sRGB that the constant coefficients are added to.

        Returns:
            tensors [N, H·W, ...].
        """
        config = self.config
        points = points.permute(0, 2, 3, 1)
        unsaid = points.new_zeros(())
        raw = {name: unsaid.expand(*mask.shape, count) for name, count in config.gaussian_channels.items()}
        raw |= {name: values.permute(0, 2, 3, 1) for name, values in channels.items()}
        if render:
            raw["bone_logits"] = _spread(raw["bone_logits"], mask.shape[-1])
        means = points[..., :3] if config.unet is not None else positions(points[..., :3])
        if anchor is not None:
            means = means + anchor
        if not render:
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


def _spread(cells: Tensor, width: int) -> Tensor:
    """The values of every cell for each of its pixels: [N, h, w, C] -> [N, H, W, C]."""
    side = width // cells.shape[2]
    return cells if side == 1 else cells.repeat_interleave(side, 1).repeat_interleave(side, 2)


def _join(parts: list[Branch], batch: int, views: int) -> Branch:
    """Branches over slices of B·V views, tensors [n, H·W, ...] -> one, tensors [B, V·H·W, ...]."""
    joined = {}
    for name in ("means", "covars", "opacities", "sh", "bone_logits", "mask", "uncertainty"):
        tensors = [getattr(part, name) for part in parts]
        if tensors[0] is not None:
            tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
            joined[name] = tensor.unflatten(0, (batch, views)).flatten(1, 2)
    return Branch(grid=(views, *parts[0].grid[1:]), **joined)
