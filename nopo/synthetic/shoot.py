"""Taking pictures of posed people: pose, rasterize, paint, light. Many pictures at once, exact truth for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.body.kinematics import forward_kinematics
from nopo.body.skeleton import NUM_JOINTS, sum_bones_to_joints
from nopo.camera import Camera
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.figure import Figure
from nopo.synthetic.lighting import Light, highlight, irradiance
from nopo.synthetic.paint import paint
from nopo.synthetic.person import Person
from nopo.synthetic.rasterize import Fragments, rasterize


@dataclass(frozen=True, eq=False)
class Cast:
    """B people, stacked for the device that photographs them.

    Attributes:
        people: who they are.
        surface: [B, N, 3]; `canonical`, `place`, `normals` likewise; `cavity` [B, N, 1].
        joint_weights: [B, N, 55].
        face_bones: [B, F, 4] int64; `corner_weights` [B, F, 3, 4].
        rest_joints: [B, 55, 3].
        faces: [F, 3]; `two_sided` [F]; `face_piece` [F] index into PIECES.
    """

    people: list[Person]
    surface: Tensor
    canonical: Tensor
    place: Tensor
    normals: Tensor
    cavity: Tensor
    joint_weights: Tensor
    face_bones: Tensor
    corner_weights: Tensor
    rest_joints: Tensor
    faces: Tensor
    two_sided: Tensor
    face_piece: Tensor

    @staticmethod
    def of(figure: Figure, people: list[Person], device: torch.device | str = "cpu") -> Cast:
        """Stack people on a device."""
        body = figure.body.joint_weights

        def stack(name: str) -> Tensor:
            return torch.stack([getattr(person, name) for person in people]).to(device)

        joint_weights = [torch.cat([body, sum_bones_to_joints(p.bone_weights[len(body) :])]) for p in people]
        return Cast(
            people=people,
            surface=stack("surface"),
            canonical=stack("canonical"),
            place=stack("place"),
            normals=stack("normals"),
            cavity=stack("cavity")[..., None],
            joint_weights=torch.stack(joint_weights).to(device),
            face_bones=stack("face_bones"),
            corner_weights=stack("corner_weights"),
            rest_joints=stack("rest_joints"),
            faces=figure.faces.to(device),
            two_sided=figure.two_sided.to(device),
            face_piece=figure.piece[figure.faces[:, 0]].to(device),
        )


@dataclass(frozen=True, eq=False)
class Posed:
    """M posed people: `points` [M, N, 3] world, `linear` [M, N, 3, 3] what turned each normal, `owner` [M] who."""

    points: Tensor
    linear: Tensor
    owner: Tensor


def pose_people(cast: Cast, owner: Tensor, rotations: Tensor) -> Posed:
    """Linear blend skinning of M poses.

    Args:
        cast: the people.
        owner: [M] int64, who takes the pose.
        rotations: [M, 55, 3] axis-angle, joint 0 the global orientation.
    """
    transforms = forward_kinematics(axis_angle_to_matrix(rotations), cast.rest_joints[owner])  # [M, 55, 3, 4]
    points, linear = [], []
    for who, moves in zip(owner.tolist(), transforms, strict=True):  # one at a time: the blends stay in the cache
        blend = (cast.joint_weights[who] @ moves.reshape(NUM_JOINTS, 12)).view(-1, 3, 4)
        linear.append(blend[..., :3])
        points.append((blend[..., :3] @ cast.surface[who][..., None])[..., 0] + blend[..., 3])
    return Posed(torch.stack(points), torch.stack(linear), owner)


def look_through(posed: Posed, K: Tensor, viewmat: Tensor) -> Tensor:
    """Pixel x, y and depth [M, N, 3] of posed points through cameras K [M, 3, 3], viewmat [M, 4, 4]."""
    cam = posed.points @ viewmat[:, :3, :3].transpose(1, 2) + viewmat[:, None, :3, 3]
    depth = cam[..., 2:]
    pixel = cam[..., :2] / depth.clamp_min(1e-3) * K[:, None, [0, 1], [0, 1]] + K[:, None, :2, 2]
    return torch.cat([pixel, depth], -1)


@dataclass(frozen=True, eq=False)
class Exposure:
    """What a set of M pictures shows at its P covered pixels.

    Attributes:
        fragments: which pixels, faces and barycentric coordinates.
        colour: [P, 3] linear light that reaches the camera.
        gain: [M, 3] mean linear light on the person.
    """

    fragments: Fragments
    colour: Tensor
    gain: Tensor


def expose(
    cast: Cast, posed: Posed, K: Tensor, viewmat: Tensor, size: int, lights: list[Light]
) -> Exposure:
    """Photograph M posed people.

    Args:
        cast: the people.
        posed: M of them, posed.
        K: [M, 3, 3] intrinsics of the pictures.
        viewmat: [M, 4, 4] world -> camera.
        size: side of the square pictures, pixels.
        lights: M lights.
    """
    fragments = rasterize(look_through(posed, K, viewmat), cast.faces, (size, size), cast.two_sided)
    attributes = torch.cat([cast.place, cast.cavity], -1)  # [B, N, 4]
    looked_up = fragments.interpolate(attributes, cast.faces, posed.owner)
    turned = (posed.linear @ cast.normals[posed.owner][..., None])[..., 0]  # [M, N, 3]
    normal = fragments.interpolate(turned, cast.faces)
    piece = cast.face_piece[fragments.face]
    openness = 1 - 0.45 * looked_up[:, 3] - 0.5 * _contact(fragments)
    colour = torch.empty_like(normal)
    gain = torch.ones(len(lights), 3, device=normal.device)
    bounds = torch.searchsorted(fragments.image, torch.arange(len(lights) + 1, device=normal.device)).tolist()
    for m, light in enumerate(lights):
        here = slice(bounds[m], bounds[m + 1])
        if here.start == here.stop:
            continue
        place = looked_up[here, :3]
        person = cast.people[int(posed.owner[m])]
        footprint = float(fragments.depth[here].mean() / K[m, 0, 0])
        painted = paint(person.look, person.outfit, place, piece[here], footprint)
        ray = _rays(fragments.pixel[here], K[m], size) @ viewmat[m, :3, :3]
        to_eye = -torch.nn.functional.normalize(ray, dim=-1)
        n = normal[here]
        behind = ((n * to_eye).sum(-1, keepdim=True) < 0) & (piece[here] > 1)[:, None]  # the inside of a skirt
        n = torch.nn.functional.normalize(torch.where(behind, -n, n), dim=-1)
        n = torch.nn.functional.normalize(n + _wrinkles(place, person.outfit.folds_waves, painted.wrinkle), dim=-1)
        light_in = irradiance(light, n, openness[here] * (1 - 0.4 * behind[:, 0].float()))
        glint = highlight(light, n, to_eye, painted.shine)
        colour[here] = painted.colour**2 * light_in + glint[:, None]
        gain[m] = light_in.mean(0)
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
