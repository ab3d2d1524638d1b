from dataclasses import replace

import torch
from small import small_network, small_template

from nopo.encode.branch import Branch
from nopo.encode.window import cut_columns, paste_columns, window_columns


def person(first: int, last: int, width: int = 64) -> torch.Tensor:
    """A matte of someone who fills these columns."""
    mask = torch.zeros(32, width)
    mask[4:28, first : last + 1] = 1
    return mask


def test_a_window_holds_everybody_and_is_as_narrow_as_it_may_be():
    masks = torch.stack([person(20, 38), person(2, 15)])
    starts, width = window_columns(masks, 8)
    assert width == 24  # 3/8 of 64: 19 columns and one free on each side
    for mask, start in zip(masks, starts.tolist(), strict=True):
        assert mask[:, start : start + width].sum() == mask.sum()
    assert window_columns(torch.stack([person(20, 38), person(2, 40)]), 8)[1] == 48


def test_whoever_fills_the_photo_keeps_it():
    starts, width = window_columns(person(0, 63)[None], 16)
    assert (starts.tolist(), width) == ([0], 64)


def test_an_empty_photo_has_a_window_too():
    starts, width = window_columns(torch.zeros(1, 32, 64), 8)
    assert width == 24 and 0 <= int(starts) <= 40


def test_widths_are_multiples_of_the_unit():
    assert window_columns(person(30, 40)[None], 16)[1] == 32  # 3/8 would be 24
    assert window_columns(person(30, 60, 160)[None], 16)[1] == 64  # 3/8 would be 60
    assert window_columns(person(30, 130, 160)[None], 16)[1] == 128  # 3/4 would be 120


def test_what_was_cut_out_lies_where_it_was_when_it_is_pasted_back():
    views, height, width, narrow = 2, 3, 16, 8
    starts = torch.tensor([1, 6])
    maps = torch.rand(views, height, width, 3)
    cut = cut_columns(maps, starts, narrow, dim=2).flatten(0, 2)
    flat = torch.ones(len(cut))
    branch = Branch((views, height, narrow), cut, torch.zeros(len(cut), 3, 3), flat, cut[:, None], cut, flat)
    whole = paste_columns(branch, starts, width)
    assert whole.grid == (views, height, width)
    means, mask = whole.means.view(views, height, width, 3), whole.mask.view(views, height, width)
    for view, start in enumerate(starts.tolist()):
        inside = slice(start, start + narrow)
        assert torch.equal(means[view, :, inside], maps[view, :, inside])
        assert mask[view, :, inside].eq(1).all() and mask[view].sum() == height * narrow


def test_where_the_person_stands_in_the_photo_does_not_matter():
    network = small_network("open")
    network.config = replace(network.config, windowed=True)
    images = torch.ones(1, 3, 32, 128)
    images[:, :, 8:24, 50:60] = torch.rand(3, 16, 10)
    masks = torch.zeros(1, 32, 128)
    masks[:, 8:24, 50:60] = 1
    here = network(images, masks, small_template())
    there = network(images.roll(37, -1), masks.roll(37, -1), small_template())
    assert here.image.grid == there.image.grid == (1, 32, 128)
    kept, moved = (p.image.means.view(32, 128, 3)[p.image.mask.view(32, 128) > 0] for p in (here, there))
    assert torch.allclose(kept, moved, atol=1e-5)
