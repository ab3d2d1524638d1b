"""The facade and `nopo export`: the right writer, or one sentence that says what to do."""

import numpy as np
import pytest
from splat_readers import read_ply

from nopo.articulate import articulate
from nopo.avatar import Avatar
from nopo.cli import main
from nopo.errors import ExportError
from nopo.export.formats import FORMATS, export, format_of
from nopo.motion import Motion, Pose
from nopo.motions import load_motion


def test_names_say_the_format():
    for name, key in {
        "a.ply": "ply", "A.PLY": "ply", "a.b.compressed.ply": "compressed-ply", "a.splat": "splat", "a.spz": "spz",
        "a.sog": "sog", "a.glb": "glb", "a.safetensors": "avatar", "a.mp4": "mp4", "a.webm": "webm", "a.gif": "gif",
    }.items():  # fmt: skip
        assert format_of(f"/some/folder.zip/{name}").key == key
    with pytest.raises(ExportError, match=r"a\.obj should end in one of \.ply, "):
        format_of("secret/a.obj")
    with pytest.raises(ExportError, match="several things.*rigged, ply-sequence, png"):
        format_of("a.zip")


def test_every_format_is_described():
    for key, each in FORMATS.items():
        assert each.key == key and each.suffix.startswith(".") and each.about.endswith(".")
        assert each.takes_motion or not each.moves
    assert len({each.label for each in FORMATS.values()}) == len(FORMATS)


@pytest.mark.parametrize("key", [key for key, each in FORMATS.items() if each.moves])
def test_moving_formats_need_a_motion(tmp_path, person, key):
    with pytest.raises(ExportError, match="needs a motion"):
        export(person, tmp_path / f"a{FORMATS[key].suffix}", format=key)
    assert not list(tmp_path.iterdir())


def test_what_a_format_does_not_take(tmp_path, person):
    motion = Motion(*(t[None] for t in (Pose.rest().rotations, Pose.rest().transl)), fps=30)
    with pytest.raises(ExportError, match="stands still"):
        export(person, tmp_path / "a.ply", motion=motion)
    with pytest.raises(ExportError, match="takes no pose"):
        export(person, tmp_path / "a.mp4", motion=motion, pose=Pose.rest())
    for key in ("rigged", "glb", "html", "avatar", "mp4", "png"):
        path, moved = tmp_path / f"a{FORMATS[key].suffix}", motion if FORMATS[key].moves else None
        with pytest.raises(ExportError, match="cannot be turned over: leave y-down out"):
            export(person, path, format=key, motion=moved, y_down=True)
        if key != "rigged":
            with pytest.raises(ExportError, match="takes no degree of harmonics"):
                export(person, path, format=key, motion=moved, sh_degree=9)
    with pytest.raises(ExportError, match="degree 0 to 3, not 9"):
        export(person, tmp_path / "a.zip", format="rigged", sh_degree=9)
    with pytest.raises(ExportError, match='no format "obj"'):
        export(person, tmp_path / "a.ply", format="obj")
    with pytest.raises(ExportError, match="a.txt should end in .ply"):
        export(person, tmp_path / "a.txt", format="ply")
    assert not list(tmp_path.iterdir())


def test_avatar_and_png(tmp_path, person):
    import zipfile

    copy = Avatar.load(export(person, tmp_path / "new" / "copy.safetensors"))
    assert (copy.gaussians.covars == person.gaussians.covars).all()
    motion = Motion(*(t[None] for t in (Pose.rest().rotations, Pose.rest().transl)), fps=30)
    path = export(person, tmp_path / "frames.zip", format="png", motion=motion)
    assert zipfile.ZipFile(path).namelist() == ["frame_000000.png"]


@pytest.fixture
def told(capsys):
    """What the command line says: its exit status and last line."""

    def run(*words) -> tuple[int, str]:
        status = main(["export", *map(str, words), *([] if "--list" in words else ["--quiet"])])
        captured = capsys.readouterr()
        return status, (captured.err or captured.out).strip()

    return run


def test_command(tmp_path, told, person):
    source = tmp_path / "person.safetensors"
    person.save(source)
    for words, pose in {
        (tmp_path / "t.ply",): Pose.rest(),
        ("-o", tmp_path / "o.ply", "--pose", "tpose"): Pose.rest(),
        (tmp_path / "r.ply", "--pose", "relaxed"): load_motion("idle", rest_joints=person.rest_joints)[0],
        (tmp_path / "w.ply", "--pose", "wave:12"): load_motion("wave", rest_joints=person.rest_joints)[12],
    }.items():
        assert told(source, *words) == (0, "")
        path = next(word for word in words if str(word).endswith(".ply"))
        assert np.abs(read_ply(path).means - articulate(person, pose).means[7:].numpy()).max() < 2e-6
    assert told(source, tmp_path / "rig.zip", "--format", "rigged", "--motion", "wave", "--fps", "10") == (0, "")
    assert np.load(tmp_path / "rig.zip")["motion_fps"] == pytest.approx(10, rel=0.05)
    assert told(source, tmp_path / "again.safetensors") == (0, "")
    assert Avatar.load(tmp_path / "again.safetensors").model == "test"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Say what to export"),
        (("AVATAR",), "Say what to export"),
        (("AVATAR", "a.obj"), "a.obj should end in one of .ply"),
        (("AVATAR", "a.zip"), "rigged, ply-sequence, png"),
        (("AVATAR", "a.mp4"), "needs a motion"),
        (("AVATAR", "a.ply", "--motion", "walk"), "choose a pose"),
        (("AVATAR", "a.ply", "--fps", "3"), "--motion"),
        (("AVATAR", "a.ply", "--pose", "sitting"), "--pose is tpose, relaxed"),
        (("AVATAR", "a.ply", "--pose", "wave:x"), "--pose is tpose, relaxed"),
        (("AVATAR", "a.ply", "--pose", "wave:9999"), "has the frames 0 to"),
        (("AVATAR", "a.ply", "--pose", "nobody:0"), 'no motion "nobody"'),
        (("AVATAR", "a.ply", "--sh-degree", "7"), "degree 0 to 3"),
        (("missing.safetensors", "a.ply"), "no avatar file missing.safetensors"),
        (("NOTHING", "a.ply"), "is damaged or not an avatar"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path, told, saved_avatar, words, sentence):
    nothing = tmp_path / "nothing.safetensors"
    nothing.write_bytes(b"nothing")
    names = {"AVATAR": saved_avatar, "NOTHING": nothing}
    status, said = told(*(names.get(word, tmp_path / word if word.startswith("a.") else word) for word in words))
    assert status == 2 and sentence in said and "\n" not in said
    assert list(tmp_path.iterdir()) == [nothing]


def test_a_checkpoint_is_converted(tmp_path, told, model):
    from nopo.encode.checkpoint import load_network

    out = tmp_path / "converted.safetensors"
    assert told(model, "-o", out) == (0, "")
    assert load_network(out).config == load_network(model).config
    status, said = told(out, out)
    assert status == 2 and "is the checkpoint itself" in said


def test_list(told):
    status, said = told("--list")
    assert status == 0 and all(key in said for key in FORMATS)
