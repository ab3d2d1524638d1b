"""Taking pictures of posed people: pose, rasterize, paint, light. Many pictures at once, exact truth for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.body.kinematics import forward_kinematics
from nopo.body.skeleton import BONES
from nopo.camera import Camera
from nopo.rotations import axis_angle_to_matrix
from nopo.synthetic.figure import load_mesh
from nopo.synthetic.lighting import Light, highlight, irradiance, of_places
from nopo.synthetic.paint import Paint, paint
from nopo.synthetic.person import Person
from nopo.synthetic.rasterize import inverse_depth_of, zbuffer
from nopo.synthetic.samples import Samples, choose_samples
from nopo.synthetic.surface import unit

_NEAR_JOINTS = [near for near, _ in BONES]
_TEXTURE_BLUR = 0.7
"""Pixels over which textures are softened."""


@dataclass(frozen=True, eq=False)
class Posed:
    """V poses of one person: `points` [V, N, 3] world, metres, and `normals` [V, N, 3]."""

    points: Tensor
    normals: Tensor


def pose_person(person: Person, rotations: Tensor) -> Posed:
    """Linear blend skinning of V poses, rotations [V, 55, 3] axis-angle with joint 0 the global orientation."""
    transforms = forward_kinematics(axis_angle_to_matrix(rotations), person.rest_joints)  # [V, 55, 3, 4]
    moves = transforms[:, _NEAR_JOINTS].transpose(0, 1).flatten(1)  # [69, 12 V]
    blend = load_mesh(moves.device).blend(moves, person.grid_weights).view(len(rotations), 3, 4, -1)
    (x, y, z), (nx, ny, nz) = person.surface.T.contiguous(), person.normals.T.contiguous()
    a, b, c, shift = blend.unbind(2)  # [V, 3, N]
    points = a * x + b * y + c * z + shift
    normals = a * nx + b * ny + c * nz
    return Posed(points.transpose(1, 2), normals.transpose(1, 2))


def look_through(points: Tensor, K: Tensor, viewmat: Tensor) -> Tensor:
    """Pixel x, y and depth [V, N, 3] of world points [V, N, 3] through cameras K [V, 3, 3], viewmat [V, 4, 4]."""
    cam = viewmat[:, :3, :3] @ points.transpose(1, 2) + viewmat[:, :3, 3:]  # [V, 3, N]
    depth = cam[:, 2]
    x, y = cam[:, :2].div_(depth.clamp_min(1e-3)[:, None]).unbind(1)
    f, c = K[:, [0, 1], [0, 1], None], K[:, :2, 2, None]
    return torch.stack([x * f[:, 0] + c[:, 0], y * f[:, 1] + c[:, 1], depth], -1)


@dataclass(frozen=True, eq=False)
class Exposure:
    """What V pictures of one person show.

    Attributes:
        samples: where the pictures were shaded, P places.
        keys: [V, h, w] the z-buffer of the finer pictures.
        colour: [P, 3] linear light that reaches the camera.
        canonical: [P, 3] metres, template place.
        gain: [3] mean linear light on the person.
        swatches: [T, 3] sRGB colours of the `Swatches` that were asked for.
    """

    samples: Samples
    keys: Tensor
    colour: Tensor
    canonical: Tensor
    gain: Tensor
    swatches: Tensor


@dataclass(frozen=True, eq=False)
class Swatches:
    """Places whose colours are wanted besides those in the pictures; painted along with them, which is cheaper.

    Attributes:
        place: [T, 3] on the reference body.
        piece: [T] index into PIECES.
        footprint: [T] metres over which colours are softened.
    """

    place: Tensor
    piece: Tensor
    footprint: Tensor


def expose(
    person: Person,
    posed: Posed,
    K: Tensor,
    viewmat: Tensor,
    size: int,
    supersample: int,
    lights: list[Light],
    swatches: Swatches | None = None,
) -> Exposure:
    """Photograph one person V times.

    Args:
        person: who.
        posed: the V poses.
        K: [V, 3, 3] intrinsics of the pictures.
        viewmat: [V, 4, 4] world -> camera.
        size: side of the square pictures, pixels.
        supersample: samples per pixel and axis.
        lights: V lights.
        swatches: places whose colours are wanted as well.
    """
    mesh = load_mesh(K.device)
    fine = size * supersample
    points = look_through(posed.points, finer(K, supersample), viewmat)
    keys = zbuffer(points, mesh.faces, (fine, fine), mesh.two_sided)
    samples = choose_samples(keys, points, mesh.faces, mesh.piece, supersample, _lean(viewmat))
    fragments = samples.fragments
    looked_up = fragments.interpolate(_looks(person), mesh.faces).T.contiguous()  # [7, P]
    place, cavity, canonical = looked_up[:3].T, looked_up[3], looked_up[4:].T
    piece = mesh.piece[fragments.face]
    image = fragments.image
    footprint = _TEXTURE_BLUR * fragments.depth / K[:, 0, 0][image]
    painted, rest = _paint_all(person, Swatches(place, piece, footprint), swatches)

    to_eye = -unit(_rays(samples.pixel, image, K, viewmat, size))
    normal = fragments.interpolate(posed.normals, mesh.faces)
    behind = ((normal * to_eye).sum(-1) < 0) & (piece > 1)  # the inside of a skirt
    normal = unit(torch.where(behind[:, None], -normal, normal))
    normal = unit(normal + _wrinkles(place, person.outfit.folds_waves, painted.wrinkle))
    openness = (1 - 0.4 * cavity - 0.5 * _contact(keys, samples)) * (1 - 0.4 * behind)
    light = of_places(lights, image)
    light_in = irradiance(light, normal, openness)
    glint = highlight(light, normal, to_eye, painted.shine)
    colour = painted.colour**2 * light_in + glint[:, None]
    gain = light_in.mean(0) if len(piece) else light_in.new_ones(3)
    return Exposure(samples, keys, colour, canonical, gain, rest)


def _paint_all(person: Person, seen: Swatches, others: Swatches | None) -> tuple[Paint, Tensor]:
    """The paint of what is seen, and the colours of the other places."""
    if others is None:
        painted = paint(person.look, person.outfit, seen.place, seen.piece, seen.footprint)
        return painted, painted.colour[:0]
    place, footprint = torch.cat([seen.place, others.place]), torch.cat([seen.footprint, others.footprint])
    both = paint(person.look, person.outfit, place, torch.cat([seen.piece, others.piece]), footprint)
    count = len(seen.place)
    return Paint(both.colour[:count], both.shine[:count], both.wrinkle[:count]), both.colour[count:]


def _lean(viewmat: Tensor) -> Tensor:
    """[V] 0 to 3, see `choose_samples`: late digits of where the cameras look, as good as a throw of the dice."""
    return (viewmat[:, 0, 0].abs() * 2**20).long() % 4


def finer(K: Tensor, supersample: int) -> Tensor:
    """Intrinsics [V, 3, 3] of pictures with that many times the pixels."""
    return K * torch.tensor([supersample, supersample, 1.0], device=K.device)[:, None]


def _looks(person: Person) -> Tensor:
    """[N, 7] what is looked up at vertices whatever the pose: place, cavity, canonical position."""
    return torch.cat([person.place, person.cavity[:, None], person.canonical], -1)


def _rays(pixel: Tensor, image: Tensor, K: Tensor, viewmat: Tensor, size: int) -> Tensor:
    """[P, 3] world directions from the camera through pixels."""
    row = pixel // size
    x, y = (pixel - row * size).float() + 0.5, (row - image * size).float() + 0.5
    turn = viewmat[:, :3, :3].transpose(1, 2) @ torch.linalg.inv(K)  # [V, 3, 3] pixel -> world direction
    a, b, c = (turn.permute(1, 2, 0)[..., image] if len(K) > 1 else turn[0, :, :, None]).unbind(1)  # [3, P]
    return (a * x + b * y + c).T


def _wrinkles(place: Tensor, waves: tuple[float, ...], strength: Tensor) -> Tensor:
    """[P, 3] what folds add to the normal."""
    directions = torch.tensor(waves, device=place.device).view(4, 3) * 26
    phase = directions @ place.T  # [4, P]
    phase = phase[:3] + 1.5 * torch.sin(phase[3])
    sharp = torch.sin(phase) * torch.sin(phase.roll(1, 0) * 0.6 + 1)
    return (sharp * (0.32 * strength)).T


def _contact(keys: Tensor, samples: Samples) -> Tensor:
    """[P] 0 to 1: how much nearer the neighbourhood in the picture is, as where an arm lies before the trunk."""
    fine = keys.shape[1]
    coarse = max(1, fine // 64)  # a few thousand samples are enough to see an arm before a trunk
    inverse = inverse_depth_of(keys[:, coarse // 2 :: coarse, coarse // 2 :: coarse])  # [M, h', w']
    hit = (inverse > 0).float()
    layers = torch.stack([hit, hit / inverse.clamp_min(1e-6)], 1)
    pooled = torch.nn.functional.avg_pool2d(layers, 3, 1, 1)
    near = torch.where(pooled[:, 0] > 0, pooled[:, 1] / pooled[:, 0].clamp_min(1e-6), pooled.new_tensor(1e3))
    size = samples.shape[1]
    near = torch.nn.functional.interpolate(near[:, None], (size, size), mode="bilinear", align_corners=False)
    behind = samples.fragments.depth - near.flatten().index_select(0, samples.pixel)
    return ((behind - 0.008) / 0.10).clamp(0, 1)


def cameras_of(cameras: list[Camera], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """K [M, 3, 3] and viewmat [M, 4, 4] of cameras."""
    return torch.stack([c.K for c in cameras]).to(device), torch.stack([c.viewmat for c in cameras]).to(device)


def develop(exposure: Exposure) -> tuple[Tensor, Tensor]:
    """Linear light -> sRGB pictures premultiplied with coverage [M, 3, H, W], and coverage [M, H, W]."""
    srgb = exposure.colour.clamp(0, 1).sqrt()  # a gamma of 2 is near enough for invented light
    return exposure.samples.picture(srgb), exposure.samples.coverage()
