"""Held-out synthetic people: what an evaluation photographs, and what the truth is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.camera import Camera, look_at
from nopo.motion import Pose
from nopo.synthetic.dataset import Batch, make_batch, render_person
from nopo.synthetic.dice import Dice, seeded
from nopo.synthetic.framing import frame_whole
from nopo.synthetic.lighting import Light, sample_light
from nopo.synthetic.person import Person
from nopo.synthetic.poses import sample_pose
from nopo.synthetic.shoot import pose_person

PHOTO_SIZE = 256
PICTURE_SIZE = 512
TARGETS = 2  # pictures of each kind of each subject
DISTANCE_M = 5.0


@dataclass(frozen=True, eq=False)
class Target:
    """A picture that an avatar should reproduce: `rgb` (H, W, 3) on white, `alpha` (H, W)."""

    pose: Pose
    camera: Camera
    rgb: Tensor
    alpha: Tensor


@dataclass(frozen=True, eq=False)
class Subject:
    """One held-out person, always in one light.

    Attributes:
        photos: of this person alone (B = 1), whole body, another pose in each, with noisy mattes, on white; the
            yaws are uniform over the whole circle.
        novel_view: pictures in the first photo's pose from other sides.
        novel_pose: pictures in poses that no photo shows.
    """

    photos: Batch
    novel_view: list[Target]
    novel_pose: list[Target]


def held_out_subjects(count: int, seed: int, photos: int, frontal: float = 0.0) -> Iterator[Subject]:
    """The same `count` people for the same seed; their bodies and seeds are never used in training.

    Args:
        count: how many.
        seed: of all choices.
        photos: of each of them.
        frontal: share of first photos taken from the front (±45°); all others come from anywhere.
    """
    for index in range(count):
        generator = seeded(seed * 1_000_003 + index, held_out=True)
        dice = Dice.of(generator)
        light = sample_light(dice)
        batch = make_batch(
            generator, 1, photos, PHOTO_SIZE,
            frontal=frontal, held_out=True, truncated=False, same_pose=0.0, light=light,
        )  # fmt: skip
        person, pose = batch.people[0], batch.poses[0][0]
        yield Subject(
            photos=batch,
            novel_view=[take_picture(person, pose, light, dice) for _ in range(TARGETS)],
            novel_pose=[take_picture(person, sample_pose(dice), light, dice) for _ in range(TARGETS)],
        )


def take_picture(person: Person, pose: Pose, light: Light, dice: Dice, size: int = PICTURE_SIZE) -> Target:
    """A square picture from a random side, framed around the true person."""
    yaw, pitch = dice.uniform(-math.pi, math.pi), dice.normal(0.05, 0.1)
    away = torch.tensor([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    points = pose_person(person, pose.rotations[None]).points[0] + pose.transl
    camera = frame_whole(points, look_at(DISTANCE_M * away, torch.zeros(3)), size)
    rgb, alpha = render_person(person, pose, camera, light=light)
    return Target(pose, camera, rgb.permute(1, 2, 0).clamp(0, 1), alpha)
