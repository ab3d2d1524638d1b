"""What is behind people: walls and floors, streets of blurred shapes, plain studio paper."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nopo.camera import Camera
from nopo.synthetic.dice import Dice
from nopo.synthetic.fabrics import RGB, fabric_colour, hsv, plain_fabric, sample_colour
from nopo.synthetic.mattes import smooth_noise, soften


def sample_background(dice: Dice, size: int, device: torch.device | str = "cpu") -> Tensor:
    """A cheap background [3, size, size]: a gradient with blurred clutter. Only its edges are ever seen."""
    top, bottom = (torch.tensor(sample_colour(dice), device=device)[:, None, None] for _ in range(2))
    t = torch.linspace(0, 1, size, device=device)[None, :, None]
    picture = (top * (1 - t) + bottom * t).expand(3, size, size)
    coarse = smooth_noise(dice, 3, dice.choose((4, 8, 16)), max(size // 4, 16), device)
    clutter = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")[0]
    return (picture + dice.uniform(0, 0.2) * clutter).clamp(0, 1)


def room(dice: Dice, camera: Camera, floor_y: float) -> Tensor:
    """A room as `camera` sees it: floor, back walls, a picture and a skirting board, out of focus.

    Args:
        dice: source of all choices.
        camera: square or not.
        floor_y: height of the floor, world, metres.

    Returns:
        [3, H, W] sRGB.
    """
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    ray = torch.stack([(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1],
                       torch.ones_like(x)], -1).reshape(-1, 3)  # fmt: skip
    rotation = camera.viewmat[:3, :3]
    eye = -rotation.T @ camera.viewmat[:3, 3]
    ray = ray @ rotation
    wall_away = dice.uniform(1.0, 3.0)  # metres behind the subject, square to the view
    forward = torch.nn.functional.normalize(-eye * torch.tensor([1.0, 0.0, 1.0]), dim=0)
    to_floor = torch.where(ray[:, 1] < -1e-3, (floor_y - eye[1]) / ray[:, 1].clamp_max(-1e-3), torch.tensor(1e6))
    across = (ray @ forward).clamp_min(1e-3)
    to_wall = (wall_away - eye @ forward) / across
    on_floor = to_floor < to_wall
    hit = eye + ray * torch.minimum(to_floor, to_wall)[:, None]
    right = torch.stack([-forward[2], torch.zeros(()), forward[0]])
    along, height = hit @ right, hit[:, 1] - floor_y
    wall_place = torch.stack([along, height, torch.zeros_like(along)], -1)
    paper, ground_colour = _quiet(dice, 0.6, 0.95), _quiet(dice, 0.3, 0.7)
    wall = torch.tensor(paper).expand_as(ray)
    if dice.chance(0.25):  # wallpaper
        colours = (paper, _quiet(dice, 0.6, 0.95), paper)
        stripes = replace(plain_fabric(paper, dice), pattern="bars", period=0.4, colours=colours)
        wall = fabric_colour(stripes, wall_place, torch.tensor(0.01))
    planks = torch.minimum((along / 0.17) % 1, 1 - (along / 0.17) % 1) < 0.02
    board_tone = 1 + 0.06 * torch.sin(torch.floor(along / 0.17) * 12.9898)
    ground = torch.tensor(ground_colour) * (board_tone * (1 - 0.25 * planks))[:, None]
    board = ((height < 0.09) & ~on_floor).float()[:, None]
    wall = wall * (1 - board) + torch.tensor(_quiet(dice, 0.5, 0.95)) * board
    left, low = dice.choose((dice.uniform(-1.8, -1.25), dice.uniform(0.55, 1.1))), dice.uniform(0.9, 1.5)
    inside = (along > left) & (along < left + 0.7) & (height > low) & (height < low + 0.9)
    wall = torch.where(inside[:, None], torch.tensor(_quiet(dice, 0.35, 0.9)), wall)
    falloff = 1 - 0.25 * ((hit @ forward + 2) / 6).clamp(0, 1)
    shadow = 1 - 0.45 * torch.exp(-((hit[:, 0] ** 2 + hit[:, 2] ** 2) / 0.12)) * on_floor
    colour = torch.where(on_floor[:, None], ground, wall) * (falloff * shadow)[:, None]
    picture = colour.T.reshape(1, 3, camera.height, camera.width).clamp(0, 1)
    return soften(picture, dice.uniform(0.002, 0.006) * camera.height)[0]


def _quiet(dice: Dice, darkest: float, lightest: float) -> RGB:
    """A colour of walls and floors: hardly saturated."""
    return hsv(dice.choose((dice.uniform(0.05, 0.14), dice.uniform())), dice.uniform(0.02, 0.28),
               dice.uniform(darkest, lightest))  # fmt: skip
