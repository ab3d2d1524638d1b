"""Gradients of `vector_project`, eight Gaussians at a time; the formulas are differentiated by the tape of `lanes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nopo.render.compiler import compiled
from nopo.render.lane_memory import data_pointer, load_columns, store_columns
from nopo.render.lanes import F64X8, I32X8, I64, RELAXED, Lanes, Tape, emitted
from nopo.render.lanes import spread_value as spread
from nopo.render.vector_project import FOCAL, RECORD, SUMS, exact_depth, gaussian_lanes, project_lanes, view_lanes

Array = np.ndarray
POSE = FOCAL  # numbers of a pose: rotation 9, translation 3


def _make_project8_grad(degree: int) -> Callable[..., None]:
    @emitted
    def project8_grad(typing, means, covars, sh, sh_stride, row, fresh, camera, depth_row, records, sums,  # type: ignore[no-untyped-def]
                      v_means, v_covars, v_sh, v_opacities, opacities, v_pose):  # fmt: skip
        """Write the gradients of Gaussians row to row + 7; lanes before `fresh` are not added to the pose again."""

        def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            def at(number: int, stride: int) -> ir.Value:
                pointer = data_pointer(context, builder, signature.args[number], args[number])
                return builder.gep(pointer, [builder.mul(args[4], I64(stride))])

            camera_at, depth_at, pose_at = (
                data_pointer(context, builder, signature.args[i], args[i]) for i in (6, 7, 15)
            )  # fmt: skip
            tape = Tape()
            plain = gaussian_lanes(context, builder, signature, args, degree)
            depth = exact_depth(builder, depth_at, plain[0])
            mean, covar, coefficients = ([tape.watch(lanes) for lanes in group] for group in plain)
            view = view_lanes(builder, camera_at, tape)
            splat = project_lanes(mean, covar, coefficients, depth, view)

            record = load_columns(builder, at(8, RECORD), I64(RECORD), 14)
            x0, y0, x1, y1 = (lanes.bits() for lanes in record[10:])
            drawn = builder.and_(builder.icmp_signed("<", x0, x1), builder.icmp_signed("<", y0, y1))

            total = load_columns(builder, at(9, SUMS), I64(SUMS), 10)
            h, h_dx, h_dy, h_dxdx, h_dxdy, h_dydy = total[4:]
            a, b, c = (lanes.off_tape() for lanes in splat.conic)
            seeds = [
                *zip(splat.colour, total[:3], strict=True),
                (splat.depth, total[3]),
                (splat.x, -(a * h_dx + b * h_dy)),
                (splat.y, -(b * h_dx + c * h_dy)),
                *zip(splat.conic, (0.5 * h_dxdx, h_dxdy, 0.5 * h_dydy), strict=True),
            ]
            pose = [*view.rotation, *view.translation]
            gradients = tape.gradients(seeds, [*mean, *covar, *coefficients, *pose])
            gradients = [lanes.where(drawn, 0) for lanes in gradients]
            v_mean, v_covar, v_coefficients = gradients[:3], gradients[3:9], gradients[9:-POSE]
            store_columns(at(10, 3), I64(3), v_mean)
            xx, xy, xz, yy, yz, zz = v_covar
            xy, xz, yz = 0.5 * xy, 0.5 * xz, 0.5 * yz  # each of the two equal entries gets half
            store_columns(at(11, 9), I64(9), [xx, xy, xz, xy, yy, yz, xz, yz, zz])
            v_sh_at = data_pointer(context, builder, signature.args[12], args[12])
            store_columns(builder.gep(v_sh_at, [builder.mul(args[4], args[3])]), args[3], v_coefficients)
            opacity = load_columns(builder, at(14, 1), I64(1), 1)[0]
            store_columns(at(13, 1), I64(1), [(-(h / opacity)).where(drawn, 0)])

            lane = builder.add(
                spread(builder, builder.trunc(args[4], ir.IntType(32))), ir.Constant(I32X8, list(range(8)))
            )  # fmt: skip
            first = spread(builder, builder.trunc(args[5], ir.IntType(32)))
            is_fresh = builder.icmp_signed(">=", lane, first)
            for number, lanes in enumerate(gradients[-POSE:]):
                _add_in_float64(builder, builder.gep(pose_at, [I64(8 * number)]), lanes.where(is_fresh, 0))
            return context.get_dummy_value()

        integers = types.int64, types.int64, types.int64
        outputs = v_means, v_covars, v_sh, v_opacities, opacities, v_pose
        return types.void(means, covars, sh, *integers, camera, depth_row, records, sums, *outputs), emit

    return project8_grad


def _add_in_float64(builder: ir.IRBuilder, pointer: ir.Value, lanes: Lanes) -> None:
    """Add to eight float64: hundreds of thousands of Gaussians pull at one camera."""
    vector = builder.bitcast(pointer, F64X8.as_pointer())
    total = builder.fadd(builder.load(vector, align=8), builder.fpext(lanes.value, F64X8))
    builder.store(total, vector, align=8)


_grad8_0, _grad8_1, _grad8_2, _grad8_3, _grad8_4 = (_make_project8_grad(d) for d in range(5))


@compiled(fastmath=set(RELAXED))
def project_grad(
    start: int, end: int, degree: int, means: Array, covars: Array, sh: Array, opacities: Array, camera: Array,
    depth_row: Array, records: Array, sums: Array, v_means: Array, v_covars: Array, v_sh: Array, v_opacities: Array,
    v_pose: Array,
) -> None:  # fmt: skip
    """Gradients of the Gaussians start <= g < end, from the sums [workers, N, 12] of `vector_blend.blend_grad`.

    Writes v_means [N, 3], v_covars [N, 3, 3], the first (degree + 1)² of v_sh [N, S, 3] and v_opacities [N]; adds to
    v_pose [12, 8], eight partial sums for each number of the rotation and the translation.
    """
    stride = sh.shape[1] * 3
    total = sums[0]
    for worker in range(1, sums.shape[0]):
        for g in range(start, end):
            for k in range(10):
                total[g, k] += sums[worker, g, k]
    for first in range(start, end, 8):
        row = min(first, means.shape[0] - 8)
        if degree == 0:
            _grad8_0(means, covars, sh, stride, row, first, camera, depth_row, records, total, v_means, v_covars, v_sh,
                     v_opacities, opacities, v_pose)  # fmt: skip
        elif degree == 1:
            _grad8_1(means, covars, sh, stride, row, first, camera, depth_row, records, total, v_means, v_covars, v_sh,
                     v_opacities, opacities, v_pose)  # fmt: skip
        elif degree == 2:
            _grad8_2(means, covars, sh, stride, row, first, camera, depth_row, records, total, v_means, v_covars, v_sh,
                     v_opacities, opacities, v_pose)  # fmt: skip
        elif degree == 3:
            _grad8_3(means, covars, sh, stride, row, first, camera, depth_row, records, total, v_means, v_covars, v_sh,
                     v_opacities, opacities, v_pose)  # fmt: skip
        else:
            _grad8_4(means, covars, sh, stride, row, first, camera, depth_row, records, total, v_means, v_covars, v_sh,
                     v_opacities, opacities, v_pose)  # fmt: skip
