"""Taking pictures of posed people: pose, rasterize, paint, light. Many pictures at once, exact truth for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.body.kinematics import forward_kinematics
from nopo.body.skeleton import NUM_JOINTS
from nopo.camera import Camera
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.figure import load_mesh
from nopo.synthetic.lighting import Light, highlight, irradiance
from nopo.synthetic.paint import paint
from nopo.synthetic.person import Person
from nopo.synthetic.rasterize import Fragments, rasterize


@dataclass(frozen=True, eq=False)
class Posed:
    """V poses of one person: `points` [V, N, 3] world, metres, and `normals` [V, N, 3]."""

    points: Tensor
    normals: Tensor


def pose_person(person: Person, rotations: Tensor) -> Posed:
    """Linear blend skinning of V poses, rotations [V, 55, 3] axis-angle with joint 0 the global orientation."""
    transforms = forward_kinematics(axis_angle_to_matrix(rotations), person.rest_joints)  # [V, 55, 3, 4]
    points, normals = [], []
    for moves in transforms:  # one at a time: the blends stay in the cache
        blend = (person.joint_weights @ moves.reshape(NUM_JOINTS, 12)).view(-1, 3, 4)
        both = blend[..., :3] @ torch.stack([person.surface, person.normals], -1)  # [N, 3, 2]
        points.append(both[..., 0] + blend[..., 3])
        normals.append(both[..., 1])
    return Posed(torch.stack(points), torch.stack(normals))


def look_through(points: Tensor, K: Tensor, viewmat: Tensor) -> Tensor:
    """Pixel x, y and depth [V, N, 3] of world points [V, N, 3] through cameras K [V, 3, 3], viewmat [V, 4, 4]."""
    cam = points @ viewmat[:, :3, :3].transpose(1, 2) + viewmat[:, None, :3, 3]
    depth = cam[..., 2:]
    pixel = cam[..., :2] / depth.clamp_min(1e-3) * K[:, None, [0, 1], [0, 1]] + K[:, None, :2, 2]
    return torch.cat([pixel, depth], -1)


@dataclass(frozen=True, eq=False)
class Exposure:
    """What V pictures of one person show at their P covered pixels.

    Attributes:
        fragments: which pixels, faces and barycentric coordinates.
        colour: [P, 3] linear light that reaches the camera.
        gain: [V, 3] mean linear light on the person.
    """

    fragments: Fragments
    colour: Tensor
    gain: Tensor


def expose(person: Person, posed: Posed, K: Tensor, viewmat: Tensor, size: int, lights: list[Light]) -> Exposure:
    """Photograph one person V times.

    Args:
        person: who.
        posed: the V poses.
        K: [V, 3, 3] intrinsics of the pictures.
        viewmat: [V, 4, 4] world -> camera.
        size: side of the square pictures, pixels.
        lights: V lights.
    """
    mesh = load_mesh(str(K.device))
    fragments = rasterize(look_through(posed.points, K, viewmat), mesh.faces, (size, size), mesh.two_sided)
    looked_up = fragments.interpolate(torch.cat([person.place, person.cavity[:, None]], -1), mesh.faces)
    place = looked_up[:, :3]
    normal = fragments.interpolate(posed.normals, mesh.faces)
    piece = mesh.piece[fragments.face]
    openness = 1 - 0.4 * looked_up[:, 3] - 0.5 * _contact(fragments)
    footprint = float((fragments.depth / K[fragments.image, 0, 0]).mean()) if len(piece) else 1.0
    painted = paint(person.look, person.outfit, place, piece, footprint)
    folds = _wrinkles(place, person.outfit.folds_waves, painted.wrinkle)
    colour = torch.empty_like(normal)
    gain = torch.ones(len(lights), 3, device=normal.device)
    bounds = torch.searchsorted(fragments.image, torch.arange(len(lights) + 1, device=normal.device)).tolist()
    for v, light in enumerate(lights):
        here = slice(bounds[v], bounds[v + 1])
        if here.start == here.stop:
            continue
        ray = _rays(fragments.pixel[here], K[v], size) @ viewmat[v, :3, :3]
        to_eye = -torch.nn.functional.normalize(ray, dim=-1)
        n = normal[here]
        behind = ((n * to_eye).sum(-1, keepdim=True) < 0) & (piece[here] > 1)[:, None]  # the inside of a skirt
        n = torch.nn.functional.normalize(torch.where(behind, -n, n), dim=-1)
        n = torch.nn.functional.normalize(n + folds[here], dim=-1)
        light_in = irradiance(light, n, openness[here] * (1 - 0.4 * behind[:, 0].float()))
        glint = highlight(light, n, to_eye, painted.shine[here])
        colour[here] = painted.colour[here] ** 2 * light_in + glint[:, None]
        gain[v] = light_in.mean(0)
    return Exposure(fragments, colour, gain)


def _rays(pixel: Tensor, K: Tensor, size: int) -> Tensor:
    within = pixel % (size * size)
    x, y = (within % size).float() + 0.5, torch.div(within, size, rounding_mode="floor").float() + 0.5
    return torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)], -1)


def _wrinkles(place: Tensor, waves: tuple[float, ...], strength: Tensor) -> Tensor:
    """[P, 3] what folds add to the normal."""
    directions = torch.tensor(waves, device=place.device).view(4, 3) * 26
    bend = torch.sin(place @ directions[3])
    phase = place @ directions[:3].T + 1.5 * bend[:, None]  # [P, 3]
    sharp = torch.sin(phase) * torch.sin(phase.roll(1, -1) * 0.6 + 1)
    return sharp * (0.32 * strength)[:, None]


def _contact(fragments: Fragments) -> Tensor:
    """[P] 0 to 1: how much nearer the neighbourhood in the picture is, as where an arm lies before the trunk."""
    n, h, _ = fragments.shape
    coarse = max(1, h // 64)  # a quarter of a thousand samples is enough to see an arm before a trunk
    layers = torch.stack([torch.ones_like(fragments.depth), fragments.depth], -1)
    layers = fragments.scatter(layers)[:, coarse // 2 :: coarse, coarse // 2 :: coarse]  # [M, h', w', 2]
    pooled = torch.nn.functional.avg_pool2d(layers.permute(0, 3, 1, 2), 3, 1, 1)
    near = pooled[:, 1] / pooled[:, 0].clamp_min(1e-6)
    near = torch.where(pooled[:, 0] > 0, near, torch.full_like(near, 1e3))[:, None]
    near = torch.nn.functional.interpolate(near, (h, h), mode="bilinear", align_corners=False)
    behind = fragments.depth - near.flatten()[fragments.pixel]
    return ((behind - 0.008) / 0.10).clamp(0, 1)


def cameras_of(cameras: list[Camera], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """K [M, 3, 3] and viewmat [M, 4, 4] of cameras."""
    return torch.stack([c.K for c in cameras]).to(device), torch.stack([c.viewmat for c in cameras]).to(device)


def develop(exposure: Exposure, supersample: int) -> tuple[Tensor, Tensor]:
    """Linear light at the fragments -> sRGB pictures premultiplied with coverage, and coverage.

    Args:
        exposure: pictures whose side is `supersample` times the final one.
        supersample: samples per pixel and axis.

    Returns:
        Premultiplied colour [M, 3, H, W] and coverage [M, H, W].
    """
    srgb = exposure.colour.clamp(0, 1).sqrt()  # a gamma of 2 is near enough for invented light
    layers = torch.cat([srgb, torch.ones_like(srgb[:, :1])], -1)
    picture = exposure.fragments.scatter(layers).permute(0, 3, 1, 2)  # [M, 4, h, w]
    if supersample > 1:
        picture = torch.nn.functional.avg_pool2d(picture, supersample)
    return picture[:, :3], picture[:, 3]
