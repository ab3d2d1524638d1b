import time

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.body.template import Atlas, Template, make_template, rasterize_atlas
from nopo.errors import BodyError


@pytest.fixture
def scattered():
    """Triangles of all sizes and both windings that overlap each other, some partly outside of the atlas."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.rand(60, 1, 2, generator=generator)
    radius = torch.tensor([0.05, 0.3, 0.8]).repeat(20)[:, None, None]
    uvs = (centres + radius * (torch.rand(60, 3, 2, generator=generator) - 0.5)).reshape(-1, 2)
    return uvs, torch.arange(180).reshape(60, 3)


def texel_by_texel(uvs, uv_faces, size):
    """The first triangle whose three half planes hold the texel's centre, and the point's barycentric coordinates."""
    face, barycentric = torch.full((size, size), -1), torch.zeros(size, size, 3)
    for r in range(size):
        for c in range(size):
            point = torch.tensor([(c + 0.5) / size, (r + 0.5) / size, 1.0], dtype=torch.float64)
            for f, corners in enumerate(uvs[uv_faces].double()):
                matrix = torch.cat([corners.T, torch.ones(1, 3, dtype=torch.float64)])
                if matrix.det().abs() < 1e-15:
                    continue
                weights = torch.linalg.solve(matrix, point)
                if (weights >= 0).all():
                    face[r, c], barycentric[r, c] = f, weights.float()
                    break
    return face, barycentric


def test_atlas_equals_point_in_triangle_tests(scattered):
    size = 24
    atlas = rasterize_atlas(*scattered, size)
    face, barycentric = texel_by_texel(*scattered, size)
    assert (face >= 0).float().mean() > 0.3
    assert torch.equal(atlas.face, face)
    torch.testing.assert_close(atlas.barycentric, barycentric, atol=1e-5, rtol=0)


def test_row_zero_has_the_smallest_v_and_centres_lie_at_the_half():
    uvs = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    atlas = rasterize_atlas(uvs, faces, 8)
    assert atlas.mask.all()
    steps = (torch.arange(8) + 0.5) / 8
    expected = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)  # u grows with the column, v with the row
    torch.testing.assert_close(atlas.sample(faces, uvs), expected)


def test_neighbours_leave_no_crack_and_degenerate_triangles_no_trace():
    generator = torch.Generator().manual_seed(4)
    grid = torch.stack(torch.meshgrid(torch.linspace(0, 1, 9), torch.linspace(0, 1, 9), indexing="xy"), -1)
    grid[1:-1, 1:-1] += 0.05 * (torch.rand(7, 7, 2, generator=generator) - 0.5)
    cell = torch.arange(81).reshape(9, 9)
    a, b, c, d = (cell[i : i + 8, j : j + 8].flatten() for i, j in ((0, 0), (0, 1), (1, 1), (1, 0)))
    line = torch.tensor([[0, 40, 40], [3, 3, 3]])
    faces = torch.cat([line, torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    atlas = rasterize_atlas(grid.reshape(-1, 2), faces, 64)
    assert (atlas.face >= 2).all()
    torch.testing.assert_close(atlas.barycentric.sum(-1), torch.ones(64, 64))


def test_sample_takes_batches_and_leaves_empty_texels_zero(scattered):
    uvs, faces = scattered
    atlas = rasterize_atlas(uvs, faces, 16)
    values = torch.rand(2, 5, len(uvs), 4, generator=torch.Generator().manual_seed(5))
    maps = atlas.sample(faces, values)
    assert maps.shape == (2, 5, 16, 16, 4)
    assert (maps[..., ~atlas.mask, :] == 0).all()
    torch.testing.assert_close(maps[1, 3], atlas.sample(faces, values[1, 3]))


def test_template_of_the_open_body_shows_the_whole_body():
    body = load_open_body()
    template = body.template(128)
    assert template is body.template(128)
    inside = template.mask
    assert 0.4 < inside.float().mean() < 0.9
    torch.testing.assert_close(template.joint_weights.sum(-1), inside.float())
    assert (template.positions[~inside] == 0).all()
    points, vertices = template.positions[inside], body.vertices()
    assert (points.amin(0) >= vertices.amin(0) - 1e-6).all() and (points.amax(0) <= vertices.amax(0) + 1e-6).all()
    assert (points.amax(0) - points.amin(0) > 0.97 * (vertices.amax(0) - vertices.amin(0))).all()


def test_large_template_is_fast():
    body = load_open_body()
    start = time.process_time()
    rasterize_atlas(body.uvs, body.uv_faces, 512)
    assert time.process_time() - start < 2


def test_maps_of_unlike_sizes_are_refused():
    with pytest.raises(BodyError, match="joint_weights"):
        Template(torch.zeros(4, 4, 3), torch.zeros(4, 4, 24), torch.ones(4, 4, dtype=torch.bool))


def test_make_template_keeps_positions_of_one_triangle():
    atlas = Atlas(torch.tensor([[0, -1]]), torch.tensor([[[0.2, 0.3, 0.5], [0.0, 0.0, 0.0]]]))
    vertices, weights = torch.eye(3), torch.zeros(3, 55)
    weights[:, 7] = 1
    template = make_template(atlas, torch.tensor([[0, 1, 2]]), vertices, weights)
    torch.testing.assert_close(template.positions, torch.tensor([[[0.2, 0.3, 0.5], [0.0, 0.0, 0.0]]]))
    assert template.mask.tolist() == [[True, False]]
