"""A contact sheet of synthetic people: what training sees, and the truth beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from nopo.files import partial_file
from nopo.synthetic.dataset import Batch, make_batch
from nopo.synthetic.things import SHARE


def write_sheet(path: str | Path, seed: int = 7, count: int = 24, size: int = 256) -> None:
    """Write `count` random people as pairs of photo and canonical truth, six pairs in a row, as PNG.

    Raises:
        ExportError: `path` cannot be written.
    """
    from PIL import Image

    batch = make_batch(torch.Generator().manual_seed(seed), count, 1, size, frontal=0.5, things=SHARE)
    pairs = torch.cat([batch.images[:, 0], canonical_colours(batch)[:, 0]], -1)  # [B, 3, H, 2W]
    columns = min(count, 6)
    rows = -(-count // columns)
    blank = torch.ones(rows * columns - count, *pairs.shape[1:])
    tiles = torch.cat([pairs, blank]).unflatten(0, (rows, columns))  # [R, C, 3, H, 2W]
    picture = tiles.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    with partial_file(Path(path)) as partial:
        Image.fromarray((picture * 255).round().byte().numpy()).save(partial, "PNG")


def canonical_colours(batch: Batch) -> Tensor:
    """[B, V, 3, H, W] canonical positions as colours, white where nobody is."""
    return canonical_picture(batch.canonical, batch.valid)


def canonical_picture(canonical: Tensor, valid: Tensor) -> Tensor:
    """Canonical x, y, z [..., 3, H, W] as red, green, blue; white where not `valid` [..., H, W]."""
    low = torch.tensor([-0.9, -1.0, -0.25], device=canonical.device)[:, None, None]
    high = torch.tensor([0.9, 0.8, 0.3], device=canonical.device)[:, None, None]
    colours = ((canonical - low) / (high - low)).clamp(0, 1)
    return torch.where(valid[..., None, :, :], colours, torch.ones_like(colours))
