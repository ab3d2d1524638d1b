import pickle
import shutil

import numpy as np
import pytest
import torch

from nopo.body import smplx
from nopo.body.skeleton import PARENTS
from nopo.body.template import rasterize_atlas
from nopo.errors import BodyError

V = 10475
GRID = 25  # the synthetic texture atlas and surface: V = 25 x 419 points


def synthetic_arrays(seed=0):
    """Random numbers under the names and in the shapes of SMPLX_*.npz (v1.1)."""
    rng = np.random.default_rng(seed)
    regressor = np.zeros((55, V))
    for row in regressor:
        row[rng.choice(V, 20, replace=False)] = 1 / 20
    weights = rng.random((V, 55)) ** 20
    faces = rng.integers(0, V, (20908, 3)).astype(np.uint32)
    return {
        "v_template": rng.normal(size=(V, 3)),
        "shapedirs": np.concatenate([0.05 * rng.normal(size=(V, 3, 10)), np.zeros((V, 3, 390))], 2).astype(np.float16),
        "posedirs": np.zeros((V, 3, 486), np.float16),
        "J_regressor": regressor,
        "kintree_table": np.array([[4294967295, *PARENTS[1:]], range(55)]).astype(np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": faces,
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": 0.4 * rng.normal(size=45),
        "hands_meanr": 0.4 * rng.normal(size=45),
        "lmk_faces_idx": rng.integers(0, 20908, 51),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": rng.integers(0, 20908, (79, 17)),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
        "part2num": np.array({"Global": 0}, dtype=object),
        "joint2num": np.array({"Pelvis": 0}, dtype=object),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smplx")
    for seed, gender in enumerate(("NEUTRAL", "MALE")):
        np.savez(folder / f"SMPLX_{gender}.npz", **synthetic_arrays(seed))
    (folder / "smplx_uv.obj").write_text(synthetic_obj())
    return folder


def synthetic_obj():
    """All vertices on a bent sheet; the texture coordinates are listed in reverse order."""
    rows, columns = V // GRID, GRID
    grid = [(c / (columns - 1), r / (rows - 1)) for r in range(rows) for c in range(columns)]
    lines = ["# a comment", *(f"v {u - 0.5} {2 * v - 1.2} {0.1 * u * v}" for u, v in grid)]
    lines += [f"vt {0.05 + 0.6 * u} {0.1 + 0.8 * v}" for u, v in reversed(grid)]
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, b = r * columns + c + 1, r * columns + c + 2
            for triangle in ((a, b, b + columns), (a, b + columns, a + columns)):
                lines.append("f " + " ".join(f"{i}/{V + 1 - i}" for i in triangle))
    return "\n".join(lines)


def official(folder, gender, **options):
    """The smplx package's own loader and forward pass."""
    return pytest.importorskip("smplx").SMPLX(str(folder / f"SMPLX_{gender}.npz"), **options)


def test_rest_joints_are_those_of_the_package_by_default(folder):
    body = smplx.load_smplx("male", folder)
    with torch.no_grad():
        expected = official(folder, "MALE")().joints[0, :55]
    torch.testing.assert_close(body.rest_joints(), expected, atol=1e-5, rtol=0)
    assert body.name == "smplx-male"


def test_betas_and_flat_hands_match_the_package(folder):
    body = smplx.load_smplx("neutral", folder)
    betas = torch.randn(3, 10, generator=torch.Generator().manual_seed(1))
    layer = official(folder, "NEUTRAL", flat_hand_mean=True, use_pca=False)
    with torch.no_grad():
        outs = [layer(betas=b[None]) for b in betas]
    joints, vertices = (torch.cat(x) for x in zip(*((o.joints[:, :55], o.vertices) for o in outs), strict=True))
    torch.testing.assert_close(body.rest_joints(betas, hands="flat"), joints, atol=1e-5, rtol=0)
    torch.testing.assert_close(body.vertices(betas), vertices, atol=1e-5, rtol=0)
    assert body.rest_joints(betas[:, None]).shape == (3, 1, 55, 3)


def test_full_pose_has_the_order_of_the_package(folder):
    sizes = {"root": 1, "body": 21, "jaw": 1, "left_eye": 1, "right_eye": 1, "left_hand": 15, "right_hand": 15}
    generator = torch.Generator().manual_seed(2)
    parts = {name: torch.randn(1, 3 * n, generator=generator) for name, n in sizes.items()}
    names = {"root": "global_orient", "body": "body_pose", "jaw": "jaw_pose", "left_eye": "leye_pose",
             "right_eye": "reye_pose", "left_hand": "left_hand_pose", "right_hand": "right_hand_pose"}  # fmt: skip
    layer = official(folder, "NEUTRAL", flat_hand_mean=True, use_pca=False)
    with torch.no_grad():
        out = layer(**{names[k]: v for k, v in parts.items()}, return_full_pose=True)
    torch.testing.assert_close(smplx.full_pose(**parts).flatten(1), out.full_pose)
    with pytest.raises(BodyError, match="left_hand pose needs 45 numbers"):
        smplx.full_pose(**(parts | {"left_hand": torch.zeros(1, 6)}))


def test_template_maps_and_their_cache(folder):
    body = smplx.load_smplx("male", folder)
    template = body.template(64)
    vertices, faces, uvs, uv_faces = smplx._read_obj(synthetic_obj(), "x.obj")
    atlas = rasterize_atlas(uvs, uv_faces, 64)
    assert torch.equal(template.mask, atlas.mask) and 0.4 < template.mask.float().mean() < 0.6
    torch.testing.assert_close(template.positions, atlas.sample(faces, vertices))
    # The sheet's low y lies at small v, so in the first rows.
    heights = template.positions[..., 1].sum(1) / template.mask.sum(1).clamp_min(1)
    assert heights[8] < -1 and heights[57] > 0.5
    cached = list(folder.glob("template_64_*.npz"))
    assert len(cached) == 1
    for damage in (lambda content: content, lambda content: content[: len(content) // 2], lambda _: b"PK"):
        cached[0].write_bytes(damage(cached[0].read_bytes()))
        again = body.template(64)
        assert all(torch.equal(a, b) for a, b in zip(vars(template).values(), vars(again).values(), strict=True))
    smplx.load_smplx("neutral", folder).template(64)
    assert len(list(folder.glob("template_64_*.npz"))) == 2, "other weights, another file"
    assert not list(folder.glob(".partial-*"))


def test_a_full_disk_only_costs_the_template_that_is_kept(folder, tmp_path, caplog):
    resource = pytest.importorskip("resource")
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("template_*"))
    body, before = smplx.load_smplx("male", tmp_path), sorted(tmp_path.iterdir())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # as a full disk
    try:
        with caplog.at_level("INFO"):
            template = body.template(64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert template.mask.any() and "is not kept: template_64" in caplog.text
    assert sorted(tmp_path.iterdir()) == before


def test_files_are_found_by_argument_then_environment(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NOPO_SMPLX", str(folder))
    assert smplx.find_smplx() == folder and smplx.find_smplx(tmp_path) == tmp_path
    monkeypatch.delenv("NOPO_SMPLX")
    assert smplx.find_smplx() == smplx.DEFAULT_FOLDER


def test_a_missing_file_says_where_to_get_it(folder, tmp_path):
    with pytest.raises(BodyError, match="There is no SMPLX_FEMALE.npz: register at https://smpl-x.is.tue.mpg.de"):
        smplx.load_smplx("female", folder)
    body = smplx.load_smplx("male", folder)
    with pytest.raises(BodyError, match="There is no other.obj"):
        smplx.smplx_template(body, 64, tmp_path / "other.obj")


class Trap:
    """A pickle that would leave a trace if it ran."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_other_files_are_refused_and_no_pickle_runs(folder, tmp_path):
    target = tmp_path / "SMPLX_NEUTRAL.npz"
    trace = tmp_path / "ran"

    def refused(match):
        with pytest.raises(BodyError, match=match):
            smplx.load_smplx("neutral", tmp_path)
        assert not trace.exists()

    good = synthetic_arrays()
    whole = (folder / target.name).read_bytes()
    target.write_bytes(whole[: len(whole) * 9 // 10])
    refused("damaged")
    target.write_bytes(pickle.dumps(Trap(trace)))
    refused("damaged")
    np.savez(target, **(good | {"v_template": np.array(Trap(trace), dtype=object)}))
    refused("damaged")
    np.savez(target, **{k: v for k, v in good.items() if k != "hands_meanl"})
    refused("has no hands_meanl")
    np.savez(target, **(good | {"weights": good["weights"][:, :24], "kintree_table": good["kintree_table"][:, :24]}))
    refused("not a SMPL-X model: its weights")
    np.savez(target, **(good | {"kintree_table": good["kintree_table"][:, ::-1]}))
    refused("another tree")


def test_object_arrays_that_are_not_needed_are_not_read(tmp_path):
    trace = tmp_path / "ran"
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **(synthetic_arrays() | {"part2num": np.array(Trap(trace), dtype=object)}))
    smplx.load_smplx("neutral", tmp_path)
    assert not trace.exists()


def test_an_obj_without_texture_is_refused(folder, tmp_path):
    body = smplx.load_smplx("male", folder)
    for text in ("v 0 0 0\nf 1 1 1", "", "v 0 0 0\nvt 0 0\nf 1/1 1/2 1/1", "v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1 1/1"):
        (tmp_path / "bad.obj").write_text(text)
        with pytest.raises(BodyError, match="bad.obj is not a triangle mesh"):
            smplx.smplx_template(body, 64, tmp_path / "bad.obj")
    (tmp_path / "small.obj").write_text("v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1")
    with pytest.raises(BodyError, match="small.obj has 1 vertices"):
        smplx.smplx_template(body, 64, tmp_path / "small.obj")
