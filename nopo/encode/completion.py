"""Completion: what no photo shows gets its colour from what they do show.

The photos' Gaussians carry seen colours at predicted places on the T-pose. Every texel of the template takes the
colour seen right there; failing that, the colour seen at its mirror image (x -> -x: the other arm, the other shoe);
failing that, the nearest colour seen on either side, which is the chest for the back and the hair's rim for the hair.
Hands, the back of the head and the trunk are exceptions (see `unseen`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nopo.body.skeleton import ACROSS
from nopo.encode.activations import MIN_EXPONENT, smaller_difference
from nopo.encode.branch import Branch
from nopo.encode.settle import LIMBS, limb_of, nearest_points, nearness
from nopo.encode.unseen import HEAD, guess_unseen, share_of

SEEN_MASK = 0.7
"""Pixels with less foreground do not give their colour: matte edges bleed."""

SURE = 0.5
"""Nor do pixels whose Gaussians are fainter, if there are others: the network does not know where they are, and a hand
lands on a sleeve."""

FEW = 0.05
"""With a smaller share of a person's pixels than this, all of them give theirs."""

VOXEL = 0.02
"""Metres; seen points are averaged in cubes of this size first, which bounds the work whatever the photos' size."""

REACH = (0.04, 0.08)
"""Metres; up to the first distance a colour counts as seen right there, from the second on as not."""

UNSEEN = (0.03, 0.08)
"""Metres; up to the first distance from anything seen on either side a texel counts as seen, from the second on not."""

COVERED = (0.015, 0.03)
"""Metres; the same for "an image Gaussian already covers this place" (averages lie up to a centimetre off)."""

LINING_M = 0.01
"""How far the template's Gaussians lie under the photos' that cover them."""

WIDER, OPAQUE = 1.25, 0.99
"""The template's Gaussians are made so much wider than their spacing alone would make them, and so opaque: else what
lies on the other side of the body, a tie or a white shirt, shines through the gaps between them."""

SPLAT_REACH = 0.45
"""How far the template's Gaussians lie under the surface that they draw, in standard deviations of their own: at the
outline they are seen beyond their centres. Measured with everything else true (docs/OPEN_MODEL.md): 1 dB."""

SMOOTHING = 0.8
"""Width of the average over seen points, in distances to the nearest of them (at least half a voxel)."""

ALONG = 3.0
"""Distances along a limb or the trunk count so many times: the back of a hem or a shoe ends where its front does. A
head has no such direction. docs/OPEN_MODEL.md measures both."""

CHUNK = 128
"""Texels at once: their distances to all points stay in the processor's cache."""


def complete_template(template: Branch, image: Branch, joints: Tensor) -> Branch:
    """Colour the template's Gaussians from the photos', and lay them under these like a lining.

    Photos' Gaussians just overlap, and somewhere they are too far apart: what is behind a dark coat shines through as a
    lattice of fine points. At the same height the template's Gaussians would close it and blur what they lie among.
    Where no photo shows anything they lie as far below the surface as they are seen beyond their centres.

    Args:
        template: one person's template branch.
        image: the same person's image branch.
        joints: [55, 3] of the template's T-pose, metres.

    Returns:
        the template branch with other constant colours, opaque, and lower where photos show it; unchanged if no pixel
        is foreground.
    """
    sources = image.mask > SEEN_MASK  # [M]
    if not sources.any():
        return template
    sure = sources & (image.opacities > SURE)
    sources = sure if sure.sum() >= FEW * sources.sum() else sources
    seen = _voxels(image.means[sources], image.sh[sources, 0], image.opacities[sources])
    texels = (template.mask > 0).nonzero().squeeze(1)  # [K]
    places, bone_weights = template.means[texels], template.bone_logits[texels].softmax(-1)
    colours, distances, either = fill(places, *seen, metric_of(bone_weights))
    guess, belief = guess_unseen(places, bone_weights, seen[0], seen[1], joints)
    colours = torch.lerp(colours, guess, (belief * (1 - nearness(either, UNSEEN)))[:, None])
    sh, means = template.sh.clone(), template.means.clone()
    sh[texels, 0] = colours
    outwards = map_normals(template.means.view(*template.grid, 3)).flatten(0, 2)[texels]
    covars = WIDER**2 * template.covars
    extent = (covars[texels].diagonal(dim1=-2, dim2=-1).sum(-1) / 2).sqrt()  # along the surface
    inwards = SPLAT_REACH * extent + LINING_M * nearness(distances, COVERED)  # [K]
    means[texels] -= inwards[:, None] * outwards
    opacities = torch.where(template.mask > 0, OPAQUE, template.opacities)
    return replace(template, sh=sh, means=means, covars=covars, opacities=opacities)


def map_normals(maps: Tensor) -> Tensor:
    """Unit normals of surfaces [K, H, W, 3] laid out in an atlas whose charts are not mirrored: outwards."""
    along_u, along_v = smaller_difference(maps, 2), smaller_difference(maps, 1)
    return F.normalize(torch.linalg.cross(along_u, along_v), dim=-1)


def share_cover(image: Branch) -> Branch:
    """Make V photos together as opaque as one, where each of them shows the same place.

    Each photo's Gaussians lie some centimetres beside the others'; all of them opaque, they add up to an outline as
    wide as the farthest of each. With an opacity of 1 - (1 - a)^(1/V) each, V layers give the a of one. Where only one
    photo looks, the template's lining shows through, which has the same colours, less sharp. docs/OPEN_MODEL.md
    measures it.
    """
    return replace(image, opacities=1 - (1 - image.opacities) ** (1 / image.grid[0]))


def metric_of(bone_weights: Tensor) -> Tensor:
    """How much distances along x, y and z of the T-pose count for each point: bone weights [K, 69] -> [K, 3]."""
    limbs = limb_of(bone_weights)[:, None]
    arm = (limbs == LIMBS.index("left arm")) | (limbs == LIMBS.index("right arm"))
    along_x, along_y = bone_weights.new_tensor([[ALONG, 1, 1], [1, ALONG, 1]])
    head = share_of(bone_weights, HEAD)[:, None] > 0.5
    return torch.where(head, 1.0, torch.where(arm, along_x, along_y))


def fill(
    texels: Tensor, points: Tensor, colours: Tensor, weights: Tensor, metric: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours for all texels from coloured points.

    Args:
        texels: [K, 3] canonical positions, metres; x = 0 is the plane of symmetry.
        points: [P, 3] canonical positions of seen points, metres.
        colours: [P, 3] their colours, in any linear code.
        weights: [P] how much each counts, positive.
        metric: [K, 3] how much distances along each axis count for each texel.

    Returns:
        colours [K, 3], the distance from each texel to the nearest point [K], metres, and the distance [K] to the
        nearest point or mirror image of one.
    """
    here, distance = _average_nearby(texels, points, colours, weights, metric)
    share = nearness(distance, REACH)  # [K]
    result = here.clone()
    unseen = (share < 1).nonzero().squeeze(1)
    mirrored = texels[unseen] * texels.new_tensor(ACROSS)
    there, mirrored_distance = _average_nearby(mirrored, points, colours, weights, metric[unseen])
    # Beyond the reach of both sides the nearer one wins, softly.
    mirrored_share = nearness(mirrored_distance, REACH)
    advantage = (distance[unseen] - mirrored_distance) / REACH[1]
    mirrored_share = torch.maximum(mirrored_share, (4 * advantage).sigmoid())[:, None]
    elsewhere = mirrored_share * there + (1 - mirrored_share) * here[unseen]
    result[unseen] = share[unseen, None] * here[unseen] + (1 - share[unseen, None]) * elsewhere
    either = distance.clone()
    either[unseen] = torch.minimum(distance[unseen], mirrored_distance)
    return result, distance, either


def _voxels(points: Tensor, colours: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted averages per occupied cube: points [P, 3], colours [P, 3], weights [P] -> the same for fewer."""
    cells = (points / VOXEL).round().long() + (1 << 20)  # [P, 3] positive, for 20 km
    keys = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    inverse = keys.unique(return_inverse=True)[1]  # [P]
    weights = weights.clamp_min(1e-4)[:, None]
    columns = torch.cat([points * weights, colours * weights, weights], 1)  # [P, 7]
    sums = columns.new_zeros(int(inverse.max()) + 1, 7).index_add_(0, inverse, columns)
    return sums[:, :3] / sums[:, 6:], sums[:, 3:6] / sums[:, 6:], sums[:, 6]


def _average_nearby(
    queries: Tensor, points: Tensor, colours: Tensor, weights: Tensor, metric: Tensor
) -> tuple[Tensor, Tensor]:
    """A smooth nearest neighbour: an average whose width grows with the distance to the nearest point.

    Args:
        queries: [K, 3] metres.
        points: [P, 3] metres.
        colours: [P, 3].
        weights: [P].
        metric: [K, 3] how much distances along each axis count, of few different kinds.

    Returns:
        colours [K, 3], distance to the nearest point [K] metres.
    """
    found = colours.new_zeros(len(queries), 3)
    kinds, kind = metric.unique(dim=0, return_inverse=True)
    for number, factors in enumerate(kinds):
        own = (kind == number).nonzero()[:, 0]
        found[own] = _average(queries[own] * factors, points * factors, colours, weights)
    return found, nearest_points(queries, points)[0]


def _average(queries: Tensor, points: Tensor, colours: Tensor, weights: Tensor) -> Tensor:
    """`_average_nearby`, where all directions are alike: colours [K, 3]."""
    counts = weights.clamp_max(3)[:, None]
    weighted = torch.cat([colours * counts, counts], 1)  # [P, 4]
    # Squared distances as one product, |q|² - 2 q·p + |p|² = [q, |q|², 1] · [-2 p, 1, |p|²].
    right = torch.cat([-2 * points, torch.ones_like(counts), points.square().sum(1, keepdim=True)], 1)  # [P, 5]
    results = [colours.new_zeros(0, 3)]
    for chunk in queries.split(CHUNK):
        left = torch.cat([chunk, chunk.square().sum(1, keepdim=True), torch.ones_like(chunk[:, :1])], 1)  # [k, 5]
        nearest = F.linear(left, right).amin(1).clamp_min(0)  # [k]
        left[:, 3] -= nearest
        width = (SMOOTHING * nearest.sqrt()).clamp_min(VOXEL / 2)
        exponents = F.linear(left / (-2 * width.square())[:, None], right)
        kernel = exponents.clamp_min_(MIN_EXPONENT).exp_()  # [k, P]
        sums = kernel @ weighted  # [k, 4]
        results.append(sums[:, :3] / sums[:, 3:])
    return torch.cat(results)
