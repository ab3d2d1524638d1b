"""Float32 numbers side by side: the small vocabulary that the vector kernels are written in.

numba compiles scalar loops, and leaves it to LLVM to find vectors in them; for blending it does so 4 to 6 times worse
than by hand, and an innocent rewrite can lose it. The kernels' inner parts are therefore emitted here as LLVM
instructions on <8 x float>, eight Gaussians, or <16 x float>, sixteen pixels. LLVM turns these into whatever the
processor has: sixteen are one register of AVX-512, two of AVX, or four of SSE or NEON.

`Lanes` is such a value while a kernel is being compiled; arithmetic on it emits instructions. With a `Tape`, the same
Python function also emits its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

WIDTH = 8  # lanes where nothing else is said
F32, I1, I8, I16, I32, I64 = ir.FloatType(), *(ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32X8, I32X8, I64X8, F64X8 = (ir.VectorType(kind, WIDTH) for kind in (F32, I32, I64, ir.DoubleType()))

# May be reordered and fused, but, unlike "fast", not on the assumption that nothing is NaN or infinite: bad Gaussians
# are recognised by that.
RELAXED = ("reassoc", "contract", "arcp", "afn", "nsz")
STRICT = ()
FloatOrLanes = Any  # a Python number or Lanes


class LanesType(types.Type):
    """Lanes as a variable of a numba function: they stay in a register from one emitted call to the next."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"float32_lanes_{count}")


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(F32, kind.count))


class Lanes:
    """Float32 numbers side by side, in a kernel being compiled."""

    def __init__(
        self, builder: ir.IRBuilder, value: ir.Value, flags: Sequence[str] = RELAXED, tape: Tape | None = None
    ) -> None:
        self.builder, self.value, self.flags, self.tape = builder, value, flags, tape

    @property
    def count(self) -> int:
        """How many numbers."""
        return self.value.type.count

    def like(self, value: ir.Value) -> Lanes:
        """Lanes of a new value in the same kernel, not on the tape."""
        return Lanes(self.builder, value, self.flags)

    def same(self, number: FloatOrLanes) -> Lanes:
        """A constant in every lane; Lanes are passed on."""
        if isinstance(number, Lanes):
            return number
        return self.like(ir.Constant(self.value.type, [float(number)] * self.count))

    def off_tape(self) -> Lanes:
        """The same value, a constant for the gradient."""
        return self.like(self.value)

    def _operate(self, name: str, other: FloatOrLanes) -> tuple[Lanes, Lanes, Lanes]:
        right = self.same(other)
        result = getattr(self.builder, name)(self.value, right.value, flags=self.flags)
        return self.like(result), self.off_tape(), right.off_tape()

    def __add__(self, other: FloatOrLanes) -> Lanes:
        out, _, _ = self._operate("fadd", other)
        return _record(out, (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other: FloatOrLanes) -> Lanes:
        out, _, _ = self._operate("fsub", other)
        return _record(out, (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other: FloatOrLanes) -> Lanes:
        out, a, b = self._operate("fmul", other)
        return _record(out, (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: FloatOrLanes) -> Lanes:
        out, _, b = self._operate("fdiv", other)
        quotient = out.off_tape()
        return _record(out, (self, lambda g: g / b), (other, lambda g: -(g * quotient / b)))

    def __neg__(self) -> Lanes:
        return _record(self.like(self.builder.fneg(self.value)), (self, lambda g: -g))

    def __radd__(self, other: float) -> Lanes:
        return self + other

    def __rmul__(self, other: float) -> Lanes:
        return self * other

    def __rsub__(self, other: float) -> Lanes:
        return self.same(other) - self

    def __rtruediv__(self, other: float) -> Lanes:
        return self.same(other) / self

    def times_plus(self, factor: FloatOrLanes, term: FloatOrLanes) -> Lanes:
        """Self · factor + term, one fused instruction where the processor has it. Not for tapes."""
        return self._call("fmuladd", self.same(factor), self.same(term))

    def sqrt(self) -> Lanes:
        """Square root."""
        out = self._call("sqrt")
        root = out.off_tape()
        return _record(out, (self, lambda g: 0.5 * g / root))

    def abs(self) -> Lanes:
        """Without the sign. Not for tapes."""
        return self._call("fabs")

    def floor(self) -> Lanes:
        """Round down. Not for tapes."""
        return self._call("floor")

    def ceil(self) -> Lanes:
        """Round up. Not for tapes."""
        return self._call("ceil")

    def trunc(self) -> Lanes:
        """Round towards zero. Not for tapes."""
        return self._call("trunc")

    def compare(self, operator: str, other: FloatOrLanes) -> ir.Value:
        """A mask, a bit for each lane; false where either side is NaN."""
        return self.builder.fcmp_ordered(operator, self.value, self.same(other).value)

    def where(self, mask: ir.Value, other: FloatOrLanes) -> Lanes:
        """Self in the lanes of the mask, other in the rest."""
        out = self.like(self.builder.select(mask, self.value, self.same(other).value))
        return _record(
            out, (self, lambda g: g.where(mask, 0)), (other, lambda g: g.where(self.builder.not_(mask), 0))
        )  # fmt: skip

    def at_least(self, other: FloatOrLanes) -> Lanes:
        """The larger one."""
        return self.where(self.compare(">", other), other)

    def at_most(self, other: FloatOrLanes) -> Lanes:
        """The smaller one."""
        return self.where(self.compare("<", other), other)

    def finite(self) -> ir.Value:
        """Mask of the lanes that are neither infinite nor NaN: their exponent bits are not all ones."""
        exponent = self.builder.and_(self.bits(), self.ints(0x7F800000))
        return self.builder.icmp_signed("!=", exponent, self.ints(0x7F800000))

    def bits(self) -> ir.Value:
        """The same 32 bits as integers."""
        return self.builder.bitcast(self.value, ir.VectorType(I32, self.count))

    def ints(self, number: int) -> ir.Constant:
        """An int32 in every lane, to go with `bits`."""
        return ir.Constant(ir.VectorType(I32, self.count), [number] * self.count)

    def to_int(self) -> ir.Value:
        """Whole numbers; garbage outside the range of int32."""
        return self.builder.fptosi(self.value, ir.VectorType(I32, self.count))

    def as_int_bits(self) -> Lanes:
        """Whole numbers as int32, in lanes that only look like floats: to be stored."""
        return self.like(self.builder.bitcast(self.to_int(), self.value.type))

    def pick(self, other: Lanes, lanes: Sequence[int]) -> Lanes:
        """Any lanes of self (0 to count - 1) and other (count to 2 count - 1), in any order. Not for tapes."""
        pattern = ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))
        return self.like(self.builder.shuffle_vector(self.value, other.value, pattern))

    def exp2(self) -> Lanes:
        """2 to the power of self, for -126 < self < 127: absolute error below 3e-7 at 1. Not for tapes.

        2^(n + f) with whole n and |f| <= 1/2: a polynomial for 2^f, then n is added to the exponent bits.
        """
        whole = self._call("rint")
        fraction = self - whole
        power = self.same(0.00133952937)
        for coefficient in (0.00967028, 0.0555034, 0.24022218, 0.69314716, 1.0000001):
            power = power.times_plus(fraction, coefficient)
        exponent = self.builder.shl(whole.to_int(), self.ints(23))
        return self.like(self.builder.bitcast(self.builder.add(power.bits(), exponent), self.value.type))

    def log2(self) -> Lanes:
        """Logarithm to base 2 of positive normal numbers, absolute error below 5e-7. Not for tapes.

        The number is m · 2^n with m in [sqrt(1/2), sqrt(2)): n comes from the exponent bits, log2(m) from a polynomial.
        """
        builder = self.builder
        exponent = builder.ashr(builder.sub(self.bits(), self.ints(0x3F3504F3)), self.ints(23))  # bits of sqrt(1/2)
        mantissa = builder.sub(self.bits(), builder.shl(exponent, self.ints(23)))
        m = self.like(builder.bitcast(mantissa, self.value.type)) - 1.0
        series = self.same(-0.146203534)  # log2(1 + t) / t, fitted with Chebyshev polynomials
        for coefficient in (
            0.234209851,
            -0.248821806,
            0.287075611,
            -0.360241986,
            0.480924039,
            -0.721352759,
            1.44269496,
        ):
            series = series.times_plus(m, coefficient)
        return series.times_plus(m, self.like(builder.sitofp(exponent, self.value.type)))

    def _call(self, name: str, *others: Lanes) -> Lanes:
        """An LLVM intrinsic: llvmlite knows vector ones by their full name only."""
        kind = ir.FunctionType(self.value.type, [self.value.type] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{self.count}f32")
        values = [self.value, *(o.value for o in others)]
        return self.like(self.builder.call(function, values, fastmath=self.flags))


class Tape:
    """The operations on some Lanes, so that their gradient can be emitted after them (reverse differentiation)."""

    def __init__(self) -> None:
        self._steps: list[tuple[Lanes, list[tuple[Lanes, Callable[[Lanes], Lanes]]]]] = []

    def watch(self, lanes: Lanes) -> Lanes:
        """An input whose gradient will be asked for."""
        return Lanes(lanes.builder, lanes.value, lanes.flags, self)

    def append(self, out: Lanes, parents: list[tuple[Lanes, Callable[[Lanes], Lanes]]]) -> None:
        """Note that `out` was made of parents; each comes with its chain rule."""
        self._steps.append((out, parents))

    def gradients(self, seeds: Sequence[tuple[Lanes, Lanes]], inputs: Sequence[Lanes]) -> list[Lanes]:
        """Gradients of the inputs, given pairs (output, gradient of the output)."""
        total: dict[int, Lanes] = {}

        def add(lanes: Lanes, gradient: Lanes) -> None:
            total[id(lanes)] = total[id(lanes)] + gradient if id(lanes) in total else gradient

        for output, gradient in seeds:
            add(output, gradient)
        for out, parents in reversed(self._steps):
            if id(out) in total:
                for parent, chain_rule in parents:
                    add(parent, chain_rule(total[id(out)]))
        return [total[id(lanes)] if id(lanes) in total else lanes.same(0) for lanes in inputs]


def _record(out: Lanes, *parents: tuple[FloatOrLanes, Callable[[Lanes], Lanes]]) -> Lanes:
    """Put an operation on its operands' tape, if any of them is on one."""
    watched = [(p, rule) for p, rule in parents if isinstance(p, Lanes) and p.tape is not None]
    if watched:
        out.tape = watched[0][0].tape
        assert out.tape is not None
        out.tape.append(out, watched)
    return out


def emitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: numba's `intrinsic`, a function whose call is replaced by the instructions it emits.

    It gets numba's typing context and the types of the arguments, and returns a signature and the emitter.
    """
    return intrinsic(function)


def spread(
    builder: ir.IRBuilder, scalar: ir.Value, flags: Sequence[str] = RELAXED, count: int = WIDTH
) -> Lanes:  # fmt: skip
    """One float in all lanes."""
    return Lanes(builder, spread_value(builder, scalar, count), flags)


def spread_value(builder: ir.IRBuilder, scalar: ir.Value, count: int = WIDTH) -> ir.Value:
    """One scalar of any type in a vector."""
    kind = ir.VectorType(scalar.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(I32, count), [0] * count))
