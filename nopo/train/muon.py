"""Muon: momentum whose matrices are made orthogonal, so that every direction of a layer is learned at one rate.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale of the steps, which
makes learning rates and decay those of AdamW, is of Liu et al., "Muon is scalable for LLM training" (2025). torch has
one for matrices since 2.9; this one takes convolutions, and orthogonalises by the smaller side of each matrix alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that drives all singular values towards 1 (between 0.7 and 1.2 after five steps)."""

RMS = 0.2
"""Root mean square of a step at learning rate 1: about AdamW's."""

EPSILON = 1e-7


def orthogonal(matrix: Tensor) -> Tensor:
    """About U Vᵀ of a matrix U S Vᵀ, [m, n] with m ≤ n.

    The Newton-Schulz steps are polynomials in the Gram matrix [m, m], so that the long side is multiplied with twice in
    all instead of twice in each step.
    """
    a, b, c = COEFFICIENTS
    matrix = matrix / (matrix.norm() + EPSILON)
    gram = matrix @ matrix.T
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    left = a * eye + b * gram + c * (gram @ gram)
    factor = left
    for _ in range(STEPS - 1):
        gram = factor @ gram @ factor
        factor = a * eye + b * gram + c * (gram @ gram)
        left = factor @ left
    return left @ matrix


class Muon(torch.optim.Optimizer):
    """For the matrices and convolutions within a network; embeddings, last layers and vectors want AdamW."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step along the gradients at hand; a parameter without one stays."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group["lr"], group["momentum"], group["weight_decay"])

    def _step(self, parameter: Tensor, grad: Tensor, lr: float, momentum: float, weight_decay: float) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(grad, 1 - momentum)
        ahead = grad.lerp(state["momentum"], momentum)  # Nesterov's
        matrix = ahead.flatten(1)
        wide = len(matrix) <= matrix.shape[1]
        straight = orthogonal(matrix if wide else matrix.T)
        straight = straight if wide else straight.T
        parameter.mul_(1 - lr * weight_decay)
        parameter.add_(straight.view_as(parameter), alpha=-lr * RMS * max(matrix.shape) ** 0.5)
