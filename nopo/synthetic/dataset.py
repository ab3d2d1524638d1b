"""Batches of synthetic people for training: pictures as the network gets them, and the truth of every pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.body.template import rasterize_atlas
from nopo.camera import Camera
from nopo.motion import Pose
from nopo.synthetic.backgrounds import room, sample_background
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import load_figure
from nopo.synthetic.film import expose_film
from nopo.synthetic.framing import Framing, sample_framing
from nopo.synthetic.lighting import STUDIO, Light, sample_light
from nopo.synthetic.mattes import spoil_matte
from nopo.synthetic.paint import paint
from nopo.synthetic.person import Person, sample_person
from nopo.synthetic.poses import sample_pose
from nopo.synthetic.rasterize import Fragments
from nopo.synthetic.shoot import Cast, cameras_of, develop, expose, pose_people

NUM_PARTS = 24


def _part_of_joint() -> list[int]:
    parts = []
    for index, name in enumerate(JOINT_NAMES):
        if index < 22:
            parts.append(index)
        elif name in ("jaw", "left_eye", "right_eye"):
            parts.append(JOINT_NAMES.index("head"))
        else:
            parts.append(22 if name.startswith("left") else 23)
    return parts


PART_OF_BONE: tuple[int, ...] = tuple(_part_of_joint()[near] for near, _ in BONES)
"""Coarse part of each bone: the first 22 joints, and one part for the fingers of each hand."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B people with V photos of H×W pixels each, and S×S texels of truth on the body's UV map.

    "Canonical" is the T-pose in the template's proportions; the bone shape warp (leaf bones inherit) from the
    template's rest joints to `rest_joints` takes it to the subject's own T-pose.

    Attributes:
        images: [B, V, 3, H, W] sRGB in [0, 1], composited on white with the noisy matte (or whole photos).
        masks: [B, V, H, W] the noisy matte; `clean_masks` the true one.
        canonical: [B, V, 3, H, W] metres, zero where not valid.
        valid: [B, V, H, W] bool, pixels that show the person and that the matte kept.
        depth: [B, V, H, W] metres along the camera's axis, zero where not valid.
        bone_index: [B, V, H, W, 4] uint8 strongest bones; `bone_weight` [B, V, H, W, 4], sum 1 where valid.
        parts: [B, V, H, W] int8 coarse part 0 to 23, -1 where not valid.
        rest_joints: [B, 55, 3] metres, of the subject.
        uv_positions: [B, S, S, 3] canonical, metres; `uv_colors` [B, S, S, 3] sRGB under the photos' mean light.
        uv_mask: [S, S] bool, texels of the body; `uv_bone_weights` [S, S, 69].
        uv_visible: [B, V, S, S] bool, texels that photo v shows.
        cameras: B lists of V cameras; `poses` likewise.
        people: B of them, to take more pictures of.
    """

    images: Tensor
    masks: Tensor
    clean_masks: Tensor
    canonical: Tensor
    valid: Tensor
    depth: Tensor
    bone_index: Tensor
    bone_weight: Tensor
    parts: Tensor
    rest_joints: Tensor
    uv_positions: Tensor
    uv_colors: Tensor
    uv_mask: Tensor
    uv_bone_weights: Tensor
    uv_visible: Tensor
    cameras: list[list[Camera]]
    poses: list[list[Pose]]
    people: list[Person]


@torch.no_grad()
def make_batch(
    generator: torch.Generator,
    batch: int,
    views: int,
    size: int,
    *,
    device: torch.device | str = "cpu",
    frontal: float = 0.3,
    held_out: bool = False,
    photo: bool = False,
    truncated: bool | None = None,
    same_pose: float = 0.5,
    light: Light | None = None,
    uv_size: int = 128,
    supersample: int = 2,
) -> Batch:
    """New people and their photos.

    Args:
        generator: CPU generator; the same state gives the same people on every device.
        batch: B, people.
        views: V, photos of each.
        size: side of the photos, pixels.
        device: where the pictures are made and returned.
        frontal: share of first photos that show the person from the front (±45°); the rest come from all around.
        held_out: bodies that training never uses.
        photo: keep the background in `images` instead of compositing on white.
        truncated: whether photos cut parts of the person off; some do by default.
        same_pose: share of people who keep one pose in all their photos.
        light: of all photos, taken by a camera without noise or colour cast; by default each photo has its own.
        uv_size: S.
        supersample: samples per pixel and axis.
    """
    figure = load_figure()
    dice = [Dice.of(generator) for _ in range(batch)]
    people = [sample_person(figure, d, held_out=held_out) for d in dice]
    cast = Cast.of(figure, people, device)
    owner = torch.arange(batch).repeat_interleave(views)
    poses = [pose for d in dice for pose in _sample_poses(d, views, same_pose)]
    posed = pose_people(cast, owner.to(device), torch.stack([p.rotations for p in poses]).to(device))
    framings, lights = [], []
    for m, who in enumerate(owner.tolist()):
        framings.append(_sample_view(dice[who], posed.points[m].cpu(), size, m % views == 0, frontal, truncated))
        lights.append(light or sample_light(dice[who]))

    cameras = [f.camera for f in framings]
    K, viewmat = cameras_of(cameras, device)
    exposure = expose(cast, posed, _finer(K, supersample), viewmat, size * supersample, lights)
    premultiplied, coverage = develop(exposure, supersample)
    window = _windows(framings, size).to(device)  # [M, H, W]
    masks, images = [], []
    for m, who in enumerate(owner.tolist()):
        matte = spoil_matte(coverage[m], dice[who]) * window[m]
        if photo:
            behind = room(dice[who], cameras[m], float(posed.points[m, :, 1].min())).to(device)
        else:
            behind = sample_background(dice[who], size, device)
        full = (premultiplied[m] + (1 - coverage[m]) * behind).clamp(0, 1)
        full = expose_film(full, dice[who]) if light is None else full
        masks.append(matte)
        images.append(full if photo else full * matte + 1 - matte)
    mask = torch.stack(masks)
    truth = _truth(cast, posed.owner, exposure.fragments, supersample, coverage, mask, window)
    uv = uv_atlas(uv_size)
    gain = exposure.gain.view(batch, views, 3).mean(1)
    lead = (batch, views)
    return Batch(
        images=torch.stack(images).unflatten(0, lead),
        masks=mask.unflatten(0, lead),
        clean_masks=(coverage * window).unflatten(0, lead),
        **{name: value.unflatten(0, lead) for name, value in truth.items()},
        rest_joints=cast.rest_joints,
        **uv_truth(people, gain.cpu(), uv_size, device),
        uv_mask=uv.mask.to(device),
        uv_bone_weights=uv.bone_weights.to(device),
        uv_visible=_uv_visible(cast, exposure.fragments, owner, uv_size).unflatten(0, lead),
        cameras=[cameras[i : i + views] for i in range(0, len(cameras), views)],
        poses=[poses[i : i + views] for i in range(0, len(poses), views)],
        people=people,
    )


@torch.no_grad()
def render_person(
    person: Person,
    pose: Pose,
    camera: Camera,
    *,
    light: Light = STUDIO,
    background: Tensor | float = 1.0,
    supersample: int = 2,
) -> tuple[Tensor, Tensor]:
    """One ground-truth picture, without noise.

    Args:
        person: who.
        pose: (55, 3) rotations; `transl` moves the person.
        camera: square.
        light: the light.
        background: grey level or picture [3, H, W] behind the person.
        supersample: samples per pixel and axis.

    Returns:
        Picture [3, H, W] sRGB and coverage [H, W].
    """
    cast = Cast.of(load_figure(), [person])
    posed = pose_people(cast, torch.zeros(1, dtype=torch.int64), pose.rotations[None])
    posed.points.add_(pose.transl)
    K, viewmat = cameras_of([camera], "cpu")
    exposure = expose(cast, posed, _finer(K, supersample), viewmat, camera.width * supersample, [light])
    premultiplied, coverage = develop(exposure, supersample)
    return premultiplied[0] + (1 - coverage[0]) * background, coverage[0]


def _sample_poses(dice: Dice, views: int, same_pose: float) -> list[Pose]:
    if dice.chance(same_pose):
        return [sample_pose(dice)] * views
    return [sample_pose(dice) for _ in range(views)]


def _sample_view(dice: Dice, points: Tensor, size: int, first: bool, frontal: float, truncated: bool | None) -> Framing:
    ahead = first and dice.chance(frontal)
    yaw = dice.uniform(-math.pi / 4, math.pi / 4) if ahead else dice.uniform(-math.pi, math.pi)
    return sample_framing(dice, points, size, yaw, truncated=truncated)


def _finer(K: Tensor, supersample: int) -> Tensor:
    return K * torch.tensor([supersample, supersample, 1.0], device=K.device)[:, None]


def _windows(framings: list[Framing], size: int) -> Tensor:
    """[M, H, W] 1 inside each photo, 0 where the frame reaches beyond it."""
    center = torch.arange(size) + 0.5
    out = []
    for framing in framings:
        left, top, right, bottom = framing.window
        columns = ((center > left) & (center < right)).float()
        rows = ((center > top) & (center < bottom)).float()
        out.append(rows[:, None] * columns)
    return torch.stack(out)


def _truth(
    cast: Cast, owner: Tensor, fragments: Fragments, supersample: int, coverage: Tensor, mask: Tensor, window: Tensor
) -> dict[str, Tensor]:
    """Truth at one sample of every pixel; see Batch."""
    m, fine, _ = fragments.shape
    size = fine // supersample
    row, column = fragments.pixel % (fine * fine) // fine, fragments.pixel % fine
    chosen = (row % supersample == supersample // 2) & (column % supersample == supersample // 2)
    image = fragments.image[chosen]
    pixel = image * (size * size) + row[chosen] // supersample * size + column[chosen] // supersample
    keep = (coverage.flatten()[pixel] > 0.5) & (mask.flatten()[pixel] > 0.25) & (window.flatten()[pixel] > 0)
    index = chosen.nonzero()[:, 0][keep]
    part = Fragments(pixel[keep], fragments.face[index], fragments.bary[index], fragments.depth[index], (m, size, size))

    who = owner[part.image]
    bones = cast.face_bones[who, part.face]  # [P, 4]
    weights = (cast.corner_weights[who, part.face] * part.bary[..., None]).sum(1)
    part_of_bone = torch.tensor(PART_OF_BONE, dtype=torch.int8, device=bones.device)
    strongest = bones.gather(1, weights.argmax(1, keepdim=True))[:, 0]
    canonical = part.interpolate(cast.canonical, cast.faces, owner)
    return {
        "canonical": part.scatter(canonical).permute(0, 3, 1, 2),
        "valid": part.mask(),
        "depth": part.scatter(part.depth),
        "bone_index": part.scatter(bones.to(torch.uint8)),
        "bone_weight": part.scatter(weights / weights.sum(-1, keepdim=True).clamp_min(1e-6)),
        "parts": part.scatter(part_of_bone[strongest], -1),
    }


@dataclass(frozen=True, eq=False)
class UvAtlas:
    """Texels of the body: which face and where on it.

    Attributes:
        fragments: one "picture" of S×S texels, laid out as in `nopo.body.template`.
        mask: [S, S] bool.
        bone_weights: [S, S, 69].
    """

    fragments: Fragments
    mask: Tensor
    bone_weights: Tensor


@cache
def uv_atlas(size: int) -> UvAtlas:
    """The body's UV charts at `size` texels a side."""
    body = load_figure().body
    atlas = rasterize_atlas(body.uvs, body.uv_faces, size)
    pixel = atlas.mask.flatten().nonzero()[:, 0]
    bary = atlas.barycentric.view(-1, 3)[pixel]
    fragments = Fragments(pixel, atlas.face.flatten()[pixel], bary, torch.ones(len(pixel)), (1, size, size))
    weights = fragments.interpolate(body.bone_weights, body.faces)
    return UvAtlas(fragments, fragments.mask()[0], fragments.scatter(weights)[0])


def uv_truth(people: list[Person], gain: Tensor, size: int, device: torch.device | str) -> dict[str, Tensor]:
    """Canonical positions and colours on the UV map.

    Args:
        people: B of them.
        gain: [B, 3] mean linear light, multiplied into the colours.
        size: S.
        device: where the result goes.
    """
    figure, atlas = load_figure(), uv_atlas(size)
    fragments, body_faces = atlas.fragments, figure.body.faces
    place = fragments.interpolate(figure.reference, body_faces)
    piece = figure.piece[body_faces[fragments.face][:, 0]]
    positions, colors = [], []
    for person, light in zip(people, gain, strict=True):
        positions.append(fragments.scatter(fragments.interpolate(person.canonical, body_faces))[0])
        colour = paint(person.look, person.outfit, place, piece, 1.6 / size).colour
        colors.append(fragments.scatter((colour**2 * light).clamp(0, 1).sqrt())[0])
    return {"uv_positions": torch.stack(positions).to(device), "uv_colors": torch.stack(colors).to(device)}


def _uv_visible(cast: Cast, fragments: Fragments, owner: Tensor, size: int) -> Tensor:
    """[M, S, S] texels whose face is seen in picture m."""
    faces = uv_atlas(size).fragments
    seen = torch.zeros(len(owner), len(cast.faces), dtype=torch.bool, device=fragments.face.device)
    seen[fragments.image, fragments.face] = True
    on_texels = seen[:, faces.face.to(seen.device)]  # [M, T]
    out = torch.zeros(len(owner), size * size, dtype=torch.bool, device=seen.device)
    out[:, faces.pixel.to(seen.device)] = on_texels
    return out.view(len(owner), size, size)
