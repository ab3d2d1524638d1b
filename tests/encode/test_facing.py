import torch

from nopo.encode.facing import Facing


def test_tokens_pass_unchanged_at_first():
    tokens = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(0))
    out, found = Facing(64)(tokens)
    assert torch.equal(out, tokens) and found.shape == (3, 2) and (found.norm(dim=-1) <= 1 + 1e-6).all()


def test_what_is_told_counts_and_nan_is_found():
    torch.manual_seed(0)
    facing = Facing(64)
    torch.nn.init.normal_(facing.modulation.weight, std=0.1)
    tokens = torch.randn(2, 5, 64)
    free, found = facing(tokens)
    told = torch.stack([torch.tensor([0.0, -1.0]), torch.full((2,), torch.nan)])
    out, same = facing(tokens, told)
    assert torch.equal(found, same)  # being told does not change what is seen
    assert torch.equal(out[1], free[1])
    assert not torch.allclose(out[0], free[0])


def test_the_head_learns_which_half_of_the_tokens_is_bright():
    torch.manual_seed(0)
    facing = Facing(64)
    optimizer = torch.optim.Adam(facing.parameters(), 1e-2)
    for _ in range(60):
        side = torch.randint(0, 2, (16,))
        tokens = 0.3 * torch.randn(16, 4, 64)
        tokens[:, :, 0] += (2 * side - 1)[:, None]
        truth = torch.stack([torch.zeros(16), 2.0 * side - 1], -1)
        loss = (facing(tokens)[1] - truth).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1
