"""What people look like where no photo shows them, as far as that is known of people and not of surfaces.

The nearest thing that was seen is a good guess for a sleeve and a bad one for a hand, whose neighbour is a pocket; for
the back of a head, whose neighbour is the face; for a back, whose neighbour across the collar is a tie; for the legs of
a half body, whose neighbour is whatever the photo ends with. So hands are like the face, and the face of somebody seen
from behind is like the hands; the back of the head is like its top, a back is like the flanks and shoulders at its
height, and below a half body there are trousers and shoes: the trousers of a dark suit, or jeans.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from nopo.body.skeleton import BONES, JOINT_NAMES
from nopo.encode.activations import SH_DC

CHEEKS_M = ((-0.06, 0.06), (-0.08, -0.01), (-0.015, 0.10))
"""Where skin shows in a face whatever the hair, the glasses and the beard: x, y and z from the middle of the eyes."""

HEAD_M = ((-0.12, 0.12), (-0.10, 0.25), (-0.25, 0.12))
"""Where a head is, likewise."""

CROWN_SHARE, HAIR_SHARE = 0.4, 0.5
"""Of the highest part of what was seen of a head, what is least like the cheeks is its hair or its hat."""

GLEAM = 0.3
"""What is brighter than the cheeks counts as so many times less unlike them: more often a forehead's gleam than white
hair. Measured on 60 synthetic people from the front: backs of heads are off by 0.081 in sRGB on average and half of
them by less than 0.059; without this 0.091 and 0.059; if the highest fifth is taken for hair 0.094 and 0.082."""

FLANKS_M = (0.08, 0.22)
"""How far from the middle a jacket hangs before and behind alike."""

BEHIND_M = 0.08
"""From the eyes back to here a head is a face, from here on it is hair."""

TROUSERS, SHOES = (0.17, 0.20, 0.28), (0.12, 0.10, 0.09)
"""What half bodies wear below, sRGB."""

DARK = (0.25, 0.4)
"""Up to the first mean of sRGB a jacket is a suit's, and the trousers are like it; from the second on they are not."""

LEGS_M = 0.12
"""So far below the hips there are legs, or a skirt."""

FEWEST_OF_LEGS = 40
"""With fewer points there, no legs were seen: some always stray."""

ELSEWHERE = 10.0
"""What all of the trunk weighs beside the points at one height."""

FEWEST = 6
"""With fewer points than this, nobody knows."""

ALIKE_M = 0.04
"""Standard deviation of heights that look alike on a trunk."""


def _bones(pattern: str) -> list[bool]:
    return [bool(re.fullmatch(pattern, JOINT_NAMES[near])) for near, _ in BONES]


_HAND = _bones(r"(left|right)_(wrist|thumb\d|index\d|middle\d|ring\d|pinky\d)")
HEAD = _bones(r"head|jaw|(left|right)_eye")
_LEG = _bones(r"(left|right)_(hip|knee)")
_FOOT = _bones(r"(left|right)_(ankle|foot)")
_TRUNK = _bones(r"pelvis|spine\d|neck|(left|right)_collar")


def guess_unseen(
    texels: Tensor, bone_weights: Tensor, points: Tensor, colours: Tensor, joints: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours for texels that no photo shows.

    Args:
        texels: [K, 3] places on the canonical body, metres.
        bone_weights: [K, 69] theirs.
        points: [P, 3] canonical positions of seen points, metres.
        colours: [P, 3] theirs, constant spherical harmonics.
        joints: [55, 3] of the canonical T-pose, metres.

    Returns:
        colours [K, 3], and how far they are to be believed [K], 0 to 1.
    """
    joints = joints.to(points)
    eyes = joints[[JOINT_NAMES.index("left_eye"), JOINT_NAMES.index("right_eye")]].mean(0)
    guess, belief = torch.zeros_like(texels), texels.new_zeros(len(texels))
    away = points - eyes
    cheeks, head = _inside(away, CHEEKS_M), _inside(away, HEAD_M)
    hair = _hair(head[away[head, 1].argsort(descending=True)[: round(CROWN_SHARE * len(head))]], cheeks, colours)
    behind = (eyes[2] - BEHIND_M - texels[:, 2]).div(0.03).clamp(0, 1)
    below_brows = (eyes[1] + 0.02 - texels[:, 1]).div(0.03).clamp(0, 1)
    hands = (points[:, 0].abs() > joints[JOINT_NAMES.index("left_wrist"), 0]).nonzero()[:, 0]
    known = [(cheeks, share_of(bone_weights, _HAND)), (hair, share_of(bone_weights, HEAD) * behind)]
    if len(cheeks) < FEWEST:
        # Somebody seen from behind. How much it is worth: docs/OPEN_MODEL.md, "A face that no photo shows".
        known.append((hands, share_of(bone_weights, HEAD) * (1 - behind) * below_brows))
    for like, share in known:
        if len(like) >= FEWEST:
            guess, belief = guess + share[:, None] * colours[like].median(0).values, belief + share
    flank = _on_flanks(points, joints)
    jacket = colours[flank]
    if len(jacket) >= FEWEST:
        share = share_of(bone_weights, _TRUNK)
        trunk = _like_the_flanks(texels[:, 1], points[flank, 1], jacket)
        guess, belief = guess + share[:, None] * trunk, belief + share
    if not _legs_seen(points, joints):
        for bones, colour in ((_LEG, _trousers(jacket)), (_FOOT, _code(colours, SHOES))):
            share = share_of(bone_weights, bones)
            guess, belief = guess + share[:, None] * colour, belief + share
    return guess / belief.clamp_min(1e-6)[:, None], belief.clamp_max(1)


def share_of(bone_weights: Tensor, bones: list[bool]) -> Tensor:
    """How much of each point moves with these bones: [N, 69] -> [N]."""
    return bone_weights[:, torch.tensor(bones, device=bone_weights.device)].sum(-1)


def _inside(away: Tensor, box: tuple[tuple[float, float], ...]) -> Tensor:
    """Indices of the points [P, 3] in a box."""
    low, high = away.new_tensor(box).T
    return ((away > low) & (away < high)).all(-1).nonzero()[:, 0]


def _hair(crown: Tensor, cheeks: Tensor, colours: Tensor) -> Tensor:
    """Those of the points with indices `crown` that look least like the points `cheeks`."""
    if len(cheeks) < FEWEST:
        return crown
    away = colours[crown] - colours[cheeks].median(0).values
    unlike = away.norm(dim=1) * torch.where(away.mean(1) > 0, GLEAM, 1.0)
    return crown[unlike.argsort(descending=True)[: max(FEWEST, round(HAIR_SHARE * len(crown)))]]


def _code(like: Tensor, srgb: tuple[float, float, float]) -> Tensor:
    """A colour as a constant spherical harmonic."""
    return (like.new_tensor(srgb) - 0.5) / SH_DC


def _legs_seen(points: Tensor, joints: Tensor) -> bool:
    below = points[:, 1] < joints[JOINT_NAMES.index("left_hip"), 1] - LEGS_M
    return int(below.sum()) >= FEWEST_OF_LEGS


def _trousers(jacket: Tensor) -> Tensor:
    """What goes with a jacket of these colours [F, 3]: [3]."""
    jeans = _code(jacket, TROUSERS)
    if len(jacket) < FEWEST:
        return jeans
    colour = jacket.median(0).values
    brightness = float(0.5 + SH_DC * colour.mean())
    return torch.lerp(colour, jeans, min(1.0, max(0.0, (brightness - DARK[0]) / (DARK[1] - DARK[0]))))


def _on_flanks(points: Tensor, joints: Tensor) -> Tensor:
    """Which points [P, 3] lie to both sides of the trunk: [P] bool."""
    hip, collar = (joints[JOINT_NAMES.index(name), 1] for name in ("left_hip", "neck"))
    side = points[:, 0].abs()
    return (side > FLANKS_M[0]) & (side < FLANKS_M[1]) & (points[:, 1] > hip - 0.1) & (points[:, 1] < collar)


def _like_the_flanks(heights: Tensor, flank_heights: Tensor, jacket: Tensor) -> Tensor:
    """Colours [K, 3] of a trunk at these heights [K]: the flanks' there, and where none was seen, all of them.

    Args:
        heights: [K] metres.
        flank_heights: [F] metres, of what was seen to both sides of the trunk.
        jacket: [F, 3] colours of that.
    """
    kernel = (-0.5 * ((heights[:, None] - flank_heights) / ALIKE_M).square()).exp()  # [K, F]
    everywhere = ELSEWHERE * jacket.median(0).values
    return (kernel @ jacket + everywhere) / (kernel.sum(1, keepdim=True) + ELSEWHERE)
