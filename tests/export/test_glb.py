"""The skinned .glb, read back by others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from glb_reader import Scene, read_glb
from synthetic_smplx import write_smplx

from nopo.avatar import Avatar
from nopo.body.kinematics import forward_kinematics
from nopo.body.open import load_open_body
from nopo.body.skeleton import JOINT_NAMES, LEAVES, NUM_JOINTS, PARENTS, joint_weights_from_bones, sum_bones_to_joints
from nopo.errors import Cancelled, ExportError
from nopo.export.glb import glb_bytes, strongest_joints, write_glb
from nopo.export.mesh import body_mesh, split_to_bones
from nopo.export.outline import follow_outline
from nopo.gaussians import Gaussians
from nopo.harmonics import rgb_to_dc
from nopo.motion import Motion, Pose
from nopo.motions import load_motion
from nopo.pipeline import in_own_proportions
from nopo.rotations import axis_angle_to_matrix

BODY = load_open_body()


def splats(means: torch.Tensor, colours: torch.Tensor, sigma: float = 0.006) -> Gaussians:
    n = len(means)
    covars = (torch.eye(3) * sigma**2).expand(n, 3, 3).contiguous()
    return Gaussians(means, covars, torch.full((n,), 0.95), rgb_to_dc(colours)[:, None])


def file_vertices() -> torch.Tensor:
    """Which vertex of the open body each vertex of a file is."""
    return torch.stack([BODY.faces.flatten(), BODY.uv_faces.flatten()], 1).unique(dim=0)[:, 0]


def four_colours(points: torch.Tensor) -> torch.Tensor:
    """Left and right, front and back, each another colour; the feet darker."""
    left, front = points[:, :1] > 0, points[:, 2:] > 0.03
    colours = torch.where(left, torch.tensor([0.8, 0.2, 0.2]), torch.tensor([0.2, 0.2, 0.8]))
    colours = torch.where(front, colours, 1 - colours)
    return torch.where(points[:, 1:2] < -0.8, 0.5 * colours, colours)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    """A painted person with proportions of his own."""
    shape = torch.zeros(BODY.num_shapes)
    shape[:3] = torch.tensor([1.0, -1.5, 1.0])
    mean = BODY.vertices()
    painted = Avatar(splats(mean, four_colours(mean)), BODY.bone_weights, BODY.rest_joints(), "test")
    return in_own_proportions(painted, BODY.rest_joints(shape))


@pytest.fixture(scope="module")
def bare() -> Avatar:
    """The mean open body, painted."""
    return Avatar(splats(BODY.mean, four_colours(BODY.mean)), BODY.bone_weights, BODY.rest_joints(), "test")


@pytest.fixture(scope="module")
def motion() -> Motion:
    return load_motion("dance")


@pytest.fixture(scope="module")
def path(avatar: Avatar, motion: Motion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_glb(avatar, tmp_path_factory.mktemp("glb") / "person.glb", motion=motion)


@pytest.fixture(scope="module")
def scene(path: Path) -> Scene:
    return read_glb(path)


def bare_glb(avatar: Avatar, path: Path, *, motion: Motion | None = None, pose: Pose | None = None) -> Scene:
    """Skeleton and motion without the seconds that clothes and a texture take."""
    texture = np.zeros((4, 4, 3), np.uint8)
    path.write_bytes(glb_bytes(body_mesh(avatar), texture, avatar.rest_joints, motion=motion, pose=pose))
    return read_glb(path)


def lbs(scene: Scene, avatar: Avatar, pose: Pose) -> np.ndarray:
    """The file's vertices and weights, posed by nopo."""
    joints, four = scene.attribute("JOINTS_0").astype(np.int64), scene.attribute("WEIGHTS_0")
    weights = torch.zeros(len(joints), NUM_JOINTS)
    weights.scatter_add_(1, torch.from_numpy(joints), torch.from_numpy(four.copy()))
    transforms = forward_kinematics(axis_angle_to_matrix(pose.rotations), avatar.rest_joints, pose.transl)
    blended = torch.einsum("vj,jik->vik", weights, transforms)
    points = torch.from_numpy(scene.attribute("POSITION").copy())
    return ((blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]).numpy()


class TestSkeleton:
    def test_has_the_joints_and_the_tree_of_smplx(self, scene: Scene):
        nodes, joints = scene.file.nodes, scene.file.skins[0].joints
        assert tuple(nodes[j].name for j in joints) == JOINT_NAMES
        for j, parent in enumerate(PARENTS):
            if parent >= 0:
                assert joints[j] in nodes[joints[parent]].children
        assert all(not nodes[joints[j]].children for j in LEAVES)

    def test_stands_where_the_avatar_does_and_binds_there(self, scene: Scene, avatar: Avatar):
        world = scene.joint_matrices()
        assert np.abs(world[:, :3, 3] - avatar.rest_joints.numpy()).max() < 1e-5
        assert np.abs(world @ scene.inverse_binds - np.eye(4)).max() < 1e-5

    def test_every_vertex_has_four_weights_that_sum_to_one(self, scene: Scene):
        weights, joints = scene.attribute("WEIGHTS_0"), scene.attribute("JOINTS_0")
        assert weights.shape == joints.shape == (len(scene.attribute("POSITION")), 4)
        assert np.abs(weights.sum(1) - 1).max() < 1e-5 and weights.min() >= 0
        assert joints.max() < NUM_JOINTS and (joints[weights == 0] == 0).all()

    def test_four_joints_are_enough_for_the_open_body(self):
        joints, weights = strongest_joints(BODY.joint_weights)
        kept = torch.zeros_like(BODY.joint_weights).scatter_add(1, joints, weights)
        assert (kept - BODY.joint_weights).abs().sum(1).mean() < 5e-3


class TestAnimation:
    @pytest.mark.parametrize("key", [0, 17, 40])
    def test_moves_as_nopo_does(self, scene: Scene, avatar: Avatar, motion: Motion, key: int):
        posed = scene.posed(key)
        assert np.abs(posed - lbs(scene, avatar, motion[key])).max() < 1e-4
        assert np.abs(posed - scene.posed()).max() > 0.1

    def test_has_the_motions_pace_and_closes_a_loop(self, scene: Scene, avatar: Avatar, motion: Motion):
        assert motion.loop
        assert np.allclose(scene.key_times, np.arange(len(motion) + 1) / motion.fps, atol=1e-5)
        assert np.abs(scene.posed(len(motion)) - scene.posed(0)).max() < 1e-5

    def test_turns_never_the_long_way_round(self, avatar: Avatar, tmp_path: Path):
        angles = torch.linspace(0, 4 * torch.pi, 41)  # beyond pi, where a quaternion's sign flips
        rotations = torch.zeros(len(angles), NUM_JOINTS, 3)
        rotations[:, 0, 1] = torch.remainder(angles + torch.pi, 2 * torch.pi) - torch.pi
        rotations[:, 20, 0] = angles
        spin = Motion(rotations, torch.zeros(len(angles), 3), 10.0)
        scene = bare_glb(avatar, tmp_path / "spin.glb", motion=spin)
        tracks = scene.tracks()
        assert set(tracks) == {("pelvis", "rotation"), ("left_wrist", "rotation"), ("pelvis", "translation")}
        for (_, what), values in tracks.items():
            if what == "rotation":
                assert np.abs(np.linalg.norm(values, axis=1) - 1).max() < 1e-5
                assert ((values[1:] * values[:-1]).sum(1) > 0).all()
        assert np.abs(scene.posed(33) - lbs(scene, avatar, spin[33])).max() < 1e-4

    def test_a_pose_is_how_the_skeleton_stands(self, avatar: Avatar, motion: Motion, tmp_path: Path):
        pose = Pose(motion[9].rotations, torch.tensor([0.3, 0.1, -0.2]))
        scene = bare_glb(avatar, tmp_path / "posed.glb", pose=pose)
        assert not scene.file.animations
        assert np.abs(scene.posed() - lbs(scene, avatar, pose)).max() < 1e-4

    def test_a_motion_returns_joints_that_the_pose_turned(self, avatar: Avatar, tmp_path: Path):
        pose = Pose(0.3 * torch.ones(NUM_JOINTS, 3), torch.zeros(3))
        still = Motion(torch.zeros(2, NUM_JOINTS, 3), torch.zeros(2, 3), 30.0)
        scene = bare_glb(avatar, tmp_path / "still.glb", pose=pose, motion=still)
        assert np.abs(scene.posed(1) - scene.attribute("POSITION")).max() < 1e-5


class TestSurface:
    def test_other_programs_see_a_person_in_metres_upright_and_facing_z(self, path: Path, avatar: Avatar):
        mesh = trimesh.load(path, force="mesh")
        low, high = mesh.bounds
        assert high[1] - low[1] == pytest.approx(float(np.ptp(avatar.gaussians.means[:, 1].numpy())), abs=0.03)
        assert high[0] - low[0] > 1.4
        feet = mesh.vertices[mesh.vertices[:, 1] < low[1] + 0.05]
        ankle = avatar.rest_joints[JOINT_NAMES.index("left_ankle"), 2]
        assert feet[:, 2].max() - ankle > 0.08 > ankle - feet[:, 2].min()  # toes are in front
        assert mesh.volume > 0.03  # triangles turn their outside outwards
        assert mesh.visual.material.baseColorTexture.size == (1024, 1024)

    def test_unlit_and_self_contained(self, scene: Scene):
        material = scene.file.materials[0]
        assert "KHR_materials_unlit" in material.extensions and material.pbrMetallicRoughness.metallicFactor == 0
        assert not scene.file.extensionsRequired and scene.file.buffers[0].uri is None
        assert scene.file.asset.extras == {"model": "test"}

    def test_shows_the_avatars_colours_where_they_are(self, scene: Scene):
        points = BODY.mean[file_vertices()]
        inside = (
            (points[:, 0].abs() > 0.03) & ((points[:, 2] - 0.03).abs() > 0.02) & ((points[:, 1] + 0.8).abs() > 0.03)
        )
        error = np.abs(scene.vertex_colours() - four_colours(points).numpy()).max(1)[inside]
        assert np.quantile(error, 0.95) < 0.04

    def test_has_no_seams_of_another_colour(self, avatar: Avatar, tmp_path: Path):
        red = rgb_to_dc(torch.tensor([0.7, 0.3, 0.2])).expand_as(avatar.gaussians.sh).contiguous()
        plain = replace(avatar, gaussians=replace(avatar.gaussians, sh=red))
        texture = read_glb(write_glb(plain, tmp_path / "red.glb")).texture()
        assert np.abs(texture - [0.7, 0.3, 0.2]).max() < 0.03

    def test_the_outer_layer_hides_the_inner_one(self, bare: Avatar, tmp_path: Path):
        normals = body_mesh(bare).normals
        green, black = (torch.tensor(c).expand(len(BODY.mean), 3) for c in ([0.1, 0.8, 0.1], [0.0, 0.0, 0.0]))
        layers = [splats(BODY.mean - 0.004 * normals, black), splats(BODY.mean + 0.006 * normals, green, 0.01)]
        worn = replace(bare, gaussians=Gaussians.cat(layers), bone_weights=torch.cat([bare.bone_weights] * 2))
        colours = read_glb(write_glb(worn, tmp_path / "worn.glb")).vertex_colours()
        skin = BODY.part("skin")[file_vertices()].numpy()
        assert np.quantile(np.abs(colours - [0.1, 0.8, 0.1]).max(1)[skin], 0.95) < 0.1

    def test_a_photos_colours_arrive(self, tmp_path: Path):
        from nopo.pipeline import Pipeline

        photos = Path(__file__).resolve().parents[2] / "examples" / "photos"
        avatar = Pipeline.load("open", "cpu").reconstruct([photos / "luca" / "1.jpg"])
        scene = read_glb(write_glb(avatar, tmp_path / "luca.glb"))
        points, colours = scene.attribute("POSITION"), scene.vertex_colours()
        front = scene.attribute("NORMAL")[:, 2] > 0.7
        chest = front & (np.abs(points[:, 0]) < 0.12) & (points[:, 1] > 0.1) & (points[:, 1] < 0.35)
        thighs = front & (points[:, 1] > -0.45) & (points[:, 1] < -0.2)
        # As the pixels (330, 330) and (320, 520) of the photo show: a lavender shirt, rust-red trousers.
        assert np.abs(np.median(colours[chest], 0) - [0.73, 0.68, 0.93]).max() < 0.12
        assert np.abs(np.median(colours[thighs], 0) - [0.38, 0.15, 0.05]).max() < 0.12


class TestOutline:
    def test_follows_thick_clothes_but_leaves_hands_and_face(self, bare: Avatar):
        mesh = body_mesh(bare)
        coat = replace(bare, gaussians=replace(bare.gaussians, means=BODY.mean + 0.03 * mesh.normals))
        off = self.moved(coat)
        thigh = mesh.joint_weights[:, [JOINT_NAMES.index("left_hip"), JOINT_NAMES.index("right_hip")]].sum(1) > 0.9
        outside = thigh & (mesh.vertices[:, 0].abs() > 0.15)
        assert off[outside].median() == pytest.approx(0.03, abs=0.006)
        assert off[BODY.part("hands")].abs().quantile(0.9) < 0.007
        assert off[BODY.part("lips")].abs().max() < 0.002

    def test_stays_on_a_bare_body(self, bare: Avatar):
        off = self.moved(bare).abs()
        assert off.median() < 0.003 and off.quantile(0.95) < 0.015

    def test_ignores_what_floats_about(self, bare: Avatar):
        torch.manual_seed(0)
        dirt = torch.rand(300, 3) * 2 - 1
        cloud = Gaussians.cat([bare.gaussians, splats(dirt, dirt.abs())])
        dirty = replace(bare, gaussians=cloud, bone_weights=torch.cat([bare.bone_weights, bare.bone_weights[:300]]))
        assert self.moved(dirty).abs().quantile(0.95) < 0.015

    @staticmethod
    def moved(avatar: Avatar) -> torch.Tensor:
        """[V] how far the mesh moves out of the bare body, metres."""
        mesh = body_mesh(avatar)
        dressed = follow_outline(
            mesh, avatar.rest_joints, avatar.gaussians, joint_weights_from_bones(avatar.bone_weights)
        )
        return ((dressed.vertices - mesh.vertices) * mesh.normals).sum(-1)


class TestSmplx:
    def test_without_the_users_files_one_sentence_says_what_to_do(
        self, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        pytest.importorskip("smplx")
        monkeypatch.setenv("NOPO_SMPLX", str(tmp_path))
        with pytest.raises(ExportError, match="SMPL-X.*register at"):
            write_glb(replace(avatar, model="nopo-avatar/huge100k-1view"), tmp_path / "a.glb")
        assert not list(tmp_path.iterdir())

    def test_with_them_the_mesh_is_theirs(self, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        pytest.importorskip("smplx")
        monkeypatch.setenv("NOPO_SMPLX", str(tmp_path / "elsewhere"))
        mesh = body_mesh(replace(avatar, model="nopo-avatar/huge100k-1view"), write_smplx(tmp_path))
        own = body_mesh(avatar)
        assert torch.equal(mesh.faces, own.faces) and torch.allclose(mesh.uvs, own.uvs, atol=1e-4)
        assert (mesh.vertices - own.vertices).norm(dim=-1).median() < 0.01

    def test_weights_split_to_bones_sum_up_again(self):
        bones = split_to_bones(BODY.mean, BODY.rest_joints(), BODY.joint_weights)
        assert torch.allclose(sum_bones_to_joints(bones), BODY.joint_weights, atol=1e-5)
        assert (bones - BODY.bone_weights).abs().sum(1).median() < 0.2


def test_a_cancelled_or_impossible_export_leaves_nothing(avatar: Avatar, tmp_path: Path):
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "texture" and done:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        write_glb(avatar, tmp_path / "a.glb", progress=stop)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"b\.glb cannot be written"):
        write_glb(avatar, tmp_path / "file" / "b.glb")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_gaussians_that_are_no_numbers_are_left_out(bare: Avatar, tmp_path: Path):
    broken = bare.gaussians.means.clone()
    broken[::50] = torch.nan
    scene = read_glb(write_glb(replace(bare, gaussians=replace(bare.gaussians, means=broken)), tmp_path / "broken.glb"))
    assert np.isfinite(scene.attribute("POSITION")).all()


def test_nobody_cannot_be_exported(tmp_path: Path):
    empty = Avatar(splats(torch.zeros(0, 3), torch.zeros(0, 3)), torch.zeros(0, 69), BODY.rest_joints(), "test")
    with pytest.raises(ExportError, match="nothing that can be seen"):
        write_glb(empty, tmp_path / "nobody.glb")
