"""Skin and faces, painted at places on the reference head: brows, eyes, lips, nose, cheeks, beard, glasses.

Places were read off the open body's mean head: eyes at (±0.030, 0.600), lips at y 0.5305 between x ±0.024, brow ridge
at 0.617, nostrils at (±0.008, 0.557), tip of the nose at z 0.19.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.synthetic.canvas import Canvas
from nopo.synthetic.wardrobe import Look


def _bump(*squares: Tensor) -> Tensor:
    return torch.exp(-torch.stack(squares).sum(0))


def skin(canvas: Canvas) -> None:
    """The unevenness of skin, and warmer hands."""
    x, y, z = canvas.place.unbind(-1)
    mottle = torch.sin(x * 71 + 3 * torch.sin(z * 40)) * torch.sin(y * 63 + 2 * torch.sin(x * 37))
    canvas.colour *= 1 + 0.025 * mottle[:, None] * torch.tensor([0.4, 1.0, 1.0], device=x.device)
    warm = torch.tensor([1.0, 0.9, 0.88], device=x.device)
    hands = ((x.abs() - 0.66) / 0.1).clamp(0, 1) * 0.6
    canvas.colour *= 1 + hands[:, None] * (warm - 1)


def features(canvas: Canvas, look: Look, eyes: Tensor) -> None:
    """The face on top of the skin.

    Args:
        canvas: places on the head.
        look: whose face.
        eyes: [P] bool, places on the eyeballs.
    """
    x, y, z = canvas.place.unbind(-1)
    side = x.abs()
    front = ((z - 0.1) / 0.03).clamp(0, 1)
    red = torch.tensor([1.0, 0.8, 0.78], device=x.device)
    cheek = _bump(((side - 0.043) / 0.017) ** 2, ((y - 0.563) / 0.016) ** 2) * front
    nose = _bump((x / 0.012) ** 2, ((y - 0.562) / 0.012) ** 2) * ((z - 0.165) / 0.02).clamp(0, 1)
    flush = (cheek * (0.25 + 0.4 * look.makeup) + 0.3 * nose)[:, None]
    canvas.colour *= 1 + flush * (red - 1)
    socket = _bump(((side - 0.029) / 0.019) ** 2, ((y - 0.602) / 0.0125) ** 2) * front
    canvas.shade(socket, 0.78 - 0.1 * look.makeup)
    bridge = _bump(((side - 0.013) / 0.006) ** 2, ((y - 0.585) / 0.02) ** 2) * front
    canvas.shade(bridge, 0.88)
    canvas.shade(_bump((x / 0.018) ** 2, ((y - 0.5505) / 0.0045) ** 2) * front, 0.76)  # below the nose
    canvas.shade(_bump((x / 0.02) ** 2, ((y - 0.513) / 0.005) ** 2) * front, 0.85)  # below the lip
    jaw = _bump(((y - 0.49 + 0.3 * (z - 0.13)) / 0.012) ** 2) * ((z - 0.05) / 0.03).clamp(0, 1)
    canvas.shade(jaw, 0.82)  # below the jaw
    if look.freckles:
        bend = torch.sin(x * 390 + 4 * torch.sin(y * 310))
        spots = torch.sin(x * 900 + 3 * bend) * torch.sin(y * 1000 + 300 * x - 2 * bend) * torch.sin(z * 700)
        canvas.shade((spots > 0.4).float() * (cheek + nose).clamp(0, 1) * look.freckles, 0.82)
    _beard(canvas, look)
    _mouth(canvas, look)
    nostril = 0.0035 - (((side - 0.0085) / 1.5) ** 2 + (y - 0.5575) ** 2).sqrt()
    canvas.shade(canvas.soft(nostril) * front, 0.35)
    _brows(canvas, look)
    _eyes(canvas, look, eyes)
    _glasses(canvas, look)


def _mouth(canvas: Canvas, look: Look) -> None:
    x, y, z = canvas.place.unbind(-1)
    wide = 0.025 + 0.003 * look.smile
    t = (x / wide).clamp(-1, 1)
    upper = 0.0085 * (1 - t * t) ** 0.6 * (1 - 0.25 * torch.exp(-((x / 0.005) ** 2)))
    lower = 0.0105 * (1 - t * t).sqrt()
    line = 0.5305 + (0.0016 + 0.0055 * look.smile) * t * t - 0.0015 * look.smile
    distance = torch.minimum(torch.where(y > line, upper, lower) - (y - line).abs(), z - 0.14)
    distance = torch.minimum(distance, wide - 0.001 - x.abs())
    canvas.over(canvas.soft(distance, 0.002) * 0.85, look.lips)
    parted = 0.0045 * max(look.smile - 0.45, 0.0) / 0.55 * (1 - t * t)
    slit = torch.minimum(0.0016 + parted - (y - line).abs(), wide - 0.0005 - x.abs())
    canvas.shade(canvas.soft(torch.minimum(slit, z - 0.14)), 0.38)
    if look.smile > 0.5:
        teeth = torch.minimum(parted - 0.0004 - (y - line - 0.0006).abs(), z - 0.14)
        canvas.over(canvas.soft(teeth), (0.92, 0.89, 0.84))
    corner = _bump(((x.abs() - wide - 0.0015) / 0.004) ** 2, ((y - line) / 0.004) ** 2) * (z > 0.13)
    canvas.shade(corner, 0.75 - 0.1 * look.smile)
    if look.smile:  # the fold from the nose to the corner of the mouth
        fold = 0.023 + 0.4 * (0.556 - y).clamp(0, 0.03)
        crease = _bump(((x.abs() - fold) / 0.0025) ** 2, ((y - 0.543) / 0.011) ** 2) * (z > 0.12)
        canvas.shade(crease, 1 - 0.3 * look.smile)


def _beard(canvas: Canvas, look: Look) -> None:
    x, y, z = canvas.place.unbind(-1)
    hair = torch.tensor(look.hair, device=x.device) * 0.85
    if look.beard:
        line = 0.538 + 0.9 * (x.abs() - 0.03).clamp(0, 0.045)
        jaw = torch.minimum(line - y, z - 0.055)
        jaw = torch.minimum(jaw, y - 0.482)
        chin_free = (x / 0.028) ** 2 + ((y - 0.531) / 0.0135) ** 2 - 1
        stubble = 0.8 + 0.2 * torch.sin(x * 800 + 5 * torch.sin(y * 300)) * torch.sin(y * 700)
        share = canvas.soft(torch.minimum(jaw, chin_free * 0.01), 0.014) * stubble
        canvas.over(share * look.beard * 0.85, hair)
    if look.moustache:
        droop = 0.5465 - 0.006 * (x / 0.027) ** 2
        lip = torch.minimum(0.0052 - 0.0025 * (x / 0.027) ** 2 - (y - droop).abs(), 0.027 - x.abs())
        canvas.over(canvas.soft(torch.minimum(lip, z - 0.14), 0.004) * max(look.beard, 0.35) * 0.9, hair)


def _brows(canvas: Canvas, look: Look) -> None:
    x, y, z = canvas.place.unbind(-1)
    side = x.abs()
    arch = 0.6195 + look.brow_height + 0.04 * (side - 0.014).clamp(0, 0.02) - 0.25 * (side - 0.036).clamp_min(0)
    thick = 0.0042 * (1 - ((side - 0.026) / 0.03).clamp(0, 1) * 0.6)
    distance = torch.minimum(thick - (y - arch).abs(), 0.019 - (side - 0.0315).abs())
    share = canvas.soft(torch.minimum(distance, z - 0.1), 0.002) * look.brow
    grey = 0.5 * sum(look.hair) / 3
    dark = torch.tensor([0.5 * c + 0.1 * grey for c in look.hair], device=x.device)
    canvas.over(share, dark)


def _eyes(canvas: Canvas, look: Look, eyes: Tensor) -> None:
    x, y, z = canvas.place.unbind(-1)
    side = x.abs()
    lid = torch.minimum(0.0175 - (side - 0.0305).abs(), z - 0.12)
    # The lashes: a dark line along the upper lid, a faint one along the lower.
    curve = (1 - ((side - 0.0305) / 0.0185) ** 2).clamp_min(0).sqrt()
    upper, lower = 0.5995 + 0.0078 * curve, 0.5995 - 0.0066 * curve
    lash = torch.minimum(0.0023 + 0.0008 * look.makeup - (y - upper).abs(), lid)
    canvas.shade(canvas.soft(lash) * (~eyes), 0.22)
    canvas.shade(canvas.soft(torch.minimum(0.0009 - (y - lower).abs(), lid)) * (~eyes), 0.6)
    shadow = _bump(((side - 0.0305) / 0.015) ** 2, ((y - 0.6105) / 0.004) ** 2)
    canvas.shade(shadow * (z > 0.12) * (~eyes), 1 - 0.35 * look.makeup)
    ball = eyes.float()
    canvas.over(ball, (0.82, 0.80, 0.78))
    canvas.shade(ball * ((side - 0.0305).abs() / 0.016).clamp(0, 1) ** 2, 0.7)
    across = x - torch.sign(x) * 0.0305 - look.gaze
    radius = (across * across + (y - 0.6) ** 2).sqrt()
    canvas.over(canvas.soft(0.0077 - radius) * ball, look.iris)
    canvas.over(canvas.soft(0.0035 - radius) * ball, (0.02, 0.02, 0.02))
    canvas.shade(ball * ((y - 0.5995) / 0.007).clamp(0, 1), 0.45)  # the lid's shadow
    glint = 0.0012 - ((across - 0.002) ** 2 + (y - 0.603) ** 2).sqrt()
    canvas.over(canvas.soft(glint) * ball * 0.8, (1.0, 1.0, 1.0))
    canvas.shine += ball * 0.2


def _glasses(canvas: Canvas, look: Look) -> None:
    if not look.glasses:
        return
    x, y, z = canvas.place.unbind(-1)
    side = x.abs()
    radius = (((side - 0.031) / 1.2) ** 2 + (y - 0.5985) ** 2).sqrt()
    thick = {"wire": 0.0011, "thick": 0.0026, "sun": 0.002}[look.glasses]
    if look.glasses == "sun":
        canvas.over(canvas.soft(torch.minimum(0.021 - radius, z - 0.1)) * 0.93, (0.06, 0.06, 0.07))
    rim = thick - (radius - 0.02).abs()
    bridge = torch.minimum(thick - (y - 0.602).abs(), 0.009 - side)
    temple = torch.minimum(thick - (y - 0.602).abs(), torch.minimum(side - 0.053, z - 0.07))
    frame = torch.maximum(torch.maximum(torch.minimum(rim, z - 0.1), torch.minimum(bridge, z - 0.12)), temple)
    canvas.over(canvas.soft(frame), look.glasses_colour)
