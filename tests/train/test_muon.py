import pytest
import torch
from torch import nn

from nopo.train.muon import RMS, Muon, orthogonal


def test_every_direction_of_a_matrix_counts_about_alike():
    torch.manual_seed(0)
    matrix = torch.randn(24, 90) * torch.logspace(0, -1, 24)[:, None]
    u, before, v = torch.linalg.svd(matrix, full_matrices=False)
    made = orthogonal(matrix)
    assert before.max() / before.min() > 8
    values = torch.diagonal(u.T @ made @ v.T)
    assert values.min() > 0.6 and values.max() < 1.25
    assert ((u.T @ made @ v.T) - values.diag()).abs().max() < 1e-4, "the directions stay"


def test_nothing_learned_moves_nothing():
    assert not orthogonal(torch.zeros(4, 6)).any()


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (4, 40), (40, 4)])
def test_a_step_has_one_size_whatever_the_gradient_and_the_layout_in_memory(shape):
    torch.manual_seed(0)
    gradient, steps = torch.randn(shape), []
    for scale, memory in ((1.0, torch.contiguous_format), (1e-3, torch.channels_last)):
        value = torch.ones(shape)
        parameter = nn.Parameter(value.contiguous(memory_format=memory) if len(shape) == 4 else value)
        parameter.grad = (gradient * scale).clone(memory_format=torch.preserve_format)
        Muon([parameter], lr=0.1).step()
        steps.append(parameter.detach() - 1)
    torch.testing.assert_close(steps[0], steps[1], atol=1e-5, rtol=1e-3)
    assert 0.7 < steps[0].square().mean().sqrt() / (0.1 * RMS) < 1.2
    assert (steps[0] * gradient).sum() < 0


def test_weights_decay_and_momentum_goes_on_after_a_reload():
    torch.manual_seed(0)
    gradients = torch.randn(3, 6, 8)

    def walk(optimizer: Muon, parameter: nn.Parameter, some: torch.Tensor) -> None:
        for gradient in some:
            parameter.grad = gradient.clone()
            optimizer.step()

    whole = nn.Parameter(torch.ones(6, 8))
    walk(Muon([whole], lr=0.1, weight_decay=0.5), whole, gradients)
    parts = nn.Parameter(torch.ones(6, 8))
    first = Muon([parts], lr=0.1, weight_decay=0.5)
    walk(first, parts, gradients[:2])
    second = Muon([parts], lr=0.3)
    second.load_state_dict(first.state_dict())
    walk(second, parts, gradients[2:])
    assert torch.equal(whole, parts)
    still = nn.Parameter(torch.ones(6, 8))
    walk(Muon([still], lr=0.1, weight_decay=0.5), still, torch.zeros(1, 6, 8))
    torch.testing.assert_close(still.detach(), torch.full((6, 8), 0.95))
