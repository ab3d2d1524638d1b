"""From people to gradients: what all people of a step teach, worked out by one or several learners."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from nopo.body.template import Template
from nopo.encode.network import Network
from nopo.synthetic.dataset import ARM_PARTS, Batch
from nopo.train.groups import Group, share_out
from nopo.train.losses import LossWeights, losses


def gradients_of(
    network: Network,
    batch: Batch,
    told: Tensor,
    template: Template,
    weights: LossWeights,
    device: str,
    precision: str,
    learners: int = 1,
) -> tuple[list[Tensor], dict[str, float], Tensor]:
    """What a network learns from some people.

    On a CPU, several learners with a thread each are faster than one with several threads: each takes its share of the
    people, and the gradients are averaged in a fixed order, so that a run is the same every time.

    Args:
        network: in training.
        batch: B people with V photos each.
        told: [B, V, 2] the directions that the network is told, NaN where it finds them itself.
        template: maps of the network's template size.
        weights: of the terms of the loss.
        device: "cpu" or "cuda".
        precision: "bf16" computes in it where that does no harm.
        learners: threads.

    Returns:
        Means over the people: the gradients of all parameters in their order, and figures to report; and the landmarks
        [B, V, SIZE].
    """
    people = len(batch.people)
    shares = share_out(batch, network.config, learners)
    parameters = list(network.parameters())

    def learn(share: list[Group]) -> tuple[list[Tensor], dict[str, float], dict[int, Tensor]]:
        """Sums over the share's people of gradients and figures, and everybody's landmarks."""
        totals: list[Tensor] = []
        figures: dict[str, float] = {}
        found: dict[int, Tensor] = {}
        for group in share:
            seen, known, count = group.look_at(batch), told[group.people], len(group.people)
            total, measured, landmarks = _total(network, seen, template, known, weights, device, precision)
            found.update(zip(group.people, landmarks, strict=True))
            totals.append(count * total)
            figures = {name: figures.get(name, 0.0) + count * value for name, value in measured.items()}
        # One pass for all groups: each pass of its own would write and add all gradients once more.
        grads = torch.autograd.grad(torch.stack(totals).sum(), parameters, materialize_grads=True)
        return list(grads), figures, found

    if len(shares) == 1:
        results = [learn(shares[0])]
    else:
        with ThreadPoolExecutor(len(shares), "nopo-learner") as pool:
            results = list(pool.map(learn, shares))
    gradients = [sum(parts[1:], parts[0]) / people for parts in zip(*(grads for grads, _, _ in results), strict=True)]
    figures = {name: sum(part[name] for _, part, _ in results) / people for name in results[0][1]}
    everybody = {one: landmarks for _, _, found in results for one, landmarks in found.items()}
    return gradients, figures, torch.stack([everybody[one] for one in range(people)])


def _total(
    network: Network, batch: Batch, template: Template, told: Tensor, weights: LossWeights, device: str, precision: str
) -> tuple[Tensor, dict[str, float], Tensor]:
    """What is to be minimised, the mean over some people, the figures to report, and their landmarks [B, V, SIZE]."""
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        prediction = network.forward_batch(batch.images, batch.masks, template, render=False, told_facing=told)
    terms = losses(prediction, batch, weights)
    total = torch.stack(list(terms.values())).sum()
    with torch.no_grad():
        valid = batch.valid.flatten(1)
        error = (prediction.image.means - batch.canonical.permute(0, 1, 3, 4, 2).flatten(1, 3)).norm(dim=-1)[valid]
        arms = torch.isin(batch.parts[batch.valid], batch.parts.new_tensor(ARM_PARTS))
        of_arms = error[arms].sum() / arms.sum().clamp_min(1)
        figures = {
            "loss": float(total.detach()), "canonical_cm": 100 * float(error.mean()), "arms_cm": 100 * float(of_arms)
        }  # fmt: skip
        if prediction.facing is not None:
            figures["facing_error"] = float((prediction.facing - batch.facing).square().sum(-1).mean())
    assert prediction.landmarks is not None
    return total, figures | {name: float(term.detach()) for name, term in terms.items()}, prediction.landmarks
