"""The z-buffer against an obvious loop over pixels and triangles."""

import torch

from nopo.synthetic.rasterize import compiled_zbuffer, plain_zbuffer, rasterize


def slow_rasterize(points, faces, size):
    """Nearest face and perspective-correct barycentrics at every pixel centre, one at a time."""
    found = {}
    for row in range(size[0]):
        for column in range(size[1]):
            at = torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64)
            best = None
            for index, face in enumerate(faces.tolist()):
                corners = points[face].double()
                matrix = torch.cat([corners[:, :2].T, torch.ones(1, 3, dtype=torch.float64)])
                if torch.linalg.det(matrix).abs() < 1e-9:
                    continue
                flat = torch.linalg.solve(matrix, torch.cat([at, torch.ones(1, dtype=torch.float64)]))
                if (flat < 0).any():
                    continue
                over_depth = flat / corners[:, 2]
                depth = 1 / over_depth.sum()
                if best is None or depth < best[1]:
                    best = (index, depth, over_depth * depth)
            if best is not None:
                found[row * size[1] + column] = best
    return found


def test_agrees_with_a_loop_over_pixels():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(18, 3, generator=generator) * torch.tensor([14.0, 10.0, 2.0]) + torch.tensor([-1.0, -1.0, 1.0])
    faces = torch.randint(0, 18, (14, 3), generator=generator)
    expected = slow_rasterize(points, faces, (8, 12))
    found = rasterize(points[None], faces, (8, 12))
    assert found.pixel.tolist() == sorted(expected)
    for row, pixel in enumerate(found.pixel.tolist()):
        want_face, want_depth, want_bary = expected[pixel]
        assert int(found.face[row]) == want_face
        torch.testing.assert_close(found.depth[row].double(), want_depth, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.bary[row].double(), want_bary, atol=1e-3, rtol=1e-3)


def test_back_faces_show_only_where_two_sided():
    points = torch.tensor([[[0.0, 0, 1], [4, 0, 1], [0, 4, 1]]])
    clockwise = torch.tensor([[0, 1, 2]])  # clockwise on the screen means from behind in a world with y up
    shown = [
        len(rasterize(points, face, (4, 4), torch.tensor([both])).pixel)
        for face in (clockwise, clockwise.flip(1))
        for both in (False, True)
    ]
    assert shown[0] == 0 and shown[1] == shown[2] == shown[3] > 0


def test_pictures_of_a_batch_do_not_mix():
    points = torch.tensor([[[0.0, 0, 1], [4, 0, 1], [0, 4, 1]], [[0.0, 0, 9], [2, 0, 9], [0, 2, 9]]])
    faces = torch.tensor([[0, 1, 2]])
    both = rasterize(points, faces, (4, 4))
    for n in range(2):
        alone = rasterize(points[n : n + 1], faces, (4, 4))
        assert torch.equal(both.mask()[n], alone.mask()[0])
        assert torch.equal(both.scatter(both.depth)[n], alone.scatter(alone.depth)[0])


def test_many_candidates_are_stamped_in_parts(monkeypatch):
    points = torch.rand(2, 30, 3, generator=torch.Generator().manual_seed(1)) * 16 + 0.5
    faces = torch.randint(0, 30, (40, 3), generator=torch.Generator().manual_seed(2))
    both = torch.ones(40, dtype=torch.bool)
    whole = plain_zbuffer(points, faces, (16, 16), both)
    monkeypatch.setattr("nopo.synthetic.rasterize._MAX_CANDIDATES", 50)
    assert torch.equal(whole, plain_zbuffer(points, faces, (16, 16), both))


def test_the_compiled_twin_agrees_to_the_last_bit():
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2, 300, 3, generator=generator) * torch.tensor([140.0, 100.0, 2.0]) - torch.tensor([10.0, 5, 0])
    points[:, 1::2] = points[:, ::2] + torch.randn(2, 150, 3, generator=generator) * torch.tensor([5.0, 5.0, 0.01])
    points[:, :9, 2] = 1.0  # faces at the same depth
    faces = torch.randint(0, 300, (400, 3), generator=generator)
    both = torch.rand(400, generator=generator) > 0.5
    plain, compiled = plain_zbuffer(points, faces, (90, 120), both), compiled_zbuffer(points, faces, (90, 120), both)
    assert (plain > 0).float().mean() > 0.3 and torch.equal(plain, compiled)


def test_interpolation_is_exact_for_linear_attributes():
    generator = torch.Generator().manual_seed(3)
    world = torch.rand(12, 3, generator=generator) + torch.tensor([0.0, 0.0, 1.0])
    pixels = torch.cat([world[:, :2] / world[:, 2:] * 16, world[:, 2:]], -1)
    faces = torch.randint(0, 12, (10, 3), generator=generator)
    found = rasterize(pixels[None], faces, (16, 16))
    back = found.interpolate(world, faces)  # what was interpolated must project to the pixel it was found at
    again = back[:, :2] / back[:, 2:] * 16
    center = torch.stack([found.pixel % 16 + 0.5, found.pixel // 16 + 0.5], -1)
    torch.testing.assert_close(again, center, atol=2e-3, rtol=0)
    torch.testing.assert_close(back[:, 2], found.depth, atol=1e-4, rtol=0)
