import torch

from nopo.encode.activations import SH_DC
from nopo.encode.branch import Branch
from nopo.encode.detail import refine, shrink


def branch_of(means: torch.Tensor, mask: torch.Tensor, colour: float = 0.5) -> Branch:
    """A coarse branch of one view [h, w, 3] whose colours are exactly those of a grey photo."""
    h, w, _ = means.shape
    m = h * w
    return Branch(
        grid=(1, h, w),
        means=means.reshape(m, 3),
        covars=1e-4 * torch.eye(3).expand(m, 3, 3),
        opacities=0.8 * mask.reshape(m),
        sh=torch.full((m, 1, 3), (colour - 0.5) / SH_DC),
        bone_logits=torch.arange(m * 69.0).view(m, 69),
        mask=mask.reshape(m),
    )


def plane(h: int, w: int, step: float = 0.01) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(h) * step, torch.arange(w) * step, indexing="ij")
    return torch.stack([x, -y, torch.zeros_like(x)], -1)


def test_a_plane_stays_a_plane_with_four_times_the_points():
    images, masks = torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 16, 16)
    fine = refine(branch_of(plane(8, 8), torch.ones(8, 8)), images, masks, 1.0)
    assert fine.grid == (1, 16, 16)
    inner = fine.means.view(16, 16, 3)[1:-1, 1:-1]
    expected = plane(16, 16, 0.005)[1:-1, 1:-1] + torch.tensor([-0.0025, 0.0025, 0])
    assert torch.allclose(inner, expected, atol=1e-5)
    assert torch.allclose(fine.covars, 0.25e-4 * torch.eye(3).expand(256, 3, 3))
    assert torch.allclose(fine.opacities, torch.full((256,), 0.8), atol=1e-5)


def test_a_plane_stays_a_plane_at_one_and_a_half_times_the_resolution():
    images, masks = torch.full((1, 3, 12, 12), 0.5), torch.ones(1, 12, 12)
    fine = refine(branch_of(plane(8, 8), torch.ones(8, 8)), images, masks, 1.0)
    assert fine.grid == (1, 12, 12)
    inner = fine.means.view(12, 12, 3)[1:-1, 1:-1]
    step = 0.01 * 8 / 12
    expected = plane(12, 12, step)[1:-1, 1:-1] + (step - 0.01) / 2 * torch.tensor([1.0, -1.0, 0.0])
    assert torch.allclose(inner, expected, atol=1e-5)
    assert torch.allclose(fine.covars, 4 / 9 * 1e-4 * torch.eye(3).expand(144, 3, 3))


def test_shrinking_averages_areas():
    images = torch.rand(2, 3, 15, 20, generator=torch.Generator().manual_seed(1))
    whole, masks = shrink(images, images[:, 0], (5, 4))
    assert torch.allclose(whole, torch.nn.functional.avg_pool2d(images, (3, 5)), atol=1e-6)
    assert torch.allclose(masks, whole[:, 0], atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(shrink(images, images[:, 0], (5, 4))[0], whole)
    # 2.5 fine pixels to one: two whole ones and half of the one between.
    partial, _ = shrink(images, images[:, 0], (6, 8))
    expected = (images[..., 0] + images[..., 1] + 0.5 * images[..., 2]) / 2.5
    assert torch.allclose(partial[..., 0], shrink(expected[..., None], expected[:, 0, :, None], (6, 1))[0][..., 0])


def test_colours_come_from_the_fine_photo():
    images, masks = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.ones(1, 16, 16)
    coarse = branch_of(plane(8, 8), torch.ones(8, 8))
    small = torch.nn.functional.avg_pool2d(images, 2)[0].permute(1, 2, 0).reshape(-1, 3)
    coarse.sh[:, 0] = (small - 0.5) / SH_DC
    fine = refine(coarse, images, masks, 1.0)
    assert torch.allclose(fine.sh[:, 0] * SH_DC + 0.5, images[0].permute(1, 2, 0).reshape(-1, 3), atol=1e-5)


def test_nothing_lies_between_the_two_sides_of_a_depth_edge():
    means = plane(8, 8)
    means[:, 4:, 2] = 0.5  # an arm before a trunk
    fine = refine(branch_of(means, torch.ones(8, 8)), torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 16, 16), 1.0)
    depth = fine.means[:, 2]
    assert bool(((depth.abs() < 1e-4) | ((depth - 0.5).abs() < 1e-4)).all())


def test_pixels_outside_the_matte_stay_empty():
    masks = torch.zeros(1, 16, 16)
    masks[:, 4:12, 4:12] = 1
    small = torch.nn.functional.avg_pool2d(masks[None], 2)[0, 0]
    fine = refine(branch_of(plane(8, 8), small), torch.full((1, 3, 16, 16), 0.5), masks, 1.0)
    assert torch.equal(fine.mask.view(16, 16), masks[0])
    assert float(fine.opacities[fine.mask == 0].sum()) == 0
