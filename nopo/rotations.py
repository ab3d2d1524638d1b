"""Rotations: axis-angle, matrices and quaternions (w, x, y, z); batched, differentiable, safe at zero."""

from __future__ import annotations

import torch
from torch import Tensor


def skew(v: Tensor) -> Tensor:
    """Cross-product matrices K of v: (..., 3) -> (..., 3, 3), so that K @ u = v x u."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Exponential map (Rodrigues): (..., 3) radians -> (..., 3, 3).

    Near zero the sine and cosine factors come from their series, so that values and gradients stay finite.
    """
    angle_sq = (axis_angle * axis_angle).sum(-1)[..., None, None]  # [..., 1, 1]
    small = angle_sq < 1e-8
    safe_sq = torch.where(small, torch.ones_like(angle_sq), angle_sq)
    angle = safe_sq.sqrt()
    sin_over = torch.where(small, 1 - angle_sq / 6, angle.sin() / angle)
    one_minus_cos_over = torch.where(small, 0.5 - angle_sq / 24, (1 - angle.cos()) / safe_sq)
    k = skew(axis_angle)
    return torch.eye(3, dtype=k.dtype, device=k.device) + sin_over * k + one_minus_cos_over * (k @ k)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> unit quaternions (..., 4) wxyz with w >= 0.

    All four of Shepperd's candidates are computed and the best conditioned one is kept.
    """
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = torch.stack(  # 4q_i², one per candidate
        [1 + trace, *(1 + 2 * m[..., i, i] - trace for i in range(3))], -1
    )  # [..., 4]
    a, b, c = (m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1])
    d, e, f = (m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1])
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], a, b, c], -1),
            torch.stack([a, squares[..., 1], d, e], -1),
            torch.stack([b, d, squares[..., 2], f], -1),
            torch.stack([c, e, f, squares[..., 3]], -1),
        ],
        -2,
    )  # [..., 4, 4]
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quat = torch.nn.functional.normalize(candidates.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quat[..., :1] < 0, -quat, quat)


def quaternion_to_matrix(quat: Tensor) -> Tensor:
    """Quaternions (..., 4) wxyz, of any non-zero length -> rotation matrices (..., 3, 3)."""
    w, x, y, z = torch.nn.functional.normalize(quat, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """Axis-angle (..., 3) radians -> unit quaternions (..., 4) wxyz; w is negative for angles beyond pi."""
    angle_sq = (axis_angle * axis_angle).sum(-1, keepdim=True)  # [..., 1]
    small = angle_sq < 1e-8
    angle = torch.where(small, torch.ones_like(angle_sq), angle_sq).sqrt()
    sin_over = torch.where(small, 0.5 - angle_sq / 48, (angle / 2).sin() / angle)
    cos = torch.where(small, 1 - angle_sq / 8, (angle / 2).cos())
    return torch.cat([cos, sin_over * axis_angle], -1)


def quaternion_to_axis_angle(quat: Tensor) -> Tensor:
    """Unit quaternions (..., 4) wxyz -> axis-angle (..., 3), angle in [0, pi]."""
    quat = torch.where(quat[..., :1] < 0, -quat, quat)
    sin_half = quat[..., 1:].norm(dim=-1, keepdim=True)
    half = torch.atan2(sin_half, quat[..., :1])
    factor = torch.where(sin_half < 1e-6, torch.full_like(half, 2.0), 2 * half / sin_half.clamp_min(1e-12))
    return quat[..., 1:] * factor


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> axis-angle (..., 3), angle in [0, pi]."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def slerp(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Shortest-arc interpolation between unit quaternions (..., 4) wxyz; `fraction` (...) in [0, 1]."""
    dot = (start * end).sum(-1, keepdim=True)
    end = torch.where(dot < 0, -end, end)
    angle = dot.abs().clamp(max=1 - 1e-7).acos()
    t = fraction[..., None]
    blend = (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / angle.sin()
    linear = start + t * (end - start)
    return torch.nn.functional.normalize(torch.where(angle < 1e-3, linear, blend), dim=-1)
