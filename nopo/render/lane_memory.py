"""Lanes from and to memory: in a row, or as the columns of a table, eight rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nopo.render.lanes import F32, F32X8, I8, I32, I64, RELAXED, WIDTH, Lanes, emitted


def data_pointer(context: Any, builder: ir.IRBuilder, kind: Any, array: ir.Value) -> ir.Value:
    """Address of the first element of a contiguous numba array."""
    return context.make_array(kind)(context, builder, array).data


def load(
    builder: ir.IRBuilder, pointer: ir.Value, offset: int, flags: Sequence[str] = RELAXED, count: int = WIDTH
) -> Lanes:  # fmt: skip
    """Floats in a row at pointer + offset, on any address (align=4: no faster instruction needs more)."""
    return Lanes(builder, builder.load(_vector_at(builder, pointer, offset, count), align=4), flags)


def store(pointer: ir.Value, offset: int, lanes: Lanes) -> None:
    """Write lanes in a row at pointer + offset."""
    lanes.builder.store(lanes.value, _vector_at(lanes.builder, pointer, offset, lanes.count), align=4)


def _vector_at(builder: ir.IRBuilder, pointer: ir.Value, offset: int, count: int) -> ir.Value:
    return builder.bitcast(builder.gep(pointer, [I64(offset)]), ir.VectorType(F32, count).as_pointer())


@emitted
def fetch(typing: Any, array: Any, place: Any):  # type: ignore[no-untyped-def]
    """Ask for array.flat[place] before it is needed: what comes in the order of depth lies anywhere."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        pointer = builder.gep(data_pointer(context, builder, signature.args[0], args[0]), [args[1]])
        byte = builder.bitcast(pointer, I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [byte, I32(0), I32(3), I32(1)])  # for reading, keep in all caches, data
        return context.get_dummy_value()

    return types.void(array, types.int64), emit


def load_columns(builder: ir.IRBuilder, pointer: ir.Value, stride: ir.Value, count: int) -> list[Lanes]:
    """The first `count` columns of eight rows that are `stride` floats apart: column j holds row r's j-th in lane r.

    Rows are read eight floats at a time and transposed in registers; the last piece overlaps the one before.
    """
    rows = _rows(builder, pointer, stride)
    if count < WIDTH:
        return [_gather(builder, rows, column) for column in range(count)]
    columns: dict[int, Lanes] = {}
    for start in _pieces(count):
        transposed = _transpose([load(builder, row, start) for row in rows])
        columns |= {start + j: lanes for j, lanes in enumerate(transposed)}
    return [columns[j] for j in range(count)]


def store_columns(pointer: ir.Value, stride: ir.Value, columns: Sequence[Lanes]) -> None:
    """The inverse of `load_columns`."""
    builder = columns[0].builder
    rows = _rows(builder, pointer, stride)
    if len(columns) < WIDTH:
        for j, lanes in enumerate(columns):
            for lane, row in enumerate(rows):
                builder.store(builder.extract_element(lanes.value, I32(lane)), builder.gep(row, [I64(j)]))
        return
    for start in _pieces(len(columns)):
        for row, lanes in zip(rows, _transpose(columns[start : start + WIDTH]), strict=True):
            store(row, start, lanes)


def _rows(builder: ir.IRBuilder, pointer: ir.Value, stride: ir.Value) -> list[ir.Value]:
    return [builder.gep(pointer, [builder.mul(I64(row), stride)]) for row in range(WIDTH)]


def sums_of_lanes(vectors: Sequence[Lanes]) -> Lanes:
    """The sums over the lanes of eight vectors, side by side: transposed, eight sums are seven additions."""
    first, *others = _transpose(vectors)
    for other in others:
        first = first + other
    return first


def _pieces(count: int) -> list[int]:
    """Starts of pieces of eight that cover `count` numbers; the last one is moved back to end with them."""
    return sorted({min(start, count - WIDTH) for start in range(0, count, WIDTH)})


def _gather(builder: ir.IRBuilder, rows: Sequence[ir.Value], column: int) -> Lanes:
    value: ir.Value = ir.Constant(F32X8, ir.Undefined)
    for lane, row in enumerate(rows):
        value = builder.insert_element(value, builder.load(builder.gep(row, [I64(column)])), I32(lane))
    return Lanes(builder, value)


def _transpose(rows: Sequence[Lanes]) -> list[Lanes]:
    """Eight rows of eight -> eight columns, in three rounds of shuffles that swap blocks of 1, 2 and 4."""
    lanes = list(rows)
    for block in (1, 2, 4):
        first = [(k if not k & block else k - block + WIDTH) for k in range(WIDTH)]  # even blocks of both
        second = [(k + block if not k & block else k + WIDTH) for k in range(WIDTH)]  # odd blocks of both
        swapped = list(lanes)
        for i in range(WIDTH):
            if not i & block:
                a, b = lanes[i], lanes[i + block]
                swapped[i] = a.pick(b, first)
                swapped[i + block] = a.pick(b, second)
        lanes = swapped
    return lanes
