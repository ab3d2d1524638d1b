import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nopo.avatar import Avatar, is_avatar
from nopo.errors import AvatarError, ExportError
from nopo.gaussians import Gaussians


def avatar(n: int = 50) -> Avatar:
    random = torch.Generator().manual_seed(0)
    roots = torch.randn(n, 3, 3, generator=random)
    gaussians = Gaussians(
        torch.randn(n, 3, generator=random),
        roots @ roots.mT * 1e-4,
        torch.rand(n, generator=random),
        torch.randn(n, 4, 3, generator=random),
    )
    weights = torch.rand(n, 69, generator=random).softmax(1)
    return Avatar(gaussians, weights, torch.randn(55, 3, generator=random), "open")


def test_saving_and_loading_gives_equal_bits(tmp_path: Path) -> None:
    before = avatar()
    before.save(tmp_path / "amy.safetensors")
    after = Avatar.load(tmp_path / "amy.safetensors")
    assert after.model == "open"
    for field in ("means", "covars", "opacities", "sh"):
        assert torch.equal(getattr(before.gaussians, field), getattr(after.gaussians, field))
    assert torch.equal(before.bone_weights, after.bone_weights)
    assert torch.equal(before.rest_joints, after.rest_joints)
    assert [path.name for path in tmp_path.iterdir()] == ["amy.safetensors"]


def test_weights_that_are_zero_take_no_room_and_come_back(tmp_path: Path) -> None:
    dense = avatar(500)
    dense.save(tmp_path / "dense.safetensors")
    weights = torch.where(dense.bone_weights.argsort(1).argsort(1) > 64, dense.bone_weights, 0.0)  # four of each
    weights[7] = torch.eye(69)[68]
    sparse = Avatar(dense.gaussians, weights, dense.rest_joints, "open")
    sparse.save(tmp_path / "sparse.safetensors")
    assert torch.equal(Avatar.load(tmp_path / "sparse.safetensors").bone_weights, weights)
    small, large = (path.stat().st_size for path in (tmp_path / "sparse.safetensors", tmp_path / "dense.safetensors"))
    assert small < 0.45 * large
    assert is_avatar(tmp_path / "sparse.safetensors")


def _written(path: Path, form: str, **changes: torch.Tensor) -> Path:
    good = avatar()
    g = good.gaussians
    tensors = {
        "means": g.means,
        "covars": g.covars,
        "opacities": g.opacities,
        "sh": g.sh,
        "rest_joints": good.rest_joints,
    }
    save_file(tensors | changes, path, metadata={"nopo": json.dumps({"format": form, "model": "open"})})
    return path


def test_files_of_the_first_format_are_still_read(tmp_path: Path) -> None:
    old = _written(tmp_path / "old.safetensors", "nopo-avatar/1", bone_weights=avatar().bone_weights)
    assert torch.equal(Avatar.load(old).bone_weights, avatar().bone_weights) and is_avatar(old)


@pytest.mark.parametrize(
    ("counts", "index", "shares", "last"),
    [(2, 99, 100, 68), (2, 100, 99, 68), (2, 100, 100, 69), (2, 100, 100, 255), (255, 50 * 255, 50 * 255, 68)],
    ids=["an index short", "a share short", "a bone that is none", "nor is this one", "more than there are bones"],
)
def test_packed_weights_that_do_not_fit_together(
    tmp_path: Path, counts: int, index: int, shares: int, last: int
) -> None:
    bones = torch.arange(index).remainder(69).to(torch.uint8)
    bones[-1] = last
    bad = _written(
        tmp_path / "bad.safetensors",
        "nopo-avatar/2",
        bone_counts=torch.full((50,), counts, dtype=torch.uint8),
        bone_index=bones,
        bone_shares=torch.full((shares,), 0.5),
    )
    with pytest.raises(AvatarError, match="^bad.safetensors is damaged"):
        Avatar.load(bad)


def test_a_saved_avatar_may_be_read_by_whom_other_files_may(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    avatar().save(tmp_path / "amy.safetensors")
    assert (tmp_path / "amy.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_cannot_be_written_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "amy.safetensors"
    path.write_text("older")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a full disk
    try:
        with pytest.raises(ExportError, match="^amy.safetensors cannot be written"):
            avatar().save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "older" and [each.name for each in tmp_path.iterdir()] == [path.name]


def test_files_that_are_no_avatars(tmp_path: Path) -> None:
    with pytest.raises(AvatarError, match="^There is no avatar file none.safetensors"):
        Avatar.load(tmp_path / "none.safetensors")

    avatar().save(tmp_path / "cut.safetensors")
    whole = (tmp_path / "cut.safetensors").read_bytes()
    for length in (0, 5, 300, len(whole) - 7):
        (tmp_path / "cut.safetensors").write_bytes(whole[:length])
        with pytest.raises(AvatarError, match="^cut.safetensors is damaged"):
            Avatar.load(tmp_path / "cut.safetensors")

    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(AvatarError, match="^other.safetensors is not a nopo avatar"):
        Avatar.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    "wrong",
    [
        {"covars": torch.zeros(2, 6)},
        {"means": torch.tensor(0.0)},
        {"bone_counts": torch.ones(50, 2, dtype=torch.uint8)},
        {"bone_counts": torch.tensor(1, dtype=torch.uint8)},
        {"rest_joints": torch.zeros(24, 3)},
    ],
    ids=["flat covariances", "one number for all places", "counts in pairs", "one count", "joints of SMPL"],
)
def test_tensors_of_wrong_shapes_are_damage(tmp_path: Path, wrong: dict[str, torch.Tensor]) -> None:
    packed = {
        "bone_counts": torch.full((50,), 2, dtype=torch.uint8),
        "bone_index": torch.zeros(100, dtype=torch.uint8),
        "bone_shares": torch.full((100,), 0.5),
    }
    bad = _written(tmp_path / "bad.safetensors", "nopo-avatar/2", **packed | wrong)
    with pytest.raises(AvatarError, match="^bad.safetensors is damaged"):
        Avatar.load(bad)


def test_a_file_that_says_other_things_of_itself_is_no_avatar(tmp_path: Path) -> None:
    path = tmp_path / "list.safetensors"
    save_file({"x": torch.zeros(3)}, path, metadata={"nopo": "[1, 2]"})
    with pytest.raises(AvatarError, match="^list.safetensors is not a nopo avatar"):
        Avatar.load(path)
    assert not is_avatar(path)


def test_wrong_shapes_are_refused() -> None:
    good = avatar()
    with pytest.raises(AvatarError, match=r"bone_weights \(50, 69\)"):
        Avatar(good.gaussians, good.bone_weights[:-1], good.rest_joints, "open")
    with pytest.raises(AvatarError, match=r"rest_joints \(55, 3\)"):
        Avatar(good.gaussians, good.bone_weights, good.rest_joints[:24], "open")
