"""Who somebody is and what they wear, as numbers: sampled here, cut by `tailor`, coloured by `paint`.

Heights and distances are metres on the mean open body in its T-pose (pelvis at the origin): wrist at x = 0.67, crotch
at y = -0.15, knee -0.49, ankle -0.91, neck 0.46, chin 0.49, eyes 0.60, crown 0.71.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nopo.synthetic.dice import Dice
from nopo.synthetic.fabrics import RGB, Fabric, hsv, sample_colour, sample_fabric

HAIR_STYLES = ("bald", "buzz", "short", "tousled", "afro", "bob", "long", "ponytail", "bun")
_MALE_HAIR = (8, 16, 36, 18, 6, 5, 7, 2, 2)
_FEMALE_HAIR = (1, 3, 9, 10, 6, 20, 31, 12, 8)
_SKIN: tuple[RGB, ...] = (
    (0.96, 0.82, 0.74), (0.92, 0.74, 0.63), (0.87, 0.67, 0.53), (0.77, 0.56, 0.42),
    (0.63, 0.43, 0.31), (0.47, 0.31, 0.22), (0.34, 0.22, 0.16), (0.24, 0.16, 0.12),
)  # fmt: skip
_HAIR: tuple[RGB, ...] = (
    (0.05, 0.045, 0.04), (0.10, 0.07, 0.05), (0.20, 0.13, 0.08), (0.33, 0.21, 0.12),
    (0.50, 0.35, 0.20), (0.75, 0.60, 0.38), (0.45, 0.20, 0.09), (0.55, 0.54, 0.52), (0.82, 0.81, 0.78),
)  # fmt: skip


HUNG = ("tie", "lanyard", "necklace", "braces")
"""What may hang before a chest; evaluation's people wear none of it."""


@dataclass(frozen=True)
class Look:
    """Head and skin."""

    skin: RGB
    hair: RGB
    style: str
    volume: float
    length: float  # of hair that hangs, metres below the eyes
    parting: float
    hairline: float  # metres up from the usual one
    beard: float  # 0 none to 1 full
    moustache: float
    lips: RGB
    smile: float  # 0 none to 1 with teeth
    makeup: float
    brow: float  # darkness
    brow_height: float
    iris: RGB
    gaze: float
    freckles: float
    glasses: str  # "", "wire", "thick", "sun"
    glasses_colour: RGB


@dataclass(frozen=True)
class Outfit:
    """Clothes."""

    top: Fabric
    inner: Fabric
    bottom: Fabric
    shoe: Fabric
    sock: Fabric
    bag: Fabric
    hat: Fabric
    trim: RGB  # collars, zips, belts
    sleeve: float  # |x| where sleeves end
    hem: float  # y where the top ends
    neck: float  # metres that a round neckline dips below the base of the neck; negative: up the neck
    vee: float  # metres that a V dips below it; 0 none
    collar: str  # "", "shirt", "hood", "scarf", "turtle"
    ease: float  # metres between chest and top
    drape: float  # 0 follows the waist, 1 hangs straight from the chest
    sleeve_ease: float
    opening: float  # half width of an open front, metres; 0 closed
    placket: str  # "", "buttons", "zip"
    lapels: bool
    tail: float  # y where a coat or a long top ends below the hem; equal to the hem if none
    kind: str  # of the bottom: "trousers", "shorts", "leggings", "skirt", "dress"
    leg_hem: float  # y
    leg_ease: float
    fit: float  # 0 skinny, 1 straight, above flared
    skirt_hem: float
    flare: float
    folds: float
    tights: bool
    shoes: str  # "bare", "low", "sneaker", "boot", "sandal"
    shoe_top: float
    sole: RGB
    sock_top: float
    belt: bool
    bag_kind: str  # "", "strap", "backpack", "shoulder"
    hat_kind: str  # "", "beanie", "cap", "brim", "hijab"
    back_pockets: bool
    print_kind: str  # "", "box", "disc", "rows", "ring"
    print_place: tuple[float, float, float, float]  # x, y, half width, half height
    print_back: bool
    print_colour: RGB
    gloves: bool
    folds_waves: tuple[float, ...]
    hung: str = ""  # one of HUNG, before the chest
    hung_low: float = 0.1  # y where it ends

    @property
    def bag_side(self) -> float:
        """1 if a bag hangs on the left, -1 on the right."""
        return 1.0 if self.flare > 0.25 else -1.0


def _between(palette: tuple[RGB, ...], place: float, gain: float) -> RGB:
    index = min(int(place), len(palette) - 2)
    t = place - index
    low, high = palette[index], palette[index + 1]
    r, g, b = (min(1.0, gain * (p * (1 - t) + q * t)) for p, q in zip(low, high, strict=True))
    return (r, g, b)


def _scaled(colour: RGB, *gains: float) -> RGB:
    r, g, b = (min(1.0, c * gains[i % len(gains)]) for i, c in enumerate(colour))
    return (r, g, b)


def sample_look(dice: Dice, female: float, age_years: float) -> Look:
    """Head and skin of somebody; `female` 0 to 1, beards and grey hair follow age."""
    woman = dice.chance(female)
    child = age_years < 14
    skin = _between(_SKIN, dice.uniform(0, len(_SKIN) - 1.01), dice.uniform(0.94, 1.05))
    dark_skin = sum(skin) < 1.3
    grey = age_years > 45 and dice.chance(min(0.85, (age_years - 40) / 35))
    if grey:
        hair = dice.choose(_HAIR[7:])
    elif dice.chance(0.03):
        hair = hsv(dice.uniform(), dice.uniform(0.4, 0.8), dice.uniform(0.4, 0.8))
    else:
        hair = dice.choose(_HAIR[:7], (24, 24, 18, 12, 9, 8, 5) if not dark_skin else (50, 32, 12, 4, 1, 0.5, 0.5))
    style = dice.choose(HAIR_STYLES, _FEMALE_HAIR if woman else _MALE_HAIR)
    if child and style == "bald":
        style = "short"
    bearded = not woman and age_years > 19 and dice.chance(0.42)
    red_lips = woman and not child and dice.chance(0.35)
    lips = hsv(dice.uniform(0.94, 1.02), dice.uniform(0.55, 0.85), dice.uniform(0.45, 0.8))
    return Look(
        skin=skin,
        hair=_scaled(hair, dice.uniform(0.8, 1.2)),
        style=style,
        volume=dice.uniform(0.55, 1.5),
        length=dice.choose((dice.uniform(0.12, 0.25), dice.uniform(0.22, 0.5))),
        parting=dice.choose((-0.03, 0.0, 0.03)),
        hairline=dice.uniform(-0.006, 0.012) + (0.012 if not woman and age_years > 40 and dice.chance(0.5) else 0),
        beard=dice.choose((0.25, 0.6, 0.95)) if bearded else 0.0,
        moustache=1.0 if bearded or (not woman and age_years > 20 and dice.chance(0.05)) else 0.0,
        lips=lips if red_lips else _scaled(skin, 0.92, 0.66, 0.68),
        smile=dice.uniform(0.2, 1) if dice.chance(0.45) else 0.0,
        makeup=dice.uniform(0.2, 1) if woman and not child and dice.chance(0.5) else 0.0,
        brow=dice.uniform(0.65, 1.0),
        brow_height=dice.normal(0.0015),
        iris=dice.choose(((0.25, 0.14, 0.07), (0.16, 0.09, 0.05), (0.35, 0.5, 0.65), (0.3, 0.42, 0.28))),
        gaze=dice.normal(0.002),
        freckles=dice.uniform(0, 1) if dice.chance(0.2) else 0.0,
        glasses=dice.choose(("", "wire", "thick", "sun"), (80, 6, 9, 5)),
        glasses_colour=dice.choose(((0.05, 0.05, 0.06), (0.25, 0.14, 0.07), (0.5, 0.45, 0.35), (0.5, 0.08, 0.1))),
    )


_TOPS = ("tee", "shirt", "sweater", "hoodie", "jacket", "coat", "blazer", "tank", "blouse", "polo")
_MEN_TOPS = (24, 15, 12, 12, 12, 6, 9, 3, 0, 7)
_WOMEN_TOPS = (18, 10, 14, 9, 10, 9, 7, 7, 14, 2)


def sample_outfit(dice: Dice, female: float) -> Outfit:
    """Clothes of somebody; `female` 0 to 1 shifts the odds of skirts and dresses."""
    woman = dice.chance(female)
    kind = dice.choose(("trousers", "shorts", "leggings", "skirt", "dress"),
                       (46, 12, 12, 13, 17) if woman else (73, 22, 3, 1, 1))  # fmt: skip
    top = dice.choose(_TOPS, _WOMEN_TOPS if woman else _MEN_TOPS)
    if kind == "dress":
        top = dice.choose(("tee", "blouse", "tank", "shirt", "sweater"), (3, 4, 4, 1, 1))
    layered = top in ("jacket", "coat", "blazer")
    heavy = top in ("hoodie", "sweater") or layered
    sleeve = {
        "tee": dice.uniform(0.26, 0.40), "polo": dice.uniform(0.28, 0.38), "tank": dice.uniform(0.10, 0.19),
        "shirt": dice.choose((0.665, 0.66, dice.uniform(0.46, 0.6), dice.uniform(0.3, 0.38))),
        "blouse": dice.choose((0.66, dice.uniform(0.3, 0.6))),
    }.get(top, dice.choose((0.665, 0.675, dice.uniform(0.5, 0.65)), (6, 3, 1)))  # fmt: skip
    waisted = kind in ("skirt", "leggings") or top == "shirt"
    hem = dice.uniform(0.0, 0.08) if waisted and dice.chance(0.5) else dice.uniform(-0.14, -0.02)
    if woman and not layered and dice.chance(0.1):
        hem = dice.uniform(0.08, 0.16)  # cropped
    if kind == "dress":
        hem = 0.05
    tail = hem
    if top == "coat":
        tail = dice.uniform(-0.72, -0.22)
    elif top in ("jacket", "hoodie", "sweater", "blouse", "tee") and kind != "dress" and dice.chance(0.2):
        tail = dice.uniform(-0.26, -0.17)
    if tail < hem:
        hem = -0.08
    opening = 0.0
    if layered or (top in ("hoodie", "shirt") and dice.chance(0.25)):
        opening = dice.uniform(0.015, 0.11) if dice.chance(0.6) else 0.0
    fabric = sample_fabric(dice, plain=0.55 if layered or top == "hoodie" else 0.0, shine=0.35 if layered else 0.1)
    bottom = sample_fabric(dice, plain=0.25 if kind in ("skirt", "dress") else 0.75)
    if top == "blazer" and kind == "trousers" and dice.chance(0.6):
        bottom = fabric
    legs = {
        "trousers": dice.choose((dice.uniform(-0.935, -0.9), dice.uniform(-0.88, -0.8)), (3, 1)),
        "shorts": dice.uniform(-0.52, -0.26), "leggings": dice.choose((-0.89, dice.uniform(-0.85, -0.55))),
    }.get(kind, -9.0)  # fmt: skip
    shoes = dice.choose(("bare", "low", "sneaker", "boot", "sandal"), (5, 30, 42, 17, 6))
    collar = {"shirt": "shirt", "polo": "shirt", "hoodie": "hood", "coat": dice.choose(("shirt", "scarf", "hood", "")),
              "blazer": "shirt", "jacket": dice.choose(("shirt", "turtle", "hood", "")),
              "sweater": dice.choose(("", "", "turtle"))}.get(top, "scarf" if dice.chance(0.04) else "")  # fmt: skip
    vee = dice.uniform(0.04, 0.16) if (top in ("tee", "blouse", "sweater") and dice.chance(0.3)) else 0.0
    if top == "blazer" or (collar == "shirt" and dice.chance(0.5)):
        vee = dice.uniform(0.1, 0.2)
    neck = dice.uniform(0.0, 0.035) + (dice.uniform(0, 0.06) if woman else 0.0)
    if collar:  # what has a collar is cut close to the neck
        neck = -0.02 if collar == "turtle" else dice.uniform(-0.01, 0.005)
    hat_kind = "hijab" if woman and dice.chance(0.06) else dice.choose(("", "beanie", "cap", "brim"), (86, 5, 6, 3))
    if hat_kind == "hijab":
        collar, vee, sleeve = "scarf", 0.0, max(sleeve, dice.choose((0.55, 0.665)))
    fit = dice.choose((dice.uniform(0, 0.4), dice.uniform(0.5, 1), dice.uniform(1, 1.6)), (4, 5, 2))
    fit = 0.0 if kind == "leggings" else fit
    return Outfit(
        top=fabric,
        inner=sample_fabric(dice, plain=0.6),
        bottom=bottom,
        shoe=sample_fabric(dice, plain=0.95, shine=0.5),
        sock=sample_fabric(dice, plain=0.7),
        bag=sample_fabric(dice, plain=0.9, shine=0.4),
        hat=sample_fabric(dice, plain=0.8),
        trim=sample_colour(dice),
        sleeve=sleeve,
        hem=hem,
        neck=neck,
        vee=vee,
        collar=collar,
        ease=dice.uniform(0.012, 0.035) if heavy else dice.log_uniform(0.003, 0.03),
        drape=dice.uniform(0.75, 1.0) if heavy else dice.uniform(0.3, 1.0),
        sleeve_ease=dice.uniform(0.01, 0.03) if heavy else dice.uniform(0.004, 0.028),
        opening=opening,
        placket=dice.choose(("buttons", "zip")) if layered or top in ("shirt", "hoodie", "polo") else "",
        lapels=top == "blazer" or (top == "coat" and collar == "shirt"),
        tail=tail,
        kind=kind,
        leg_hem=legs,
        leg_ease=0.003 if kind == "leggings" else dice.uniform(0.005, 0.022),
        fit=fit,
        skirt_hem=dice.uniform(-0.85, -0.3),
        flare=dice.uniform(0.0, 0.5),
        folds=dice.uniform(0, 1),
        tights=woman and dice.chance(0.3),
        shoes=shoes,
        shoe_top=dice.uniform(-0.84, -0.6) if shoes == "boot" else dice.uniform(-0.91, -0.885),
        sole=dice.choose(((0.93, 0.93, 0.92), (0.12, 0.1, 0.09), sample_colour(dice))),
        sock_top=dice.choose((-2.0, dice.uniform(-0.88, -0.8), dice.uniform(-0.8, -0.55)), (3, 4, 2)),
        belt=dice.chance(0.25),
        bag_kind=dice.choose(("", "strap", "backpack", "shoulder"), (82, 5, 7, 6)),
        hat_kind=hat_kind,
        back_pockets=dice.chance(0.6),
        print_kind=dice.choose(("", "box", "disc", "rows", "ring"), (58, 12, 8, 14, 8)) if not layered else "",
        print_place=(
            dice.choose((0.0, dice.uniform(-0.07, 0.07))),
            dice.uniform(0.17, 0.31),
            dice.uniform(0.02, 0.11),
            dice.uniform(0.02, 0.09),
        ),  # fmt: skip
        print_back=dice.chance(0.2),
        print_colour=sample_colour(dice),
        gloves=layered and dice.chance(0.06),
        folds_waves=tuple(dice.vector(12)),
    )


def with_something_hung(outfit: Outfit, dice: Dice) -> Outfit:
    """The same clothes with one of HUNG over them, in a colour of its own or of the bag's fabric."""
    kind = dice.choose(HUNG, (3, 4, 2, 1))
    low = {"tie": dice.uniform(-0.02, 0.1), "lanyard": dice.uniform(-0.02, 0.2), "necklace": dice.uniform(0.22, 0.37)}
    return replace(outfit, hung=kind, hung_low=low.get(kind, 0.06), trim=sample_colour(dice))
