"""The rigged archive: somebody who has only the .zip, numpy and its README gets what nopo draws."""

import io
import json
import textwrap
import zipfile

import numpy as np
import pytest
import torch
from plyfile import PlyData

from nopo.articulate import articulate
from nopo.body.skeleton import JOINT_NAMES, PARENTS
from nopo.errors import Cancelled, ExportError
from nopo.export.formats import export
from nopo.motion import Motion
from nopo.motions import load_motion


def program_of(readme: str) -> str:
    """The indented lines of a README."""
    return "\n".join(textwrap.dedent(line) if not line.startswith("     ") else line[4:]
                     for line in readme.splitlines() if line.startswith("    "))  # fmt: skip


@pytest.fixture(scope="module")
def motion(person) -> Motion:
    whole = load_motion("dance", rest_joints=person.rest_joints)
    return Motion(whole.rotations[20:22], whole.transl[20:22], whole.fps)


def test_the_readme_skins(tmp_path, person, motion, monkeypatch):
    path = export(person, tmp_path / "person.zip", format="rigged", motion=motion)
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        exec(program_of(archive.read("README.txt").decode()), names)
    posed = articulate(person, motion[0], stretch=False)
    assert np.abs(names["means"] - posed.means[7:].numpy()).max() < 1e-5
    truth = posed.covars[7:].double().numpy()
    error = np.linalg.norm(names["covars"] - truth, axis=(1, 2)) / np.linalg.norm(truth, axis=(1, 2))
    assert error.max() < 1e-4
    assert np.abs(names["means"] - person.gaussians.means[7:].numpy()).max() > 0.2, "something moved"


def test_without_a_motion_the_readme_gives_the_bind_pose(tmp_path, person, monkeypatch):
    path = export(person, tmp_path / "still.zip", format="rigged")
    monkeypatch.chdir(tmp_path)
    names: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        exec(program_of(archive.read("README.txt").decode()), names)
    assert np.abs(names["means"] - person.gaussians.means[7:].numpy()).max() < 1e-6


def test_contents(tmp_path, person, motion):
    path = export(person, tmp_path / "person.zip", format="rigged", motion=motion)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        skeleton = json.loads(archive.read("skeleton.json"))
        listed = {line.split()[0] for line in archive.read("README.txt").decode().splitlines()[2:14]}
        assert listed | {"README.txt"} == set(archive.namelist())
    rig = np.load(path)
    assert tuple(rig["joint_names"]) == JOINT_NAMES and tuple(rig["joint_parents"]) == PARENTS
    assert [joint["name"] for joint in skeleton["joints"]] == list(JOINT_NAMES)
    assert np.allclose([joint["position"] for joint in skeleton["joints"]], person.rest_joints)
    assert rig["motion_fps"] == motion.fps and skeleton["motion"]["frames"] == 2
    assert np.array_equal(rig["bone_weights"], person.bone_weights[7:].numpy())
    assert np.allclose(rig["joint_weights"].sum(1), 1, atol=1e-5)
    summed = np.zeros_like(rig["joint_weights"])
    np.add.at(summed.T, rig["bone_joints"], rig["bone_weights"].T)
    assert (summed.argmax(1) == rig["joint_weights"].argmax(1)).mean() > 0.99
    assert np.allclose(rig["bind_pose"][:, :3, 3], person.rest_joints)


def test_ply_sequence(tmp_path, person, motion):
    told = []

    def tell(*step):
        told.append(step)

    path = export(person, tmp_path / "s.zip", format="ply-sequence", motion=motion, y_down=True, progress=tell)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["sequence.json", "frame_000000.ply", "frame_000001.ply"]
        about = json.loads(archive.read("sequence.json"))
        assert about["fps"] == motion.fps and about["up"] == "-y"
        for number in range(2):
            vertex = PlyData.read(io.BytesIO(archive.read(f"frame_{number:06d}.ply")))["vertex"]
            truth = articulate(person, motion[number]).means[7:].numpy() * [1, -1, -1]
            assert np.abs(np.stack([vertex["x"], vertex["y"], vertex["z"]], 1) - truth).max() < 1e-6
    assert told == [("export", 0, 2), ("export", 1, 2), ("export", 2, 2)]


def test_a_sequence_that_would_fill_the_disk(tmp_path, person, motion, monkeypatch):
    def long(frames: int) -> Motion:
        return Motion(torch.zeros(frames, 55, 3), torch.zeros(frames, 3), 30)

    with pytest.raises(ExportError, match="1001 frames are more than the 1000"):
        export(person, tmp_path / "s.zip", format="ply-sequence", motion=long(1001))
    monkeypatch.setattr("nopo.export.ply_sequence.MAX_BYTES", 1_000_000)
    with pytest.raises(ExportError, match="20 frames of 0 MB are more than"):
        export(person, tmp_path / "s.zip", format="ply-sequence", motion=long(20))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["rigged", "ply-sequence"])
def test_cancel_leaves_nothing(tmp_path, person, motion, format):
    def cancel(stage, done, total):
        if done == 1:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        export(person, tmp_path / "person.zip", format=format, motion=motion, progress=cancel)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["rigged", "ply-sequence"])
def test_nobody(tmp_path, ghost, motion, format):
    with pytest.raises(ExportError, match="nothing that can be seen"):
        export(ghost, tmp_path / "ghost.zip", format=format, motion=motion)
    assert not list(tmp_path.iterdir())
