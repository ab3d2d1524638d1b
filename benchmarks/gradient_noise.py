"""How much of a training gradient is noise, part by part of the open network.

Gradients of several steps' photos at the same weights: what they have in common is the truth, the rest is noise.
"cosine" is that between two steps' gradients; "photos" how many would be needed for a gradient of which half is truth
(the gradient noise scale of McCandlish et al., 2018), "-" where no truth was found; "mirror" how far the noise of
photos is related to that of their mirror images, 0 to 1: at 0 a mirror image is worth as much as another photo.

python benchmarks/gradient_noise.py [--model open] [--steps 10] [--people 8]
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from nopo.body.open import load_open_body
from nopo.body.template import Template
from nopo.encode.checkpoint import load_network
from nopo.encode.network import Network
from nopo.synthetic.dataset import Batch, make_batch
from nopo.synthetic.mirror import mirrored
from nopo.train.groups import share_out
from nopo.train.losses import LossWeights, losses
from nopo.weights import resolve

PARTS = ("unet.down.0", "unet.down.1", "unet.down.2", "unet.down.3", "unet.up.0", "unet.up.1", "unet.up.2",
         "unet.points", "unet.bones", "unet.facing.look", "unet.glance", "shape.reader", "shape.gather", "shape.weigh",
         "shape.add")  # fmt: skip


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="open")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--people", type=int, default=8, help="in a step; two photos are taken of each")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = load_network(resolve(options.model)).train()
    template = load_open_body().template(network.config.template_size)
    generator = torch.Generator().manual_seed(options.seed)
    photos, mirrors = [], []
    for _ in range(options.steps):
        batch = make_batch(generator, options.people, 2, 128, uv_size=network.config.template_size).singles()
        photos.append(gradients(network, batch, template))
        mirrors.append(gradients(network, mirrored(batch), template))
    count = 2 * options.people
    print(f"{options.steps} steps of {count} photos\npart                cosine   photos  mirror")
    for part in PARTS:
        own, others = (torch.stack([step[part] for step in steps]) for steps in (photos, mirrors))
        truth, power = common(own)
        noise = power - truth
        related = (float((own * others).sum(1).mean()) - truth) / noise
        needed = f"{count * noise / truth:8.0f}" if truth > 0 else "       -"
        print(f"{part:<18} {truth / power:7.3f} {needed} {related:7.2f}")


def gradients(network: Network, batch: Batch, template: Template) -> dict[str, Tensor]:
    """The whole loss's gradient with respect to the weights of each part [K]."""
    named = dict(network.named_parameters())
    totals = []
    for group in share_out(batch, network.config, 1)[0]:
        seen = group.look_at(batch)
        said = network.forward_batch(seen.images, seen.masks, template, render=False)
        terms = losses(said, seen, LossWeights())
        totals.append(len(group.people) / len(batch.people) * torch.stack(list(terms.values())).sum())
    found = torch.autograd.grad(torch.stack(totals).sum(), list(named.values()), materialize_grads=True)
    by_name = dict(zip(named, found, strict=True))
    return {
        part: torch.cat([grad.flatten() for name, grad in by_name.items() if name.startswith(part)]).double()
        for part in PARTS
    }


def common(steps: Tensor) -> tuple[float, float]:
    """Of gradients [steps, K]: squared length of what they have in common, and of one of them."""
    products = steps @ steps.T
    count = len(steps)
    power = float(products.diag().mean())
    return float(products.sum() - products.diag().sum()) / (count * (count - 1)), power


if __name__ == "__main__":
    main()
