"""Every file of Gaussians, read by readers of its format: geometry, colours, scale and axes are the avatar's."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from splat_readers import Read, read_compressed_ply, read_ply, read_sog, read_splat, read_spz

from nopo.articulate import articulate
from nopo.errors import Cancelled, DependencyError, ExportError
from nopo.export.formats import export
from nopo.gaussians import Gaussians
from nopo.harmonics import basis
from nopo.motions import load_motion


def check(read: Read, truth: Gaussians, *, mm: float, shape: float, level: float, sh: float, degree: int) -> None:
    """Compare, with the tolerances that the precision of a format allows.

    Args:
        read: from the file.
        truth: in the same order.
        mm: of the centres, millimetres.
        shape: of the covariances, relative.
        level: of opacities and colours, in levels of 255.
        sh: of the harmonics above the constant.
        degree: of the harmonics in the file.
    """
    assert len(read.means) == len(truth)
    assert np.abs(read.means - truth.means.numpy()).max() <= mm / 1000
    covars = truth.covars.double().numpy()
    relative = np.linalg.norm(read.covars - covars, axis=(1, 2)) / np.linalg.norm(covars, axis=(1, 2))
    assert relative.max() <= shape
    assert np.abs(read.opacities - truth.opacities.numpy()).max() * 255 <= level
    rgb = truth.sh[:, 0].numpy() * 0.28209479177387814 + 0.5
    assert np.abs(read.rgb - rgb).max() * 255 <= level
    rest = truth.sh[:, 1 : (degree + 1) ** 2].numpy()
    assert read.rest.shape == rest.shape
    if degree:
        assert np.abs(read.rest - rest).max() <= sh


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_ply(tmp_path, person, seen, degree):
    path = export(person, tmp_path / "person.ply", sh_degree=degree)
    check(read_ply(path), seen, mm=0, shape=2e-6, level=1e-3, sh=0, degree=degree)


def test_ply_is_what_viewers_expect(tmp_path, person):
    """One element, the properties of the original code in its order, and no degree above three."""
    path = export(person, tmp_path / "person.ply")
    header = path.read_bytes().split(b"end_header\n")[0].decode().splitlines()
    assert [line for line in header if line.startswith("element")] == [f"element vertex {len(person.gaussians) - 7}"]
    names = [line.split()[2] for line in header if line.startswith("property float")]
    rest = [f"f_rest_{i}" for i in range(45)]
    dc = [f"f_dc_{i}" for i in range(3)]
    ends = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    assert names == ["x", "y", "z", "nx", "ny", "nz", *dc, *rest, *ends]


def test_opaque_and_flat_gaussians_stay_finite(tmp_path, person):
    g = person.gaussians
    flat = Gaussians(g.means, torch.zeros_like(g.covars), torch.ones_like(g.opacities), g.sh)
    path = export(replace(person, gaussians=flat), tmp_path / "flat.ply")
    content = path.read_bytes()
    numbers = np.frombuffer(content, "<f4", offset=content.index(b"end_header\n") + 11)
    assert np.isfinite(numbers).all()
    assert read_ply(path).opacities.min() > 0.999


def test_what_is_not_a_number_is_left_out(tmp_path, person):
    g = person.gaussians
    broken = {name: getattr(g, name).clone() for name in ("means", "covars", "sh")}
    for row, values in enumerate(broken.values(), start=20):
        values[row].flatten()[1] = float("nan")
    path = export(replace(person, gaussians=replace(g, **broken)), tmp_path / "person.ply")
    read = read_ply(path)
    assert len(read.means) == len(g) - 7 - 3
    assert all(np.isfinite(values).all() for values in (read.means, read.covars, read.rgb, read.rest))


def test_splat(tmp_path, person, seen):
    read = read_splat(export(person, tmp_path / "person.splat"))
    cover = np.sort(np.sqrt(np.linalg.eigvalsh(read.covars).clip(0)), 1)[:, 1:].prod(1) * read.opacities
    assert (np.diff(cover) <= 1e-3 * cover[:-1] + 1e-9).all(), "the most important Gaussians come first"
    check(read.matched_to(seen.means.numpy()), seen, mm=0, shape=0.04, level=0.51, sh=0, degree=0)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spz(tmp_path, person, seen, degree):
    path = export(person, tmp_path / "person.spz", sh_degree=degree)
    check(read_spz(path), seen, mm=0.13, shape=0.08, level=1, sh=0.07, degree=degree)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_compressed_ply(tmp_path, person, seen, degree):
    read = read_compressed_ply(export(person, tmp_path / "person.compressed.ply", sh_degree=degree))
    check(read.matched_to(seen.means.numpy()), seen, mm=1, shape=0.02, level=0.51, sh=0.04, degree=degree)


def test_sog(tmp_path, person, seen):
    read = read_sog(export(person, tmp_path / "person.sog"))
    check(read.matched_to(seen.means.numpy()), seen, mm=0.05, shape=0.05, level=2, sh=0, degree=0)


@pytest.mark.parametrize("suffix", ["splat", "spz", "compressed.ply", "sog"])
def test_a_second_reader_agrees(tmp_path, person, seen, suffix):
    """gaussforge turns each of our files into a .ply of the same person."""
    import gaussforge

    path = export(person, tmp_path / f"person.{suffix}", sh_degree=0)
    converted = gaussforge.GaussForge().convert(path.read_bytes(), suffix, "ply")
    back = tmp_path / "back.ply"
    back.write_bytes(converted["data"])
    check(read_ply(back).matched_to(seen.means.numpy()), seen, mm=1, shape=0.08, level=2, sh=0, degree=0)


@pytest.mark.parametrize("suffix", ["ply", "splat", "spz"])
def test_pose(tmp_path, person, suffix):
    """A posed file holds what the renderer would draw, upright: +y is up and the left hand at +x."""
    pose = load_motion("wave", rest_joints=person.rest_joints)[40]
    path = export(person, tmp_path / f"person.{suffix}", pose=pose)
    read = {"ply": read_ply, "splat": read_splat, "spz": read_spz}[suffix](path)
    posed = articulate(person, pose).means[7:].numpy()
    assert np.abs(read.matched_to(posed).means - posed).max() < 2e-4
    assert 1.5 < np.ptp(read.means[:, 1]) < 2.4, "metres, upright"


def test_turned_over(tmp_path, person):
    """Half a turn about x, and from there every colour is what it was from the same side before."""
    straight = read_ply(export(person, tmp_path / "straight.ply"))
    turned = read_ply(export(person, tmp_path / "turned.ply", y_down=True))
    turn = torch.tensor([1.0, -1.0, -1.0])
    assert np.abs(turned.means - straight.means * turn.numpy()).max() == 0
    assert np.allclose(turned.covars, straight.covars * np.outer(turn, turn), rtol=1e-4, atol=1e-12)
    side = torch.nn.functional.normalize(torch.tensor([[0.3, -0.8, 0.2]]), dim=-1)
    for read, direction in ((straight, side), (turned, side * turn)):
        read.rest = (basis(direction, 3)[:, 1:, None].numpy() * read.rest).sum(1)
    assert np.allclose(turned.rest, straight.rest, atol=1e-5)


def test_only_what_a_format_can_hold(tmp_path, person):
    for suffix in ("splat", "sog"):
        with pytest.raises(ExportError, match="no view-dependent colours"):
            export(person, tmp_path / f"person.{suffix}", sh_degree=1)
    with pytest.raises(ExportError, match="degree 0 to 3, not 4"):
        export(person, tmp_path / "person.ply", sh_degree=4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["ply", "splat", "spz", "sog", "compressed.ply"])
def test_nobody(tmp_path, ghost, suffix):
    with pytest.raises(ExportError, match="nothing that can be seen"):
        export(ghost, tmp_path / f"ghost.{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["ply", "splat", "spz", "sog", "compressed.ply"])
def test_cancel_keeps_the_older_file(tmp_path, person, suffix):
    def cancel(stage, done, total):
        if done == total:
            raise Cancelled("stopped")

    path = tmp_path / f"person.{suffix}"
    path.write_bytes(b"older")
    with pytest.raises(Cancelled):
        export(person, path, progress=cancel)
    assert path.read_bytes() == b"older" and list(tmp_path.iterdir()) == [path]


def test_without_gaussforge(tmp_path, person, monkeypatch):
    monkeypatch.setitem(sys.modules, "gaussforge", None)
    with pytest.raises(DependencyError, match="pip install gaussforge"):
        export(person, tmp_path / "person.spz")
    export(person, tmp_path / "person.splat")


def test_a_place_that_cannot_be_written(tmp_path, person):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ExportError, match="person.ply cannot be written"):
        export(person, tmp_path / "file" / "person.ply")
