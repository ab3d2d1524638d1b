"""Clothes for a bare body: its mesh moves out, or in, along its normals to where the avatar's Gaussians lie.

A body with painted-on clothes betrays itself by its outline: no coat, no hair, no shoes. Each Gaussian belongs to the
vertices that it hovers over; a vertex goes to a high quantile of its Gaussians' heights, so that the outer layer wins
over what lies beneath it; and a smooth surface is fitted to that, because heights are noisy where the photos show
little. Navel and toes, which clothes hide, are evened out before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nopo.body.skeleton import JOINT_NAMES, NUM_JOINTS
from nopo.export.fairing import edges_of, fair, neighbour_mean
from nopo.export.mesh import SkinnedMesh
from nopo.gaussians import Gaussians

LOWEST_M, HIGHEST_M = -0.03, 0.08
"""How far a vertex may go."""

FINE_M = {"hands": 0.004, "face": 0.0, "feet": 0.025}
"""How far where a few millimetres more would spoil a shape that everybody knows."""

LEAST_OPACITY = 0.3
MOST_GAUSSIANS = 200_000
"""More are thinned out: they say the same again."""

CANDIDATES = 8
TUBE_M = 0.012
"""Width of the tube above a vertex within which a Gaussian counts."""

LAYER = 0.85
"""The quantile of the heights over a vertex that its surface goes to."""

EVENED_M = 0.02
"""Size of what is evened out."""

SPREAD_M = 0.01
"""How far the heights of one place spread."""

LEAST_TRUST = 1e-3
"""Of a vertex without Gaussians: it follows its neighbours, or else stays."""

_LIMBS = {
    "head": ("head", "neck", "jaw", "eye"),
    "arm": ("shoulder", "elbow"),
    "hand": ("wrist", "index", "middle", "pinky", "ring", "thumb"),
    "leg": ("hip", "knee", "ankle", "foot"),
}


def limb_weights(joint_weights: Tensor) -> Tensor:
    """Which limb a point belongs to: weights [..., 55] -> [..., 8] of trunk, head, arms, hands and legs.

    Two points may touch (thighs, chin and chest) without having anything to do with each other: what the weights of
    both have in common, the sum of the smaller ones, tells.
    """
    names = ["trunk", "head", *(f"{side}_{limb}" for limb in ("arm", "hand", "leg") for side in ("left", "right"))]
    table = torch.zeros(NUM_JOINTS, len(names))
    for joint, name in enumerate(JOINT_NAMES):
        side, _, bare = name.rpartition("_")
        limb = next((limb for limb, words in _LIMBS.items() if bare.startswith(words)), "trunk")
        table[joint, names.index(f"{side}_{limb}" if f"{side}_{limb}" in names else limb)] = 1
    return joint_weights @ table.to(joint_weights)


def follow_outline(mesh: SkinnedMesh, rest_joints: Tensor, cloud: Gaussians, cloud_weights: Tensor) -> SkinnedMesh:
    """The mesh with the outline of a cloud of Gaussians.

    Args:
        mesh: the bare body.
        rest_joints: [55, 3] its joints.
        cloud: N Gaussians in the same T-pose, all of them finite.
        cloud_weights: [N, 55] their joint weights.
    """
    opaque = (cloud.opacities > LEAST_OPACITY).nonzero().squeeze(1)
    opaque = opaque[:: 1 + len(opaque) // MOST_GAUSSIANS]
    if len(opaque) == 0:
        return mesh
    mesh = _evened(mesh)
    directions = _smooth_directions(mesh)
    heights, trust = _heights(
        mesh, directions, cloud.means[opaque], cloud.opacities[opaque], limb_weights(cloud_weights[opaque])
    )
    low, high = _limits(mesh, directions, rest_joints)
    wanted = heights.clamp(low, high)[:, None]
    smooth = fair(mesh, wanted, trust + LEAST_TRUST, SPREAD_M)[:, 0].clamp(low, high)
    return replace(mesh, vertices=mesh.vertices + smooth[:, None] * directions)


def _evened(mesh: SkinnedMesh) -> SkinnedMesh:
    """The mesh without the detail that clothes and shoes hide; head and hands keep theirs."""
    limbs = limb_weights(mesh.joint_weights)  # [V, 8]
    bare = limbs[:, [1, 4, 5]].sum(1).clamp(max=1)
    even = fair(mesh, mesh.vertices, 1 + 1000 * bare**2, EVENED_M, order=2)
    return replace(mesh, vertices=torch.lerp(even, mesh.vertices, bare[:, None]))  # or lips would part


def _feet(mesh: SkinnedMesh) -> Tensor:
    """[V] how much of a vertex moves with the feet."""
    feet = [j for j, name in enumerate(JOINT_NAMES) if name.endswith(("_ankle", "_foot"))]
    return mesh.joint_weights[:, feet].sum(1).clamp(max=1)


def _smooth_directions(mesh: SkinnedMesh, rounds: int = 6) -> Tensor:
    """[V, 3] unit normals without the surface's detail, so that neighbours do not cross."""
    directions, edges = mesh.normals, edges_of(mesh.faces)
    for _ in range(rounds):
        directions = torch.nn.functional.normalize(directions + 2 * neighbour_mean(directions, edges), dim=-1)
    return directions


def _heights(
    mesh: SkinnedMesh, directions: Tensor, means: Tensor, opacities: Tensor, limbs: Tensor
) -> tuple[Tensor, Tensor]:
    """How high above each vertex the avatar's surface is [V] in metres, and how sure that is [V] in [0, 1]."""
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(mesh.vertices.numpy()).query(means.numpy(), k=CANDIDATES, workers=-1)
    vertex = torch.from_numpy(nearest)  # [M, 8]
    arm = means[:, None] - mesh.vertices[vertex]  # [M, 8, 3]
    height = (arm * directions[vertex]).sum(-1)  # [M, 8]
    aside = arm.square().sum(-1) - height.square()
    same_limb = torch.minimum(limb_weights(mesh.joint_weights)[vertex], limbs[:, None]).sum(-1)
    weight = opacities[:, None] * same_limb * (-aside / (2 * TUBE_M**2)).exp()
    weight = weight * ((height > 2 * LOWEST_M) & (height < 1.5 * HIGHEST_M))

    count = len(mesh.vertices)
    order = np.lexsort((height.flatten().numpy(), vertex.flatten().numpy()))
    vertex, height, weight = (x.flatten()[order].double() for x in (vertex, height, weight))
    vertex = vertex.long()
    total = torch.zeros(count, dtype=torch.float64).index_add_(0, vertex, weight)
    before = total.cumsum(0) - total  # the weight of all vertices that come earlier
    wanted = before + LAYER * total
    at = torch.searchsorted(weight.cumsum(0), wanted).clamp(max=len(height) - 1)
    trust = total.clamp(max=1)
    return torch.where(trust > 0.01, height[at], 0.0).float(), trust.float()


def _limits(mesh: SkinnedMesh, directions: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest place [V] that each vertex may go to, metres."""
    limbs = limb_weights(mesh.joint_weights)  # [V, 8]
    eyes = rest_joints[[JOINT_NAMES.index("left_eye"), JOINT_NAMES.index("right_eye")]].mean(0)
    from_eyes = mesh.vertices - eyes  # [V, 3]
    inside = ((0.05 - from_eyes[:, 1]) / 0.03).clamp(0, 1) * ((from_eyes[:, 2] + 0.06) / 0.03).clamp(0, 1)
    shares = {"hands": limbs[:, 4] + limbs[:, 5], "feet": _feet(mesh), "face": limbs[:, 1] * inside}
    high = torch.full((len(mesh.vertices),), HIGHEST_M)
    for name, share in shares.items():
        high = high + share.clamp(0, 1) * (FINE_M[name] - HIGHEST_M)
    high = torch.minimum(high.clamp_min(0), _clearance(mesh, directions))
    high = fair(mesh, high[:, None], torch.ones_like(high), SPREAD_M)[:, 0]
    return torch.maximum(-high, torch.full_like(high, LOWEST_M)), high


def _clearance(mesh: SkinnedMesh, directions: Tensor) -> Tensor:
    """Half of the free way [V] above each vertex, metres: thighs must not grow into each other."""
    from scipy.spatial import cKDTree

    tree = cKDTree(mesh.vertices.numpy())
    free = torch.full((len(mesh.vertices),), HIGHEST_M)
    for height in np.linspace(2 * HIGHEST_M, 0.01, 7):
        distance, nearest = tree.query((mesh.vertices + float(height) * directions).numpy(), workers=-1)
        facing = (directions[torch.from_numpy(nearest)] * directions).sum(-1) < 0
        blocked = facing & (torch.from_numpy(distance) < 0.6 * height)
        free[blocked] = float(height) / 2
    return free.clamp_min(0.002)
