"""The published models' way through the project: SMPL-X template, cards, proportions; on a small network of theirs."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_smplx import LONGER_LEGS, write_smplx

from nopo.articulate import Articulator, warp_shape
from nopo.avatar import Avatar
from nopo.body.betas import rest_joints_of
from nopo.body.kinematics import move_points
from nopo.body.smplx import load_smplx
from nopo.cli import main
from nopo.encode import ModelConfig, Network, load_network, save_network
from nopo.errors import BodyError, NopoError
from nopo.export.formats import FORMATS
from nopo.models import MODELS
from nopo.motions import load_motion
from nopo.pipeline import Pipeline

SIZE = 64


@pytest.fixture(scope="module")
def smplx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("smplx")
    return write_smplx(tmp_path_factory.mktemp("smplx"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original's architecture, small and untrained: its template is a grey person."""
    torch.manual_seed(0)
    config = replace(
        ModelConfig.vitl(SIZE), encoder_width=64, encoder_layers=2, decoder_width=64, decoder_layers=3,
        hooks=(0, 1, 2, 3), dpt_levels=(8, 8, 16, 16), dpt_trunk=16, merge_width=16, points_hidden=8,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_network(Network(config), path, torch.float32)
    return path


@pytest.fixture(scope="module")
def pipeline(checkpoint: Path, smplx: Path) -> Pipeline:
    return Pipeline.load(checkpoint, "cpu", smplx=smplx)


@pytest.fixture(scope="module")
def avatar(pipeline: Pipeline, cutout_photo: Path) -> Avatar:
    return pipeline.reconstruct([cutout_photo])


@pytest.fixture(scope="module")
def betas_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    betas = np.zeros(16)
    betas[LONGER_LEGS] = 0.2
    path = tmp_path_factory.mktemp("motion") / "walk.npz"
    np.savez(path, betas=betas, gender=np.array("neutral"), poses=np.zeros((4, 165)), trans=np.zeros((4, 3)),
             mocap_frame_rate=20.0)  # fmt: skip
    return path


def test_the_template_is_that_of_the_males_smplx_file(pipeline: Pipeline, smplx: Path) -> None:
    body = load_smplx("male", smplx)
    assert pipeline.template_joints is not None
    assert torch.equal(pipeline.template_joints, body.rest_joints())
    assert torch.equal(pipeline.template.positions, body.template(SIZE).positions)
    assert list(smplx.glob(f"template_{SIZE}_*.npz")), "made on first use, and kept"


def test_an_avatar_has_the_templates_proportions_unless_its_own_are_given(
    pipeline: Pipeline, avatar: Avatar, cutout_photo: Path
) -> None:
    assert pipeline.template_joints is not None
    assert torch.equal(avatar.rest_joints, pipeline.template_joints)
    own = avatar.rest_joints * torch.tensor([1.0, 1.1, 1.0])
    shaped = pipeline.reconstruct([cutout_photo], rest_joints=own)
    expected = warp_shape(avatar.gaussians, avatar.bone_weights, avatar.rest_joints, own, leaf_bones="identity")
    assert torch.equal(shaped.rest_joints, own) and torch.equal(shaped.gaussians.means, expected.means)
    assert torch.equal(Articulator(avatar, own).canonical.means, expected.means)


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda model: model.name)
def test_photos_are_framed_as_the_card_says(
    model, checkpoint: Path, smplx: Path, cutout_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setenv("NOPO_WEIGHTS", str(tmp_path))
    (tmp_path / model.files[0]).write_bytes(checkpoint.read_bytes())
    caplog.set_level(logging.WARNING, "nopo")  # the command line may have set another
    pipeline = Pipeline.load(model.name, "cpu", smplx=smplx)
    views = pipeline.preprocess([cutout_photo] * model.views).views
    assert views.images.shape == (model.views, 3, *model.frame_size)
    assert torch.equal(views.images[0, :, 0, 0], torch.full((3,), model.background))
    assert not caplog.text
    pipeline.preprocess([cutout_photo] * 2)
    assert f"{model.name} was trained for " in caplog.text


def test_another_card_may_be_given_and_a_converted_file_keeps_its_own(
    checkpoint: Path, smplx: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    assert pipeline.card.frame_size == (SIZE, SIZE)
    white = replace(pipeline.card, background=1.0, frame_size=(96, 64))
    assert Pipeline.load(checkpoint, "cpu", smplx=smplx, card=white).card is white
    save_network(
        load_network(checkpoint), tmp_path / "renamed.safetensors", metadata={"converted_from": MODELS[4].file}
    )
    assert Pipeline.load(tmp_path / "renamed.safetensors", "cpu", smplx=smplx).card is MODELS[4]


def test_without_smplx_one_sentence(checkpoint: Path, tmp_path: Path, capsys, cutout_photo: Path) -> None:
    args = ["reconstruct", str(cutout_photo), "-o", str(tmp_path / "o"), "--model", str(checkpoint), "--quiet"]
    assert main([*args, "--smplx", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("nopo: There is no SMPLX_MALE.npz: register at https://smpl-x.is.tue.mpg")


def test_bfloat16_is_for_cuda(checkpoint: Path, smplx: Path) -> None:
    with pytest.raises(NopoError, match="bfloat16 is for CUDA"):
        Pipeline.load(checkpoint, "cpu", smplx=smplx, bf16=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_bfloat16_says_nearly_the_same(checkpoint: Path, smplx: Path, avatar: Avatar, cutout_photo: Path) -> None:
    half = Pipeline.load(checkpoint, "cuda", smplx=smplx, bf16=True).reconstruct([cutout_photo])
    assert half.gaussians.means.dtype == torch.float32
    assert (half.gaussians.means - avatar.gaussians.means).abs().mean() < 0.01


def test_betas_of_a_motion_make_the_legs_longer(smplx: Path, betas_file: Path, tmp_path: Path) -> None:
    rest = load_smplx("neutral", smplx).rest_joints()
    joints = rest_joints_of(betas_file, smplx)
    legs = rest[7, 1] - rest[1, 1]  # left ankle below the left hip
    assert (joints[7, 1] - joints[1, 1]) / legs > 1.1

    frames = tmp_path / "frames"
    frames.mkdir()
    for name, value in (("000.json", 0.2), ("001.json", 0.0)):
        (frames / name).write_text(json.dumps({"betas": [value] + [0.0] * 9, "trans": [0, 0, 0]}))
    assert torch.allclose(rest_joints_of(frames, smplx), joints)
    assert torch.allclose(rest_joints_of(frames / "001.json", smplx), rest, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"trans": [0]}', "walk.json has no betas; give a file that has"),
        ('{"betas": "tall"}', "walk.json cannot be read"),
        ('{"betas": []}', "walk.json has betas that are no SMPL-X shape"),
        ('{"betas": [NaN]}', "walk.json has betas that are no SMPL-X shape"),
        ("12", "walk.json cannot be read"),
        ("hello", "walk.json cannot be read"),
        ("PK", "walk.json cannot be read"),
    ],
)
def test_files_without_betas(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "walk.json").write_text(content)
    with pytest.raises(BodyError, match=f"^{sentence}"):
        rest_joints_of(tmp_path / "walk.json", tmp_path)
    with pytest.raises(BodyError, match="holds no .json frames"):
        (tmp_path / "empty").mkdir()
        rest_joints_of(tmp_path / "empty", tmp_path)


def test_the_command_line_from_photo_to_motion(
    checkpoint: Path, smplx: Path, cutout_photo: Path, betas_file: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("NOPO_SMPLX", str(smplx))
    out = tmp_path / "out"
    args = ["reconstruct", str(cutout_photo), "-o", str(out), "--model", str(checkpoint), "--size", "64", "--quiet"]
    assert main([*args, "--frames", "2"]) == 0
    saved = out / "avatar.safetensors"
    assert Avatar.load(saved).model == "nopo-avatar"
    videos = []
    for betas in ([], ["--betas", str(betas_file)]):
        animate = ["animate", str(saved), "--motion", str(betas_file), "-o", str(tmp_path / "a.mp4"), "--size", "64"]
        assert main([*animate, *betas, "--quiet"]) == 0
        videos.append((tmp_path / "a.mp4").read_bytes())
    assert videos[0] != videos[1], "betas change the proportions, when they are asked for"


def frames_folder(folder: Path) -> Path:
    """Three frames of SMPL-X parameters in which the right arm comes down."""
    folder.mkdir()
    for frame in range(3):
        body_pose = np.zeros((21, 3))
        body_pose[16, 2] = 0.5 * frame  # joint 17, the right shoulder
        parameters = {
            "betas": [0.0] * 10, "trans": [0.0, 0.0, 3.0],
            "root_pose": [math.pi, 0.0, 0.0], "body_pose": body_pose.tolist(),
            "jaw_pose": [0.0] * 3, "leye_pose": [0.0] * 3, "reye_pose": [0.0] * 3,
            "lhand_pose": [[0.0] * 3] * 15, "rhand_pose": [[0.0] * 3] * 15,
            "img_size_wh": [640, 896], "focal": [1120, 1120], "princpt": [320, 448],
        }  # fmt: skip
        (folder / f"{frame:05d}.json").write_text(json.dumps(parameters))
    return folder


def test_an_avatar_on_smplx_takes_the_rotations_of_smplx_files_as_they_are(avatar: Avatar, tmp_path: Path) -> None:
    path = frames_folder(tmp_path / "frames")
    bent = np.zeros((21, 3))
    bent[[0, 3], :] = [[-0.7, 0.2, 0.1], [0.9, 0.1, -0.2]]  # left hip and knee, the knee not quite about its hinge
    for file in path.iterdir():
        file.write_text(json.dumps(json.loads(file.read_text()) | {"body_pose": bent.tolist()}))
    longer = avatar.rest_joints * torch.tensor([1.0, 1.1, 1.0])
    motion = load_motion(path, rest_joints=longer, on_smplx=avatar.on_smplx)
    assert motion.fps == 20
    torch.testing.assert_close(motion.rotations[:, 1:22], torch.from_numpy(bent).float().expand(3, 21, 3))
    place = move_points(Articulator(avatar, longer).transforms(motion.rotations, motion.transl), longer)
    assert (place[:, [7, 8, 10, 11], 1].amin(1) - longer[[7, 8, 10, 11], 1].min()).abs().max() < 0.05, "on the floor"


def test_the_command_line_plays_them_as_they_are(avatar: Avatar, tmp_path: Path, monkeypatch) -> None:
    from nopo.commands import animate

    avatar.save(tmp_path / "avatar.safetensors")
    seen = {}

    def note(name: str, **options: object) -> None:
        seen.update(options)
        raise NopoError("seen")

    monkeypatch.setattr(animate, "load_motion", note)
    main(
        ["animate", str(tmp_path / "avatar.safetensors"), "--motion", "walk", "-o", str(tmp_path / "a.mp4"), "--quiet"]
    )
    assert seen["on_smplx"] is True


@pytest.mark.parametrize("kind", ["json", "npz"])
def test_either_body_moves_by_either_kind_of_file(
    kind: str, avatar: Avatar, body_avatar: Avatar, tmp_path: Path
) -> None:
    path = frames_folder(tmp_path / "frames")
    if kind == "npz":
        poses = np.zeros((3, 165))
        poses[:, 0] = math.pi / 2  # AMASS is z up
        poses[:, 3 * 17 + 2] = [0.0, 0.5, 1.0]
        path = tmp_path / "amass.npz"
        np.savez(path, poses=poses, trans=np.zeros((3, 3)), betas=np.zeros(16), mocap_frame_rate=30.0, gender="neutral")
    for person in (avatar, body_avatar):
        motion = load_motion(path, rest_joints=person.rest_joints)
        transforms = Articulator(person).transforms(motion.rotations, motion.transl)
        joints = move_points(transforms, person.rest_joints)  # [3, 55, 3]
        wrist, head = joints[:, 21, 1], joints[:, 15, 1]
        assert len(motion) == 3 and (wrist.diff() < -0.1).all(), "the arm comes down"
        assert (head > wrist + 0.1).all() and (wrist > joints[:, 7, 1] + 0.2).all(), "upright"


def test_prepare_template(smplx: Path, tmp_path: Path, capsys) -> None:
    prepare = ["prepare", "template", "--smplx", str(smplx), "--uv", str(smplx / "smplx_uv.obj"), "--size", "256"]
    assert main(prepare) == 0
    assert len(list(smplx.glob("template_256_*.npz"))) == 1
    assert main([*prepare[:-1], "256", "--uv", str(tmp_path / "none.obj")]) == 2
    assert "nopo: There is no none.obj: download the UV map" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main([*prepare[:-1], "100"])
    assert stopped.value.code == 2


def test_export_rewrites_a_checkpoint(checkpoint: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "model.safetensors"
    assert main(["export", str(checkpoint), "-o", str(out)]) == 0
    before, after = (load_network(path).state_dict() for path in (checkpoint, out))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    for target, sentence in (
        (tmp_path / "model.ply", "small.safetensors is not a nopo avatar"),
        (checkpoint, "small.safetensors is the checkpoint itself; give another name."),
    ):
        assert main(["export", str(checkpoint), "-o", str(target)]) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("key", ["ply", "compressed-ply", "splat", "spz", "sog", "rigged", "glb"])
def test_a_published_avatar_goes_into_every_kind_of_file(
    key: str, avatar: Avatar, smplx: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("NOPO_SMPLX", str(smplx))
    avatar.save(tmp_path / "avatar.safetensors")
    out = tmp_path / f"out{FORMATS[key].suffix}"
    assert main(["export", str(tmp_path / "avatar.safetensors"), str(out), "--format", key, "--quiet"]) == 0
    assert out.stat().st_size > 1000


def test_the_front_of_the_avatar_is_a_person(pipeline: Pipeline, avatar: Avatar) -> None:
    frame = pipeline.view(avatar, size=96, pose="t", background=(1.0, 1.0, 1.0))
    inked = (frame < 250).any(2)
    rows, columns = (np.flatnonzero(inked.any(axis)) for axis in (1, 0))
    assert np.ptp(columns) > 0.8 * np.ptp(rows), "arms spread"
