"""Curves of a loop."""

import torch

from nopo.motions.curves import bump, ease, keys, progress, soften, swing

PHASE = torch.arange(400, dtype=torch.float64) / 400


def test_keys_pass_through_their_values_without_overshoot():
    curve = keys(PHASE, [(0.1, 0.0), (0.25, 1.0), (0.5, 1.0), (0.75, 0.2)])
    for at, value in ((0.1, 0.0), (0.25, 1.0), (0.4, 1.0), (0.5, 1.0), (0.75, 0.2)):
        assert torch.isclose(curve[round(at * 400)], torch.tensor(value, dtype=torch.float64), atol=1e-9)
    assert curve.min() >= -1e-12 and curve.max() <= 1 + 1e-12


def test_keys_close_the_loop_smoothly():
    curve = keys(PHASE, [(0.0, (0.0, 5.0)), (0.3, (1.0, 4.0)), (0.6, (0.5, 6.0))])
    assert curve.shape == (400, 2)
    speed = curve - curve.roll(1, 0)
    assert (speed - speed.roll(1, 0)).abs().max() < 2e-3, "no kink, at the seam neither"


def test_waves():
    assert swing(PHASE, 3.0, peak=0.25, cycles=2).argmax() == 100
    u = progress(PHASE, 0.2, 0.4)
    assert u[80] == 0 and u[160] == 1 and 0 < u[120] < 1
    assert ease(u)[80] == 0 and ease(u)[160] == 1
    assert bump(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0])).round(decimals=6).tolist() == [0, 0, 1, 0, 0]


def test_soften_goes_around_the_loop_and_keeps_the_mean():
    spike = torch.zeros(50)
    spike[0] = 1.0
    soft = soften(spike, 2.0)
    assert torch.isclose(soft.sum(), torch.tensor(1.0)) and torch.isclose(soft[1], soft[-1]) and soft[1] > 0.1
    assert soften(torch.tensor([2.0]), 3.0).tolist() == [2.0]
