"""Lanes from and to memory: in a row, or as the columns of a table, eight rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from nopo.render.lanes import F32X8, I32, I32X8, I64, RELAXED, WIDTH, Lanes


def data_pointer(context: Any, builder: ir.IRBuilder, kind: Any, array: ir.Value) -> ir.Value:
    """Address of the first element of a contiguous numba array."""
    return context.make_array(kind)(context, builder, array).data


def load(builder: ir.IRBuilder, pointer: ir.Value, offset: int, flags: Sequence[str] = RELAXED) -> Lanes:
    """Eight floats in a row at pointer + offset, on any address (align=4: no faster instruction needs more)."""
    return Lanes(builder, builder.load(_vector_at(builder, pointer, offset), align=4), flags)


def store(pointer: ir.Value, offset: int, lanes: Lanes) -> None:
    """Write eight floats in a row at pointer + offset."""
    lanes.builder.store(lanes.value, _vector_at(lanes.builder, pointer, offset), align=4)


def _vector_at(builder: ir.IRBuilder, pointer: ir.Value, offset: int) -> ir.Value:
    return builder.bitcast(builder.gep(pointer, [I64(offset)]), F32X8.as_pointer())


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
                swapped[i] = _shuffle(a, b, first)
                swapped[i + block] = _shuffle(a, b, second)
        lanes = swapped
    return lanes


def _shuffle(a: Lanes, b: Lanes, pick: list[int]) -> Lanes:
    """Lanes picked from a (0 to 7) and b (8 to 15)."""
    return a.like(a.builder.shuffle_vector(a.value, b.value, ir.Constant(I32X8, pick)))
