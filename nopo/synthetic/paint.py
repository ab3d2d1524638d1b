"""The colour of a person at every visible place: skin, face, hair, clothes, from the inside out.

Everything is looked up at 3D places on the reference body (see `cover`), so that there are no seams and the same
person has the same colours in every photo and on the UV map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nopo.synthetic import face
from nopo.synthetic.canvas import Canvas
from nopo.synthetic.cover import (
    arm_of,
    bottom_cover,
    edge,
    gap_cover,
    hair_cover,
    hat_cover,
    shoe_cover,
    sock_cover,
    top_cover,
)  # fmt: skip
from nopo.synthetic.fabrics import RGB
from nopo.synthetic.figure import PIECES
from nopo.synthetic.wardrobe import Look, Outfit

_METAL: RGB = (0.72, 0.68, 0.56)
_EYES = PIECES.index("eyes")


@dataclass(frozen=True, eq=False)
class Paint:
    """Colour [P, 3] sRGB, and what the light needs: the strengths `shine` [P] and `wrinkle` [P]."""

    colour: Tensor
    shine: Tensor
    wrinkle: Tensor


def paint(look: Look, outfit: Outfit, place: Tensor, piece: Tensor, footprint: Tensor) -> Paint:
    """Colour the visible places of one person.

    Args:
        look: head and skin.
        outfit: clothes.
        place: [P, 3] on the reference body, or texture place of a grid, metres.
        piece: [P] int64 index into PIECES.
        footprint: [P] metres that one pixel covers.
    """
    canvas = Canvas(place, footprint, look.skin)
    on_body = (piece <= _EYES).nonzero()[:, 0]
    body = canvas.part(on_body) if len(on_body) < len(piece) else canvas
    _paint_body(body, look, outfit, piece[on_body] == _EYES)
    if body is not canvas:
        canvas.put(on_body, body)
    for index, name in enumerate(PIECES):
        if index <= _EYES:
            continue
        here = (piece == index).nonzero()[:, 0]
        if len(here) == 0:
            continue
        part = canvas.part(here)
        _GRID_PAINTERS[name](part, look, outfit)
        canvas.put(here, part)
    return Paint(canvas.colour.clamp(0, 1), canvas.shine, canvas.wrinkle)


def _paint_body(canvas: Canvas, look: Look, outfit: Outfit, eyes: Tensor) -> None:
    x, y, z = canvas.place.unbind(-1)
    face.skin(canvas)
    on_head = (y > 0.47) & (x.abs() < 0.2)
    head = on_head.nonzero()[:, 0]
    if len(head):
        part = canvas.part(head)
        face.features(part, look, eyes[head])
        _hair(part, look)
        part.wear(hat_cover(outfit, part.place), outfit.hat, hem=0.25)
        canvas.put(head, part)
    below = (~on_head).nonzero()[:, 0]
    if len(below):
        part = canvas.part(below)
        _clothe(part, outfit)
        canvas.put(below, part)


def _hair(canvas: Canvas, look: Look) -> None:
    if look.style == "bald":
        return
    share = canvas.soft(hair_cover(look, canvas.place), 0.007)
    if look.style == "buzz":
        share = share * 0.75
    canvas.over(share, _strands(look, canvas.place))
    canvas.shine += share * (_hair_shine(look) - canvas.shine)


def _strands(look: Look, place: Tensor) -> Tensor:
    x, y, z = place.unbind(-1)
    angle = torch.atan2(x - look.parting * 0.5, -(z - 0.06))
    band = torch.sin(angle * 55 + 30 * y) * torch.sin(angle * 23 + 90 * y) + 0.6 * torch.sin(210 * x + 130 * z)
    parting = 1 - 0.5 * torch.exp(-(((x - look.parting) / 0.004) ** 2)) * (y > 0.66) * (z > -0.0)
    gain = (1 + _strand_contrast(look) * band) * parting * (0.85 + 1.2 * (y - 0.6).clamp(-0.1, 0.12))
    return torch.tensor(look.hair, device=place.device) * gain[:, None]


def _strand_contrast(look: Look) -> float:
    """Strands are hard to tell apart in light hair."""
    return 0.2 - 0.13 * max(look.hair)


def _hair_shine(look: Look) -> float:
    """Light hair glitters less against itself."""
    return 0.42 - 0.3 * max(look.hair)


def _clothe(canvas: Canvas, outfit: Outfit) -> None:
    y = canvas.place[:, 1]
    blur = 0.03 + canvas.footprint
    for paint_part, here in ((_clothe_legs, y < 0.1 + blur), (_top, y > min(outfit.hem, -0.05) - blur)):
        index = here.nonzero()[:, 0]
        if len(index):
            part = canvas.part(index)
            paint_part(part, outfit)
            canvas.put(index, part)


def _clothe_legs(canvas: Canvas, outfit: Outfit) -> None:
    x, y, z = canvas.place.unbind(-1)
    if outfit.shoes != "bare" or outfit.tights:
        canvas.wear(sock_cover(outfit, canvas.place), outfit.sock, hem=0.1)
    if outfit.kind != "dress":
        canvas.wear(bottom_cover(outfit, canvas.place), outfit.bottom, hem=0.3)
        inseam = edge(0.002 - (z - 0.02).abs(), 0.003) * edge(bottom_cover(outfit, canvas.place), 0.004)
        canvas.shade(inseam * (x.abs() > 0.05), 0.8)
        if outfit.kind in ("trousers", "shorts"):
            fly = torch.minimum(torch.minimum(0.002 - x.abs(), z - 0.05), torch.minimum(0.06 - y, y + 0.07))
            pocket = torch.minimum(0.002 - (x.abs() - 0.11 - 0.5 * (y - 0.0)).abs(), torch.minimum(0.05 - y, y + 0.05))
            canvas.shade(canvas.soft(fly), 0.7)
            canvas.shade(canvas.soft(torch.minimum(pocket, z - 0.03)), 0.75)
            if outfit.back_pockets:
                patch = torch.minimum(0.045 - (x.abs() - 0.085).abs(), 0.05 - (y + 0.05).abs())
                seam = torch.maximum(0.003 - patch.abs(), 0.002 - x.abs())
                canvas.shade(canvas.soft(torch.minimum(torch.minimum(seam, 0.1 - (y + 0.05).abs()), -0.02 - z)), 0.7)
        canvas.wrinkle *= 1 + 1.2 * torch.exp(-(((y + 0.5) / 0.06) ** 2)) + torch.exp(-(((y + 0.12) / 0.05) ** 2))
    if outfit.belt:
        band = torch.minimum(0.017 - (y - 0.06).abs(), -arm_of(canvas.place))
        canvas.over(canvas.soft(band), outfit.trim)
        canvas.over(canvas.soft(torch.minimum(torch.minimum(band, 0.022 - x.abs()), z)), _METAL)
    canvas.wear(shoe_cover(outfit, canvas.place), outfit.shoe, hem=0.3)
    if outfit.shoes != "bare":
        canvas.over(canvas.soft(-0.962 - y), outfit.sole)
        if outfit.shoes == "sneaker":
            laces = torch.minimum(0.012 - x.abs().sub(0.155).abs(), torch.minimum(z - 0.07, 0.15 - z))
            laces = torch.minimum(laces, 0.004 - ((z % 0.02) - 0.01).abs())
            canvas.over(canvas.soft(torch.minimum(laces, torch.minimum(y + 0.955, -0.9 - y))), outfit.sole)


def _top(canvas: Canvas, outfit: Outfit) -> None:
    x, y, z = canvas.place.unbind(-1)
    arm = arm_of(canvas.place)
    # Along a sleeve the cloth runs sideways: exchange "across" and "up" there.
    turned = torch.where((arm > 0)[:, None], torch.stack([y - 0.38, x.abs(), z], -1), canvas.place)
    cover = top_cover(outfit, canvas.place)
    fabric = outfit.bottom if outfit.kind == "dress" and outfit.folds > 0.35 else outfit.top
    if outfit.vee > 0.08 and outfit.collar == "shirt" or outfit.opening:
        # The shirt below shows in the opening.
        under = torch.minimum(torch.minimum(0.45 - y, 0.13 - x.abs()), y - outfit.hem)
        canvas.wear(under, outfit.inner)
    canvas.wear(cover, fabric, turned, hem=0.35)
    worn = edge(cover, 0.004)
    if outfit.opening:
        gap = torch.minimum(gap_cover(outfit, canvas.place), cover)
        canvas.shade(edge(gap + 0.008, 0.012) * worn, 0.65)
        canvas.wear(gap, outfit.inner)
    elif outfit.placket:
        line = torch.minimum(0.0025 - x.abs(), z - 0.03)
        canvas.shade(canvas.soft(line) * worn, 0.6)
        if outfit.placket == "buttons":
            dots = 0.006 - ((x - 0.006) ** 2 + ((y % 0.075) - 0.0375) ** 2).sqrt()
            canvas.over(canvas.soft(torch.minimum(dots, z - 0.03)) * worn, outfit.trim)
        else:
            zipper = torch.minimum(0.005 - x.abs(), z - 0.03)
            canvas.over(canvas.soft(zipper) * worn * 0.7, outfit.trim)
    if outfit.lapels:
        _lapels(canvas, outfit, worn)
    if outfit.print_kind and not outfit.opening:
        canvas.over(_print(canvas, outfit) * worn * (arm < 0), outfit.print_colour)
    canvas.wrinkle *= 1 + 1.2 * torch.exp(-(((x.abs() - 0.44) / 0.05) ** 2))  # elbows
    cuff = edge(0.010 - (x.abs() - outfit.sleeve + 0.012).abs(), 0.004) * worn
    canvas.shade(cuff, 0.86)
    band = edge(0.010 - (y - outfit.hem - 0.014).abs(), 0.004) * worn
    canvas.shade(band, 0.88)
    armhole = edge(0.0018 - (x.abs() - 0.2).abs(), 0.004) * worn * (y > 0.25)
    canvas.shade(armhole, 0.85)
    if outfit.bag_kind == "backpack":
        straps = torch.minimum(0.02 - (x.abs() - 0.095).abs(), torch.minimum(y - 0.2, 0.5 - y))
        canvas.wear(straps, outfit.bag, hem=0.25)
    elif outfit.bag_kind in ("strap", "shoulder"):
        side = outfit.bag_side
        line = 0.016 - (side * x * 0.77 + (y - 0.2) * 0.64).abs()
        canvas.wear(torch.minimum(torch.minimum(line, y + 0.05), -arm), outfit.bag, hem=0.25)
    if outfit.gloves:
        canvas.over(canvas.soft(x.abs() - 0.66), outfit.trim)
    if outfit.hung:
        _hang(canvas, outfit)


def _hang(canvas: Canvas, outfit: Outfit) -> None:
    """A tie, a lanyard, a necklace or braces."""
    x, y, z = canvas.place.unbind(-1)
    side, low, front = x.abs(), outfit.hung_low, z - 0.02
    if outfit.hung == "tie":
        width = 0.014 + 0.06 * (0.42 - y).clamp(0, 0.4)
        tip = y - low - side
        band = torch.minimum(torch.minimum(width - side, tip), torch.minimum(0.44 - y, front))
        canvas.wear(band, outfit.bag, hem=0.3)
        return
    if outfit.hung == "braces":
        straps = torch.minimum(0.014 - (side - 0.09).abs(), torch.minimum(y - low, 0.5 - y))
        canvas.wear(straps, outfit.bag, hem=0.25)
        return
    thin = 0.008 if outfit.hung == "lanyard" else 0.004
    rise = ((y - low) / (0.45 - low)).clamp(0, 1)
    curve = 0.075 * (rise if outfit.hung == "lanyard" else rise.sqrt())
    cord = torch.minimum(torch.minimum(thin - (side - curve).abs(), y - low), torch.minimum(0.46 - y, front))
    canvas.over(canvas.soft(cord), outfit.trim)
    if outfit.hung == "lanyard":
        card = torch.minimum(0.032 - side, 0.045 - (y - low + 0.045).abs())
        canvas.wear(torch.minimum(card, front), outfit.bag, hem=0.3)
    else:
        pendant = 0.01 - (x * x + (y - low) ** 2).sqrt()
        canvas.over(canvas.soft(torch.minimum(pendant, front)), _METAL)


def _lapels(canvas: Canvas, outfit: Outfit, worn: Tensor) -> None:
    """The turned-out edges of a jacket's neckline, widest at the chest."""
    x, y, z = canvas.place.unbind(-1)
    low = 0.4 - outfit.vee if not outfit.opening else 0.12
    inner = -gap_cover(outfit, canvas.place) if outfit.opening else x.abs() - 0.6 * (y - low)
    width = 0.055 * ((y - low) / (0.36 - low)).clamp(0, 1)
    notch = 0.6 * (0.012 - (y - 0.375).abs()).clamp_min(0)
    band = torch.minimum(torch.minimum(inner, width - notch - inner), torch.minimum(0.43 - y, z - 0.03))
    canvas.shade(canvas.soft(0.004 - (band + 0.004).abs()) * worn, 0.6)
    canvas.shade(canvas.soft(band) * worn, 1.1)


def _print(canvas: Canvas, outfit: Outfit) -> Tensor:
    x, y, z = canvas.place.unbind(-1)
    cx, cy, half_width, half_height = outfit.print_place
    dx, dy = x - cx, y - cy
    box = torch.minimum(half_width - dx.abs(), half_height - dy.abs())
    facing = -z if outfit.print_back else z - 0.02
    box = torch.minimum(box, facing)
    radius = (dx * dx + dy * dy).sqrt()
    if outfit.print_kind == "disc":
        shape = torch.minimum(half_width - radius, facing)
    elif outfit.print_kind == "ring":
        shape = torch.minimum(0.2 * half_width - (radius - 0.8 * half_width).abs(), facing)
    elif outfit.print_kind == "rows":  # lines of something like letters
        line = 0.35 - ((dy / 0.032) % 1 - 0.5).abs()
        letters = torch.sin(dx * 330 + torch.floor(dy / 0.032) * 5) + 0.6 * torch.sin(dx * 610 + 3) + 0.5
        shape = torch.minimum(torch.minimum(line * 0.03, letters * 0.004), box)
    else:
        shape = box
    return canvas.soft(shape)


def _paint_skirt(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    coat = outfit.kind not in ("skirt", "dress")
    fabric = outfit.top if coat or (outfit.kind == "dress" and outfit.folds <= 0.35) else outfit.bottom
    everywhere = torch.ones_like(canvas.shine)
    canvas.wear(everywhere, fabric)
    bottom = outfit.tail if coat else outfit.skirt_hem
    canvas.shade(edge(0.008 - (canvas.place[:, 1] - bottom - 0.02).abs(), 0.005), 0.88)
    if outfit.kind == "skirt" and outfit.belt:
        canvas.over(canvas.soft(canvas.place[:, 1] - 0.05), outfit.trim)


def _paint_hair(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    if outfit.hat_kind == "hijab":
        _paint_hat(canvas, look, outfit)
        return
    angle, y = canvas.place[:, 0] * 10, canvas.place[:, 1]
    band = torch.sin(angle * 41 + 6 * y) + 0.7 * torch.sin(angle * 83 - 9 * y) + 0.5 * torch.sin(angle * 160)
    gain = 1 + _strand_contrast(look) * band + 0.6 * (y - 0.5).clamp(-0.3, 0.2)
    canvas.colour = (torch.tensor(look.hair, device=y.device) + 0.02) * gain[:, None]
    canvas.shine = _hair_shine(look) * (1 + 0.5 * band)


def _paint_bun(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    band = torch.sin(canvas.place @ torch.tensor([300.0, 90.0, 260.0], device=canvas.place.device))
    canvas.colour = torch.tensor(look.hair, device=band.device) * (1 + 0.2 * band)[:, None]
    canvas.shine = torch.full_like(band, 0.3)


def _paint_hat(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    canvas.wear(torch.ones_like(canvas.shine), outfit.hat)


def _paint_bag(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    canvas.wear(torch.ones_like(canvas.shine), outfit.bag)
    y = canvas.place[:, 1]
    canvas.shade(canvas.soft(0.004 - (y - 0.22).abs()), 0.6)
    canvas.wrinkle *= 0.3


def _paint_collar(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    scarf = outfit.hat if outfit.hat_kind == "hijab" else outfit.sock
    canvas.wear(torch.ones_like(canvas.shine), scarf if outfit.collar == "scarf" else outfit.top)
    canvas.shade(torch.ones_like(canvas.shine), 0.94)


def _paint_mouth(canvas: Canvas, look: Look, outfit: Outfit) -> None:
    canvas.colour = torch.tensor([0.25, 0.08, 0.08], device=canvas.shine.device).expand_as(canvas.place).clone()


_GRID_PAINTERS: dict[str, Callable[[Canvas, Look, Outfit], None]] = {
    "skirt": _paint_skirt,
    "hair": _paint_hair,
    "hat": _paint_hat,
    "bun": _paint_bun,
    "bag": _paint_bag,
    "collar": _paint_collar,
    "mouth": _paint_mouth,
}
