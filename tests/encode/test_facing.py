import pytest
import torch
from small import small_network, small_template, small_views

from nopo.encode.facing import CELL, Facing, directions
from nopo.errors import NopoError


def facing() -> Facing:
    torch.manual_seed(0)
    return Facing(4, (8, 8, 16), 64)


def test_tokens_pass_unchanged_at_first_and_differently_once_it_has_learned_to_tell():
    network = facing()
    tokens = torch.randn(2, 5, 64)
    direction = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    assert torch.equal(network.tell(tokens, direction), tokens)
    torch.nn.init.normal_(network.modulation.weight, std=0.1)
    told = network.tell(tokens[:1].expand(2, -1, -1), direction)
    assert not torch.allclose(told[0], told[1])


def test_it_finds_a_small_head_and_reads_which_way_it_looks():
    """A bright square somewhere is the head; its colour says front or back."""
    network = facing()
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    draw = torch.Generator().manual_seed(0)
    for _ in range(80):
        photos = torch.zeros(16, 4, 48, 48)
        front = torch.randint(0, 2, (16,), generator=draw)
        cell = torch.randint(0, 36, (16,), generator=draw)
        for photo, side, place in zip(photos, front, cell, strict=True):
            row, column = CELL * (int(place) // 6), CELL * (int(place) % 6)
            photo[:, row : row + CELL, column : column + CELL] = torch.tensor([1, 2.0 * side - 1, 0, 1])[:, None, None]
        found, head = network.ask(photos)
        assert head.shape == (16, 6, 6) and (found.norm(dim=-1) < 1.001).all()
        truth = torch.stack([torch.zeros(16), 2.0 * front - 1], -1)
        wrong = (found - truth).square().sum(-1).mean()
        loss = wrong + torch.nn.functional.cross_entropy(head.flatten(1), cell)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(wrong.detach()) < 0.1
    assert (head.flatten(1).argmax(1) == cell).float().mean() > 0.9


def test_a_user_may_say_where_the_person_faces():
    told = directions(["front", "auto", None, "left"])
    assert told[0].tolist() == [0, 1] and told[3].tolist() == [-1, 0] and told[1:3].isnan().all()
    with pytest.raises(NopoError, match="front, back, left, right or auto"):
        directions(["north"])


def test_what_the_user_says_reaches_the_gaussians_and_a_network_without_ears_says_so():
    network = small_network("open").eval()
    torch.nn.init.normal_(network.unet.facing.modulation.weight, std=0.1)
    images, masks = small_views(1)
    means = [network(images, masks, small_template(), directions([way])).image.means for way in ("front", "back")]
    assert not torch.allclose(*means)
    deaf = small_network("vitl").eval()
    with pytest.raises(NopoError, match="cannot be told"):
        deaf(images, masks, small_template(), directions(["front"]))
