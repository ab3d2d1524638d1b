"""The vector vocabulary, operation by operation, against numpy and torch autograd."""

import numpy as np
import pytest
import torch

from nopo.render.compiler import compiled
from nopo.render.lane_memory import data_pointer, load, load_columns, store, store_columns, sums_of_lanes
from nopo.render.lanes import I64, Lanes, Tape, emitted

VOID = __import__("numba").types.void


def on_eight(function):
    """A compiled function (numbers [8] in, numbers [8] out) of a Python function of Lanes."""

    @emitted
    def apply(typing, source, target):
        def emit(context, builder, signature, args):
            source, target = (data_pointer(context, builder, signature.args[i], args[i]) for i in range(2))
            store(target, 0, function(load(builder, source, 0)))
            return context.get_dummy_value()

        return VOID(source, target), emit

    @compiled()
    def run(source, target):
        apply(source, target)

    def call(numbers):
        result = np.empty(8, np.float32)
        run(np.asarray(numbers, np.float32), result)
        return result

    return call


def test_powers_and_logarithms():
    exp2, log2 = on_eight(Lanes.exp2), on_eight(Lanes.log2)
    exponents = np.linspace(-12, 0, 64).reshape(8, 8)
    for row in exponents:
        assert np.abs(exp2(row) / np.exp2(row) - 1).max() < 5e-7
    opacities = np.linspace(1 / 255, 1, 64).reshape(8, 8)
    for row in opacities:
        assert np.abs(log2(row) - np.log2(row)).max() < 1e-6


def test_finite_sees_through_the_relaxed_arithmetic():
    finite = on_eight(lambda x: (x * 2.0 + 1.0).same(1).where((x * 2.0 + 1.0).finite(), 0))
    numbers = [1, np.nan, np.inf, -np.inf, 0, -3e38, 1e-40, 1e38]
    assert finite(numbers).tolist() == [1, 0, 0, 0, 1, 0, 1, 1]


def test_rounding():
    numbers = np.array([-1.5, -0.2, 0.0, 0.2, 1.5, 2.5, -2.5, 7.9], np.float32)
    for name in ("floor", "ceil", "trunc"):
        assert np.array_equal(on_eight(getattr(Lanes, name))(numbers), getattr(np, name)(numbers))


@pytest.mark.parametrize("count, stride", [(1, 1), (3, 3), (7, 9), (8, 8), (9, 9), (12, 12), (14, 16), (48, 75)])
def test_columns_and_back(count, stride):
    @emitted
    def copy(typing, source, target, step):
        def emit(context, builder, signature, args):
            source, target = (data_pointer(context, builder, signature.args[i], args[i]) for i in range(2))
            columns = load_columns(builder, source, args[2], count)
            store_columns(target, args[2], [lanes * (k + 1.0) for k, lanes in enumerate(columns)])
            return context.get_dummy_value()

        return VOID(source, target, step), emit

    @compiled()
    def run(source, target, step):
        copy(source, target, step)

    source = np.arange(8 * stride, dtype=np.float32).reshape(8, stride)
    target = np.full_like(source, -1)
    run(source, target, stride)
    assert np.array_equal(target[:, :count], source[:, :count] * np.arange(1, count + 1))
    assert (target[:, count:] == -1).all()


def test_sums_over_lanes():
    @emitted
    def add(typing, source, target):
        def emit(context, builder, signature, args):
            source, target = (data_pointer(context, builder, signature.args[i], args[i]) for i in range(2))
            rows = load_columns(builder, source, I64(8), 8)
            store(target, 0, sums_of_lanes(rows))
            return context.get_dummy_value()

        return VOID(source, target), emit

    @compiled()
    def run(source, target):
        add(source, target)

    table, result = np.random.default_rng(0).random((8, 8), np.float32), np.empty(8, np.float32)
    run(table, result)
    assert np.allclose(result, table.sum(0), rtol=1e-6)


FORMULAS = [
    lambda x: 2.0 * x * x - x / (x + 3.0) + 1.0 / x,
    lambda x: (x * x + 1.0).sqrt() * -x + (3.0 - x),
    lambda x: (x * x).at_most(4.0) + x.at_least(1.0) * x,
]


@pytest.mark.parametrize("number", range(3))
def test_tape_differentiates(number):
    formula = FORMULAS[number]

    def gradient(lanes: Lanes) -> Lanes:
        tape = Tape()
        watched = tape.watch(lanes)
        output = formula(watched)
        return tape.gradients([(output, lanes.same(1))], [watched])[0]

    class Tensor(torch.Tensor):
        at_most, at_least = torch.Tensor.clamp_max, torch.Tensor.clamp_min

    numbers = torch.tensor([0.3, 0.7, 1.2, 1.9, 2.3, 3.1, 4.0, 5.5])
    x = numbers.clone().as_subclass(Tensor).requires_grad_()
    formula(x).sum().backward()
    assert np.allclose(on_eight(gradient)(numbers.numpy()), x.grad.numpy(), rtol=2e-5, atol=1e-5)
