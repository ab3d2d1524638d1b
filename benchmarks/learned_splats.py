"""Splats spanned by the surface's tangents, or splats that a network learns from pictures: which draw better?

The shipped network stays as it is. A small head on its finest map says the extent of each photo's Gaussian, once as
factors on the tangents and once outright, as the original does (three lengths and a rotation), and learns it from
pictures of people in the photo's pose and in another one. Then all three draw held-out people. Photos are 192², the
size at which the network sees them, so that a splat belongs to a pixel that was looked at.

    python benchmarks/learned_splats.py --steps 600 --subjects 40
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nopo.articulate import Articulator
from nopo.avatar import Avatar
from nopo.encode.activations import learned_covars, tangent_covars
from nopo.encode.completion import complete_template, share_cover
from nopo.encode.detail import shrink
from nopo.encode.prediction import Prediction
from nopo.encode.settle import settle
from nopo.encode.trim import trim
from nopo.evaluate.open_model import measure, summary
from nopo.evaluate.protocol import Subject, Target, held_out_subjects, take_picture
from nopo.pipeline import Pipeline, in_own_proportions
from nopo.render import render
from nopo.synthetic.dataset import make_batch
from nopo.synthetic.dice import Dice, seeded
from nopo.synthetic.lighting import sample_light
from nopo.synthetic.poses import sample_pose

SIZE = 192
PICTURE = 256
RATE = 2e-3
FIRST_LENGTH = 4.0
"""Splats that are learned outright begin as balls of about so many millimetres."""


class SplatHead(nn.Module):
    """What the U-Net's finest map [1, C, H/2, W/2] says of each pixel's splat: [1, H, W, channels]."""

    def __init__(self, width: int, channels: int, first: list[float]) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.hidden = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.out = nn.Conv2d(2 * width, 4 * channels, 1)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            self.out.bias[:] = torch.tensor(first).repeat_interleave(4)

    def forward(self, finest: Tensor) -> Tensor:
        """See the class."""
        said = self.out(F.silu(self.hidden(self.norm(finest))))
        return F.pixel_shuffle(said, 2).permute(0, 2, 3, 1)


Covars = Callable[[Tensor, Tensor], Tensor]


def _outright(said: Tensor, places: Tensor) -> Tensor:
    return learned_covars(said[..., :3], said[..., 3:])


def _factors(said: Tensor, places: Tensor) -> Tensor:
    return tangent_covars(places, said)


class Splats:
    """A pipeline of the open model whose photos' splats are somebody else's to say."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        network = pipeline.network
        assert network.unet is not None
        network.config = replace(network.config, windowed=False)
        self.width = network.unet.points.weight.shape[1]
        self._finest: list[Tensor] = []
        network.unet.points.register_forward_pre_hook(lambda _, given: self._finest.append(given[0]))

    @torch.no_grad()
    def look(self, images: Tensor, masks: Tensor) -> tuple[Prediction, Tensor]:
        """The completed prediction of photos [1, 3, 192, 192], [1, 192, 192], and the finest map of them."""
        self._finest.clear()
        said = self.pipeline.network(images, masks, self.pipeline.template)
        assert said.template_joints is not None
        template = trim(complete_template(said.template, said.image, said.template_joints))
        image = share_cover(settle(said.template, said.image))
        return replace(said, template=template, image=image), self._finest[0]  # the second: of the photo in a mirror

    def avatar(self, prediction: Prediction, covars: Tensor | None) -> Avatar:
        """The avatar with other splats [1, H, W, 3, 3], in the person's proportions."""
        if covars is not None:
            prediction = replace(prediction, image=replace(prediction.image, covars=covars.flatten(0, 2)))
        return in_own_proportions(prediction.avatar(complete=False), prediction.rest_joints)


@dataclass(frozen=True, eq=False)
class Lesson:
    """A photo of somebody, and pictures of them from other sides."""

    images: Tensor
    masks: Tensor
    targets: list[Target]


def lesson(number: int) -> Lesson:
    """The person of that number, who is not held out."""
    generator = seeded(number, held_out=False)
    dice = Dice.of(generator)
    light = sample_light(dice)
    batch = make_batch(generator, 1, 1, SIZE, frontal=0.0, truncated=False, light=light, uv_truth=False)
    targets = [
        take_picture(batch.people[0], pose, light, dice, PICTURE) for pose in (batch.poses[0][0], sample_pose(dice))
    ]
    return Lesson(batch.images[0], batch.masks[0], targets)


def loss_of(avatar: Avatar, targets: list[Target]) -> Tensor:
    """Squared error of the pictures."""
    person = Articulator(avatar, stretch=False)
    drawn = [render(person.pose(each.pose), each.camera, (1.0, 1.0, 1.0)).rgb[0] for each in targets]
    return (torch.stack(drawn) - torch.stack([each.rgb for each in targets])).square().mean()


def main() -> None:
    """Train both heads side by side, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="open")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--subjects", type=int, default=40)
    args = parser.parse_args()
    splats = Splats(Pipeline.load(args.model, "cpu"))
    torch.manual_seed(0)
    heads: dict[str, tuple[SplatHead, Covars]] = {
        "tangents times learned factors": (SplatHead(splats.width, 3, [0.0] * 3), _factors),
        "learned outright": (SplatHead(splats.width, 7, [FIRST_LENGTH] * 3 + [0.0, 0.0, 0.0, 1.0]), _outright),
    }
    train(splats, heads, args.steps)
    rows: dict[str, list[dict[str, float]]] = {}
    for done, subject in enumerate(held_out_subjects(args.subjects, 0, 1)):
        rows.setdefault("tangents, as shipped", []).append(measure(splats.pipeline, subject, 1, _ask(splats, None)))
        for name, head in heads.items():
            rows.setdefault(name, []).append(measure(splats.pipeline, subject, 1, _ask(splats, head)))
        sys.stderr.write(f"\r{done + 1} of {args.subjects}")
    sys.stderr.write("\n")
    print("| splats | novel views: PSNR / in the mask / SSIM / IoU | novel poses |\n|---|---|---|")
    for name, measured in rows.items():
        figures = summary(measured)
        print(f"| {name} | {_cell(figures['novel_view'])} | {_cell(figures['novel_pose'])} |")


def train(splats: Splats, heads: dict[str, tuple[SplatHead, Covars]], steps: int) -> None:
    """One person a step; all heads learn from the same people."""
    optimizers = {name: torch.optim.AdamW(head.parameters(), RATE) for name, (head, _) in heads.items()}
    sums = dict.fromkeys(["tangents", *heads], 0.0)
    for step in range(steps):
        given = lesson(1_000_000 + step)
        prediction, finest = splats.look(given.images, given.masks)
        places = prediction.image.means.view(1, SIZE, SIZE, 3)
        with torch.no_grad():
            sums["tangents"] += float(loss_of(splats.avatar(prediction, None), given.targets))
        for name, (head, covars) in heads.items():
            for group in optimizers[name].param_groups:
                group["lr"] = RATE * min(1.0, 4 * (1 - step / steps))  # the last quarter cools down
            loss = loss_of(splats.avatar(prediction, covars(head(finest), places)), given.targets)
            optimizers[name].zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizers[name].step()
            sums[name] += loss.item()
        if (step + 1) % 50 == 0:
            sys.stderr.write(f"step {step + 1}: " + ", ".join(f"{k} {v / 50:.5f}" for k, v in sums.items()) + "\n")
            sums = dict.fromkeys(sums, 0.0)


def _ask(
    splats: Splats, head: tuple[SplatHead, Covars] | None
) -> Callable[[Pipeline, Subject, int], tuple[Prediction, Avatar]]:
    def ask(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
        images, masks = shrink(subject.photos.images[0, :1], subject.photos.masks[0, :1], (SIZE, SIZE))
        prediction, finest = splats.look(images, masks)
        covars = None
        if head is not None:
            covars = head[1](head[0](finest), prediction.image.means.view(1, SIZE, SIZE, 3))
        avatar = splats.avatar(prediction, covars)
        whole = pipeline.network(subject.photos.images[0, :1], subject.photos.masks[0, :1], pipeline.template)
        return whole, avatar  # the truth of the pixels is as fine as the photo

    return ask


def _cell(figures: object) -> str:
    assert isinstance(figures, dict)
    return f"{figures['psnr']:.2f} / {figures['psnr_mask']:.2f} / {figures['ssim']:.4f} / {figures['iou']:.4f}"


if __name__ == "__main__":
    main()
