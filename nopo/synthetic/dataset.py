"""Batches of synthetic people for training: pictures as the network gets them, and the truth of every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.camera import Camera
from nopo.encode.window import cut_columns
from nopo.motion import Pose
from nopo.synthetic.backgrounds import room, sample_background
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import load_figure, load_mesh
from nopo.synthetic.film import expose_film
from nopo.synthetic.framing import TRUNCATED_SHARE, Framing, facing_of, sample_framing
from nopo.synthetic.lighting import STUDIO, Light, sample_light
from nopo.synthetic.mattes import spoil_matte
from nopo.synthetic.person import Person, sample_person
from nopo.synthetic.poses import BENT, sample_pose
from nopo.synthetic.rasterize import Fragments
from nopo.synthetic.shoot import Exposure, cameras_of, develop, expose, pose_person
from nopo.synthetic.things import sample_thing
from nopo.synthetic.uv import uv_atlas, uv_colors, uv_positions, uv_visible

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

ARM_PARTS = (
    *(JOINT_NAMES.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("elbow", "wrist")),
    22,
    23,
)
"""Forearms and hands."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B people with V photos of H×W pixels each, and S×S texels of truth on the body's UV map.

    "Canonical" is the T-pose in the template's proportions; the bone shape warp (leaf bones inherit) from the
    template's rest joints to `rest_joints` takes it to the subject's own T-pose.

    Attributes:
        images: [B, V, 3, H, W] sRGB in [0, 1], composited on white with the noisy matte (or whole photos).
        masks: [B, V, H, W] the noisy matte; `clean_masks` the person's true one.
        canonical: [B, V, 3, H, W] metres, zero where not valid.
        valid: [B, V, H, W] bool, pixels that show the person and that the matte kept.
        depth: [B, V, H, W] metres along the camera's axis, zero where not valid.
        bone_index: [B, V, H, W, 4] uint8 strongest bones; `bone_weight` [B, V, H, W, 4], sum 1 where valid.
        parts: [B, V, H, W] int8 coarse part 0 to 23, -1 where not valid.
        rest_joints: [B, 55, 3] metres, of the subject.
        traits: [B, 6] of `person.TRAITS`.
        facing: [B, V, 2] sine and cosine of the angle by which the body is turned away from the camera: (0, 1) looks
            into it, (1, 0) faces the right of the picture, (0, -1) shows the back; (0, 0) where that is undefined.
        uv_positions: [B, S, S, 3] canonical, metres.
        uv_colors: [B, S, S, 3] sRGB under the photos' mean light, if they were asked for.
        uv_mask: [S, S] bool, texels of the body; `uv_bone_weights` [S, S, 69].
        uv_visible: [B, V, S, S] bool, texels that photo v shows, if they were asked for.
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
    traits: Tensor
    facing: Tensor
    uv_positions: Tensor
    uv_mask: Tensor
    uv_bone_weights: Tensor
    cameras: list[list[Camera]]
    poses: list[list[Pose]]
    people: list[Person]
    uv_colors: Tensor | None = None
    uv_visible: Tensor | None = None

    def people_in(self, rows: Sequence[int]) -> Batch:
        """Some of the people, by their numbers."""
        parts: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and f.name not in ("uv_mask", "uv_bone_weights"):
                parts[f.name] = [value[row] for row in rows] if isinstance(value, list) else value[list(rows)]
        return replace(self, **parts)

    def columns_in(self, starts: Tensor, width: int) -> Batch:
        """Windows of the photos: `width` columns from another first one [B, V] each."""
        flat = starts.flatten()
        axes = {"images": -1, "canonical": -1, "bone_index": -2, "bone_weight": -2}
        names = ("images", "masks", "clean_masks", "canonical", "valid", "depth", "bone_index", "bone_weight", "parts")
        parts: dict[str, Any] = {}
        for name in names:
            maps = getattr(self, name)
            parts[name] = cut_columns(maps.flatten(0, 1), flat, width, axes.get(name, -1)).unflatten(0, starts.shape)
        parts["cameras"] = [
            [_cut_camera(camera, int(start), width) for camera, start in zip(cameras, row, strict=True)]
            for cameras, row in zip(self.cameras, starts, strict=True)
        ]
        return replace(self, **parts)

    def singles(self) -> Batch:
        """The same B·V photos as if each showed somebody else: [B·V, 1, ...]."""
        views = self.images.shape[1]
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None:
                continue
            if f.name in ("rest_joints", "traits", "uv_positions", "uv_colors"):
                changed[f.name] = value.repeat_interleave(views, 0)
            elif f.name in ("cameras", "poses"):
                changed[f.name] = [[one] for several in value for one in several]
            elif f.name == "people":
                changed[f.name] = [person for person in value for _ in range(views)]
            elif f.name not in ("uv_mask", "uv_bone_weights"):
                changed[f.name] = value.flatten(0, 1)[:, None]
        return replace(self, **changed)


@torch.no_grad()
def make_batch(
    generator: torch.Generator,
    batch: int,
    views: int,
    size: int,
    *,
    device: torch.device | str = "cpu",
    frontal: float = 0.3,
    difficulty: float = 1.0,
    held_out: bool = False,
    photo: bool = False,
    truncated: bool | None = None,
    same_pose: float = 0.5,
    bent: float = 0.0,
    things: float = 0.0,
    light: Light | None = None,
    uv_size: int = 128,
    uv_truth: bool = True,
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
        difficulty: 0 clean mattes, even cameras and whole bodies, to 1 as many faults as real photos have.
        held_out: bodies that training never uses.
        photo: keep the background in `images` instead of compositing on white.
        truncated: whether photos cut parts of the person off; some do by default.
        same_pose: share of people who keep one pose in all their photos.
        bent: share of poses that are chosen from `poses.BENT`, besides those that come by themselves.
        things: share of photos in which something that is not the person is before them (see `things`), and of
            people on whom something hangs.
        light: of all photos, taken by a camera without noise or colour cast; by default each photo has its own.
        uv_size: S.
        uv_truth: texels' colours and visibility too, which no loss asks for and which take a sixth of the time.
        supersample: samples per pixel and axis.
    """
    figure = load_figure()
    wishes = _Wishes(
        views, size, torch.device(device), frontal, difficulty, photo, truncated, same_pose, bent, things, light,
        uv_size, uv_truth, supersample,
    )  # fmt: skip
    shots = []
    for _ in range(batch):  # person by person: on a CPU what one person needs fits into the cache
        dice = Dice.of(generator)
        person = sample_person(figure, dice, held_out=held_out, hung=things)
        shots.append(_photograph(person, dice, wishes))
    tensors = {name: torch.stack([shot.tensors[name] for shot in shots]) for name in shots[0].tensors}
    uv = uv_atlas(uv_size, device)
    return Batch(
        **tensors,
        uv_mask=uv.mask,
        uv_bone_weights=uv.bone_weights,
        cameras=[shot.cameras for shot in shots],
        poses=[shot.poses for shot in shots],
        people=[shot.person for shot in shots],
    )


@dataclass(frozen=True)
class _Wishes:
    """What make_batch was asked for."""

    views: int
    size: int
    device: torch.device
    frontal: float
    difficulty: float
    photo: bool
    truncated: bool | None
    same_pose: float
    bent: float
    things: float
    light: Light | None
    uv_size: int
    uv_truth: bool
    supersample: int


@dataclass(frozen=True, eq=False)
class _Shots:
    """The photos of one person: the fields of Batch without their first axis."""

    tensors: dict[str, Tensor]
    cameras: list[Camera]
    poses: list[Pose]
    person: Person


def _photograph(person: Person, dice: Dice, wishes: _Wishes) -> _Shots:
    """V photos of one person and their truth; see make_batch."""
    size, device = wishes.size, wishes.device
    subject = person.to(device)
    poses = _sample_poses(dice, wishes)
    posed = pose_person(subject, torch.stack([p.rotations for p in poses]).to(device))
    framings = [_sample_view(dice, points.cpu(), v == 0, wishes) for v, points in enumerate(posed.points)]
    lights = [wishes.light or sample_light(dice) for _ in poses]
    cameras = [framing.camera for framing in framings]
    K, viewmat = cameras_of(cameras, device)
    swatches = uv_atlas(wishes.uv_size, device).swatches if wishes.uv_truth else None
    exposure = expose(subject, posed, K, viewmat, size, wishes.supersample, lights, swatches)
    premultiplied, coverage = develop(exposure)
    window = torch.stack([framing.shown() for framing in framings]).to(device)  # [V, H, W]
    masks, images, bare = [], [], []
    for v, camera in enumerate(cameras):
        thing = sample_thing(dice, coverage[v]) if wishes.things and dice.chance(wishes.things) else None
        before = coverage[v] if thing is None else torch.maximum(coverage[v], thing.cover)
        faulty = dice.chance(wishes.difficulty)
        matte = (spoil_matte(before, dice) if faulty else before) * window[v]
        if wishes.photo:
            behind = room(dice, camera, float(posed.points[v, :, 1].min())).to(device)
        else:
            behind = sample_background(dice, size, device)
        full = (premultiplied[v] + (1 - coverage[v]) * behind).clamp(0, 1)
        if thing is not None:
            full = torch.lerp(full, thing.colour, thing.cover)
        bare.append(window[v] if thing is None else window[v] * (1 - thing.cover))
        full = expose_film(full, dice) if faulty and wishes.light is None else full
        masks.append(matte)
        images.append(full if wishes.photo else full * matte + 1 - matte)
    mask, shown = torch.stack(masks), torch.stack(bare)
    tensors = {
        "images": torch.stack(images),
        "masks": mask,
        "clean_masks": coverage * shown,
        "rest_joints": subject.rest_joints,
        "traits": subject.traits,
        "facing": facing_of(torch.stack([p.rotations[0] for p in poses]).to(device), viewmat),
        **_truth(subject, exposure, mask, shown),
        "uv_positions": uv_positions(subject, wishes.uv_size),
    }
    if wishes.uv_truth:
        tensors["uv_colors"] = uv_colors(exposure, wishes.uv_size)
        tensors["uv_visible"] = uv_visible(posed, K, viewmat, exposure.keys, mask * shown, wishes.uv_size)
    return _Shots(tensors, cameras, poses, person)


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
    posed = pose_person(person, pose.rotations[None])
    posed.points.add_(pose.transl.to(posed.points.device))
    K, viewmat = cameras_of([camera], person.surface.device)
    exposure = expose(person, posed, K, viewmat, camera.width, supersample, [light])
    premultiplied, coverage = develop(exposure)
    return premultiplied[0] + (1 - coverage[0]) * background, coverage[0]


def _cut_camera(camera: Camera, start: int, width: int) -> Camera:
    return replace(camera, K=camera.K - torch.tensor([[0.0, 0, start], [0, 0, 0], [0, 0, 0]]), width=width)


def _sample_poses(dice: Dice, wishes: _Wishes) -> list[Pose]:
    def one() -> Pose:
        bent = wishes.bent > 0 and dice.chance(wishes.bent)
        return sample_pose(dice, dice.choose(BENT) if bent else None)

    if dice.chance(wishes.same_pose):
        return [one()] * wishes.views
    return [one() for _ in range(wishes.views)]


def _sample_view(dice: Dice, points: Tensor, first: bool, wishes: _Wishes) -> Framing:
    ahead = first and dice.chance(wishes.frontal)
    yaw = dice.uniform(-math.pi / 4, math.pi / 4) if ahead else dice.uniform(-math.pi, math.pi)
    truncated = dice.chance(TRUNCATED_SHARE * wishes.difficulty) if wishes.truncated is None else wishes.truncated
    return sample_framing(dice, points, wishes.size, yaw, truncated)


def _truth(person: Person, exposure: Exposure, mask: Tensor, shown: Tensor) -> dict[str, Tensor]:
    """Truth at one sample of every pixel of which the person covers more than half; see Batch."""
    samples, mesh = exposure.samples, load_mesh(mask.device)
    pixel = samples.pixel[: len(samples.covered)]
    keep = (samples.covered > 0.5) & (mask.flatten()[pixel] > 0.25) & (shown.flatten()[pixel] > 0.5)
    index = keep.nonzero()[:, 0]
    whole = samples.fragments
    part = Fragments(pixel[index], whole.face[index], whole.bary[index], whole.depth[index], samples.shape)

    grid = (part.face >= len(mesh.face_bones)).nonzero()[:, 0]
    on_grid = part.face[grid] - len(mesh.face_bones)
    face = part.face.clamp_max(len(mesh.face_bones) - 1)
    bones, corners = mesh.face_bones[face], mesh.corner_weights[face]  # [P, 4] and [P, 3, 4]
    bones[grid], corners[grid] = person.grid_bones[on_grid], person.grid_corners[on_grid]
    weights = (corners * part.bary[..., None]).sum(1)
    part_of_bone = torch.tensor(PART_OF_BONE, dtype=torch.int8, device=bones.device)
    strongest = bones.gather(1, weights.argmax(1, keepdim=True))[:, 0]
    return {
        "canonical": part.scatter(exposure.canonical[index]).permute(0, 3, 1, 2),
        "valid": part.mask(),
        "depth": part.scatter(part.depth),
        "bone_index": part.scatter(bones.to(torch.uint8)),
        "bone_weight": part.scatter(weights / weights.sum(-1, keepdim=True).clamp_min(1e-6)),
        "parts": part.scatter(part_of_bone[strongest], -1),
    }
