"""Light from sun to softbox, and how a surface answers it."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields

import torch
from torch import Tensor

from nopo.synthetic.dice import Dice

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """The light of one photo; strengths are linear, 1 shows a colour as it is.

    Attributes:
        key: direction towards the main light, unit, world.
        key_strength: of the main light on a surface that faces it.
        wrap: how far it reaches round, 0 sun to 0.8 large softbox.
        fill: direction and strength of a second light.
        ambient: strength from everywhere; `sky` more of it from above.
        tint: colour of the main light.
        shadow_tint: colour of what is not lit by it.
    """

    key: tuple[float, float, float] = (0.3, 0.5, 0.81)
    key_strength: float = 0.55
    wrap: float = 0.4
    fill: tuple[float, float, float] = (-0.7, 0.2, 0.68)
    fill_strength: float = 0.12
    ambient: float = 0.55
    sky: float = 0.25
    tint: RGB = (1.0, 1.0, 1.0)
    shadow_tint: RGB = (1.0, 1.0, 1.0)


STUDIO = Light()


KINDS = ("sun", "cloud", "room", "softbox", "flash")
_WEIGHTS = (24, 28, 24, 18, 6)


def sample_light(dice: Dice, kind: str | None = None) -> Light:
    """A sunny street, a cloudy one, a room, a studio; `kind` is one of KINDS."""
    kind = kind or dice.choose(KINDS, _WEIGHTS)
    azimuth = dice.uniform(0, 2 * math.pi)
    height = dice.uniform(0.25, 1.2)
    key = (math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height))
    fill_azimuth = azimuth + math.pi + dice.normal(0.6)
    fill = (0.95 * math.sin(fill_azimuth), 0.3, 0.95 * math.cos(fill_azimuth))
    warmth = dice.normal(0.06, 0.02)
    strength, wrap, ambient = {
        "sun": (dice.uniform(0.6, 1.1), dice.uniform(0.0, 0.15), dice.uniform(0.3, 0.55)),
        "cloud": (dice.uniform(0.1, 0.3), 0.8, dice.uniform(0.7, 0.95)),
        "room": (dice.uniform(0.3, 0.6), dice.uniform(0.3, 0.7), dice.uniform(0.4, 0.7)),
        "softbox": (dice.uniform(0.5, 0.8), dice.uniform(0.4, 0.8), dice.uniform(0.4, 0.6)),
        "flash": (dice.uniform(0.6, 0.9), 0.1, dice.uniform(0.3, 0.5)),
    }[kind]
    return Light(
        key=key,
        key_strength=strength,
        wrap=wrap,
        fill=fill,
        fill_strength=dice.uniform(0.0, 0.3),
        ambient=ambient,
        sky=dice.uniform(0.1, 0.45),
        tint=(1 + warmth, 1.0, 1 - warmth),
        shadow_tint=(1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth),
    )


def of_places(lights: list[Light], image: Tensor) -> Light:
    """The lights of several photos as one whose every number is a tensor [P]: that of the photo `image` [P] int64."""
    if len(lights) == 1:
        return lights[0]
    rows = [[number for value in astuple(light) for number in (value if isinstance(value, tuple) else (value,))]
            for light in lights]  # fmt: skip
    spread = iter(torch.tensor(rows, device=image.device).T.contiguous().index_select(1, image))  # [P] each
    shape = {field.name: getattr(lights[0], field.name) for field in fields(Light)}
    return Light(**{k: tuple(next(spread) for _ in v) if isinstance(v, tuple) else next(spread)  # type: ignore
                    for k, v in shape.items()})  # fmt: skip


def irradiance(light: Light, normal: Tensor, openness: Tensor) -> Tensor:
    """Linear light that arrives at surfaces.

    Args:
        light: the light, or `of_places`.
        normal: [P, 3] unit, world.
        openness: [P] 1 in the open to 0 in a hollow.

    Returns:
        [P, 3].
    """
    x, y, z = normal.unbind(-1)
    key = x * light.key[0] + y * light.key[1] + z * light.key[2]
    key = ((key + light.wrap) / (1 + light.wrap)).clamp_min(0)
    fill = x * light.fill[0] + y * light.fill[1] + z * light.fill[2]
    fill = (fill * 0.6 + 0.4).clamp_min(0)
    soft = (light.ambient * (1 + light.sky * y) + light.fill_strength * fill) * openness
    hard = light.key_strength * key * (0.35 + 0.65 * openness)
    return torch.stack([hard * a + soft * b for a, b in zip(light.tint, light.shadow_tint, strict=True)]).T


def highlight(light: Light, normal: Tensor, to_eye: Tensor, shine: Tensor) -> Tensor:
    """Linear highlight [P] of the main light (Blinn-Phong), `to_eye` [P, 3] unit, `shine` [P]."""
    x, y, z = (axis + key for axis, key in zip(to_eye.unbind(-1), light.key, strict=True))
    along = normal[:, 0] * x + normal[:, 1] * y + normal[:, 2] * z
    length = (x * x + y * y + z * z).sqrt()
    cosine = (along / length.clamp_min(1e-6)).clamp_min(0)
    return shine * light.key_strength * cosine**16 * 0.5
