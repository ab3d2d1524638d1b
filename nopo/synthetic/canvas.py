"""What a person's colours are painted on: places on the reference body, covered one layer over the other."""

from __future__ import annotations

import torch
from torch import Tensor

from nopo.synthetic.cover import edge
from nopo.synthetic.fabrics import RGB, Fabric, fabric_colour


def _axes_apart(values: Tensor) -> Tensor:
    """The same values [P, C], column after column in memory: arithmetic on columns is several times faster then."""
    return values.T.contiguous().T


class Canvas:
    """Colours being painted over each other."""

    def __init__(self, place: Tensor, footprint: Tensor, ground: RGB) -> None:
        self.place, self.footprint = _axes_apart(place), footprint
        self.colour = torch.tensor(ground, device=place.device)[:, None].repeat(1, len(place)).T
        self.shine = torch.full((len(place),), 0.12, device=place.device)
        self.wrinkle = torch.zeros(len(place), device=place.device)

    def part(self, index: Tensor) -> Canvas:
        """A canvas of its own for the places `index`, with the colours that they have by now."""
        part = object.__new__(Canvas)
        part.place, part.footprint = _axes_apart(self.place[index]), self.footprint[index]
        part.colour = _axes_apart(self.colour[index])
        part.shine, part.wrinkle = self.shine[index], self.wrinkle[index]
        return part

    def put(self, index: Tensor, part: Canvas) -> None:
        """Take over what was painted on a part."""
        self.colour[index], self.shine[index], self.wrinkle[index] = part.colour, part.shine, part.wrinkle

    def soft(self, distance: Tensor, softness: float = 0.0015) -> Tensor:
        """Coverage of a signed distance, at least a pixel soft."""
        return edge(distance, self.footprint.clamp_min(softness))

    def over(self, share: Tensor, colour: Tensor | RGB) -> None:
        """Paint `colour` ([P, 3] or one) with coverage `share` [P]."""
        if not isinstance(colour, Tensor):
            colour = torch.tensor(colour, device=share.device)
        self.colour += share[:, None] * (colour - self.colour)

    def shade(self, share: Tensor, factor: float) -> None:
        """Darken (or lighten) by `factor` with coverage `share` [P]."""
        self.colour *= (1 + share * (factor - 1))[:, None]

    def wear(self, distance: Tensor, fabric: Fabric, place: Tensor | None = None, hem: float = 0.0) -> None:
        """Cover with a fabric where `distance` > 0; `hem` casts a thin shadow on what lies outside its border."""
        if hem:
            self.shade(edge(distance + 0.006, 0.016), 1 - hem)
        share = self.soft(distance)
        touched = (share > 0).nonzero()[:, 0]
        if len(touched) == 0:
            return
        where = _axes_apart((self.place if place is None else place)[touched])
        cloth = fabric_colour(fabric, where, self.footprint[touched])
        part = share[touched][:, None]
        self.colour[touched] += part * (cloth - self.colour[touched])
        self.shine[touched] += share[touched] * (fabric.shine - self.shine[touched])
        self.wrinkle[touched] += share[touched] * (fabric.wrinkle - self.wrinkle[touched])
