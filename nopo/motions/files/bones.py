"""Which bone of a foreign skeleton is which, from its name: CMU, Mixamo, Unreal, Unity, Blender, Daz and kin."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words for each of our joints, best first; "shoulder" and "hip" mean different bones in different schools, see below.
_SIDED: dict[str, tuple[str, ...]] = {
    "hip": ("upleg", "upperleg", "thigh", "thighbend", "femur", "hip"),
    "knee": ("leg", "lowerleg", "lowleg", "shin", "shinbend", "calf", "knee", "tibia"),
    "ankle": ("foot", "ankle"),
    "foot": ("toebase", "toe", "toes", "ball", "toe0"),
    "collar": ("clavicle", "collar", "shoulder"),
    "shoulder": ("arm", "upperarm", "uparm", "shldr", "shldrbend", "humerus", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "forearmbend", "elbow", "radius"),
    "wrist": ("hand", "wrist"),
}
_MIDDLE: dict[str, tuple[str, ...]] = {
    "pelvis": ("hips", "pelvis", "hip", "root"),
    "neck": ("neck", "neck1", "neck01", "neck0", "necklower"),
    "head": ("head",),
}
_FINGER = re.compile(
    r"(thumb|index|middle|mid|ring|pinky|little)(?:finger)?(?:proximal|intermediate|distal)?0?([123])$"
)
_UNITY_FINGER = re.compile(r"(thumb|index|middle|ring|little)(proximal|intermediate|distal)$")
_FINGER_NAMES = {"mid": "middle", "little": "pinky"}
_NOISE = {
    "mixamorig",
    "bip",
    "bip01",
    "bip001",
    "valvebiped",
    "def",
    "org",
    "cc",
    "base",
    "j",
    "c",
    "b",
    "character",
    "g",
}


def recognise(names: Sequence[str]) -> dict[str, int]:
    """Our joint names -> indices of `names`; what is not found is left out."""
    keyed: dict[tuple[str, str], int] = {}
    for index, name in enumerate(names):
        if not name.endswith(" end"):
            keyed.setdefault(_side_and_word(name), index)

    found: dict[str, int] = {}
    for joint, words in _MIDDLE.items():
        match = next((keyed["", word] for word in words if ("", word) in keyed), None)
        if match is not None:
            found[joint] = match
    for side in ("left", "right"):
        for joint, words in _SIDED.items():
            match = next((keyed[side, word] for word in words if (side, word) in keyed), None)
            if match is not None:
                found[f"{side}_{joint}"] = match
        if found.get(f"{side}_collar") == found.get(f"{side}_shoulder"):
            found.pop(f"{side}_collar", None)  # one bone named shoulder and none named arm: it is the upper arm
        for (own, word), index in keyed.items():
            if own == side and (finger := _finger(word)) is not None:
                found.setdefault(f"{side}_{finger}", index)
    return found


def _side_and_word(name: str) -> tuple[str, str]:
    """What "mixamorig:LeftUpLeg", "thigh_l", "Bip01 L Thigh" or "LThigh" say: ("left", "thigh") and the like."""
    name = re.sub(r"^mixamorig\d*", "", name.rsplit(":", 1)[-1])
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[LR])(?=[A-Z][a-z])", " ", name)
    words = [word for word in re.split(r"[^A-Za-z0-9]+", spaced.lower()) if word]
    words = [word for word in words if word not in _NOISE] or words
    side = ""
    for word, meaning in (("left", "left"), ("l", "left"), ("right", "right"), ("r", "right")):
        if word in words:
            words.remove(word)
            side = meaning
            break
    joined = "".join(words)
    for prefix in ("left", "right"):
        if not side and joined.startswith(prefix) and len(joined) > len(prefix):
            side, joined = prefix, joined.removeprefix(prefix)
    return side, joined


def _finger(word: str) -> str | None:
    if match := _FINGER.search(word):
        return _FINGER_NAMES.get(match[1], match[1]) + match[2]
    if match := _UNITY_FINGER.search(word):
        knuckle = {"proximal": "1", "intermediate": "2", "distal": "3"}[match[2]]
        return _FINGER_NAMES.get(match[1], match[1]) + knuckle
    return None
