import json
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from nopo.avatar import Avatar
from nopo.cli import main


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What a failed command said: one line, without a traceback."""
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if line.startswith("nopo: ")]
    assert len(lines) == 1 and "Traceback" not in output.err
    return lines[0]


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from nopo.cli import build_parser; build_parser().format_help();"
        "assert not {'torch', 'numpy', 'gradio', 'numba', 'PIL'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    seconds = []
    for _ in range(3):  # the quickest counts: the machine may be busy
        start = time.perf_counter()
        shown = subprocess.run([sys.executable, "-m", "nopo", "--help"], capture_output=True, text=True)
        seconds.append(time.perf_counter() - start)
        assert shown.returncode == 0
    assert min(seconds) < 0.5
    for command in ("reconstruct", "render", "animate", "info", "train", "evaluate", "prepare"):
        assert command in shown.stdout


def test_reconstruct_render_and_animate(model: str, cutout_photo: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert (
        main(["reconstruct", str(cutout_photo), "-o", str(out), "--model", model, "--size", "96", "--frames", "4"]) == 0
    )
    assert "render" in capsys.readouterr().err  # progress bars
    assert {path.name for path in out.iterdir()} == {
        "avatar.safetensors",
        "turntable.mp4",
        "preview.png",
        "views.png",
        "timings.json",
    }
    timings = json.loads((out / "timings.json").read_text())
    assert set(timings["stages"]) == {"load", "preprocess", "encode", "views", "turntable"}
    assert all(stage["seconds"] >= 0 and stage["peak_memory_mib"] > 50 for stage in timings["stages"].values())
    assert len(Avatar.load(out / "avatar.safetensors").gaussians) == timings["gaussians"]

    avatar = str(out / "avatar.safetensors")
    picture, video = tmp_path / "back.png", tmp_path / "wave.mp4"
    assert (
        main(
            [
                "render",
                avatar,
                "-o",
                str(picture),
                "--azimuth",
                "180",
                "--size",
                "80",
                "--background",
                "#102030",
                "--quiet",
            ]
        )
        == 0
    )  # noqa: E501
    pixels = np.asarray(Image.open(picture))
    assert pixels.shape == (80, 80, 3) and pixels[0, 0].tolist() == [0x10, 0x20, 0x30]
    assert main(["animate", avatar, "--motion", "wave", "-o", str(video), "--size", "64", "--quiet"]) == 0
    assert video.stat().st_size > 1000
    assert capsys.readouterr().err == ""


def test_info_says_what_is_here_and_how_to_get_the_rest(capsys) -> None:
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for word in ("Python", "torch", "device", "u2netp", "walk", "open", "huge100k", "non-commercial", "weights/"):
        assert word in shown


def test_bad_photos_and_options_end_in_2_with_one_sentence(
    model: str, cutout_photo: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "letter.jpg").write_text("dear reader")
    reconstruct = ["reconstruct", "-o", str(tmp_path / "o"), "--model", model, "--quiet"]
    assert main([*reconstruct, str(tmp_path / "letter.jpg")]) == 2
    assert "letter.jpg is not an image" in sentence(capsys)
    assert main([*reconstruct, *[str(cutout_photo)] * 9]) == 2
    assert "Give 1 to 8 photos of one person, not 9." in sentence(capsys)
    assert main([*reconstruct, str(cutout_photo), "--background", "nocolour"]) == 2
    assert "'nocolour' is not a colour" in sentence(capsys)
    assert main([*reconstruct, str(cutout_photo), "--device", "quantum"]) == 2
    assert 'The device "quantum" cannot be used here' in sentence(capsys)
    assert not (tmp_path / "o").exists()
    (tmp_path / "file").write_text("in the way")
    assert main([*reconstruct[:1], "-o", str(tmp_path / "file"), "--model", model, "--quiet", str(cutout_photo)]) == 2
    assert "file is a file; name a folder for the results." in sentence(capsys)
    assert (
        main([*reconstruct[:1], "-o", str(tmp_path / "file" / "in"), "--model", model, "--quiet", str(cutout_photo)])
        == 2
    )
    assert "in could not be read or written" in sentence(capsys)


def test_missing_and_truncated_checkpoints(cutout_photo: Path, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10")
    for name, expected in (
        ("none.safetensors", "There is no checkpoint none.safetensors"),
        (broken, "broken.safetensors"),
    ):
        assert main(["reconstruct", str(cutout_photo), "-o", str(tmp_path / "o"), "--model", str(name), "--quiet"]) == 2
        assert expected in sentence(capsys)


def test_files_of_the_wrong_kind(tmp_path: Path, saved_avatar: Path, capsys) -> None:
    not_avatar = tmp_path / "a.safetensors"
    not_avatar.write_bytes(b"nothing")
    assert main(["render", str(not_avatar), "-o", str(tmp_path / "a.mp4")]) == 2
    assert "a.safetensors is damaged or not an avatar" in sentence(capsys)
    assert main(["render", str(saved_avatar), "-o", str(tmp_path / "a.avi")]) == 2
    assert "a.avi should end in .mp4" in sentence(capsys)
    assert main(["animate", str(saved_avatar), "-o", str(tmp_path / "a.png")]) == 2
    assert "a.png should end in .mp4" in sentence(capsys)
    assert main(["render", str(saved_avatar), "-o", str(tmp_path / "a.mp4"), "--background", "transparent"]) == 2
    assert ".mp4 files have no transparency; .webm, .webp, .gif, .zip" in sentence(capsys)
    not_motion = tmp_path / "dance.npz"
    np.savez(not_motion, steps=np.zeros(3))
    for motion in (str(not_motion), "moonwalk"):
        assert main(["animate", str(saved_avatar), "--motion", motion, "-o", str(tmp_path / "a.mp4"), "--quiet"]) == 2
        assert Path(motion).name in sentence(capsys)
    assert not list(tmp_path.glob("*.mp4"))


def test_a_folder_of_no_name_is_no_result(saved_avatar: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["render", str(saved_avatar), "-o", ".", "--frames", "2", "--size", "32", "--quiet"]) == 2
    assert "Name a new file or folder" in sentence(capsys)


def test_memory_that_runs_out_is_one_sentence(saved_avatar: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    render = ["render", str(saved_avatar), "-o", str(tmp_path / "a.mp4"), "--quiet"]
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")):
        monkeypatch.setattr("nopo.commands.render.run", Mock(side_effect=error))
        assert main(render) == 2
        assert "not enough memory" in sentence(capsys)
    monkeypatch.setattr("nopo.commands.render.run", Mock(side_effect=RuntimeError("a mistake of ours")))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(render)


def test_figures_are_not_lost_when_their_file_cannot_be_written(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("nopo.commands.evaluate.evaluate_open", lambda *_, **__: {"photos_1": {"swaps": 0.25}})
    assert main(["evaluate", "open", "--json", str(tmp_path / "file" / "figures.json")]) == 2
    told = capsys.readouterr()
    assert "swaps 0.250" in told.out
    assert "figures.json cannot be written" in told.err and "partial" not in told.err


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        shown = []
        for index in range(image.n_frames):
            image.seek(index)
            shown.append(np.asarray(image.convert("RGBA")))
        return shown


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_turns_and_motions_of_the_wanted_kind(saved_avatar: Path, tmp_path: Path, suffix: str) -> None:
    turn, wave = tmp_path / f"turn.{suffix}", tmp_path / f"wave.{suffix}"
    small = ["--size", "64x48", "--quiet", "--background", "transparent", "--framing", "half", "--elevation", "-10"]
    assert main(["render", str(saved_avatar), "-o", str(turn), "--frames", "5", "--fps", "10", *small]) == 0
    moves = ["--motion", "wave", "--frames", "4", "--fps", "5"]
    assert main(["animate", str(saved_avatar), "-o", str(wave), *moves, *small]) == 0
    for path, count in ((turn, 5), (wave, 4)):
        frames = frames_of(path)
        assert len(frames) == count and frames[0].shape == (48, 64, 4)
        assert frames[0][0, 0, 3] == 0 and frames[0][-1, :, 3].max() > 240  # no background; the waist at the edge


def test_pictures_in_a_folder_or_a_zip(saved_avatar: Path, tmp_path: Path, capsys) -> None:
    render = ["render", str(saved_avatar), "--frames", "3", "--size", "32", "--quiet", "-o"]
    assert main([*render, str(tmp_path / "turn")]) == 0
    assert len(list((tmp_path / "turn").glob("frame_*.png"))) == 3
    assert main([*render, str(tmp_path / "turn.zip")]) == 0
    assert main([*render, str(tmp_path / "turn")]) == 2
    assert "turn exists and is not an empty folder" in sentence(capsys)


def test_one_transparent_picture(saved_avatar: Path, tmp_path: Path) -> None:
    path = tmp_path / "head.png"
    options = ["--background", "transparent", "--framing", "head", "--size", "40", "--azimuth", "-30"]
    assert main(["render", str(saved_avatar), "-o", str(path), *options]) == 0
    assert np.asarray(Image.open(path)).shape == (40, 40, 4) and [p.name for p in tmp_path.iterdir()] == ["head.png"]


def test_the_framings_of_the_command_line_are_those_there_are() -> None:
    from typing import get_args

    from nopo.cli import FRAMINGS, MATTING
    from nopo.framing import Framing
    from nopo.preprocess.matte import CHOICES

    assert get_args(Framing) == FRAMINGS
    assert set(CHOICES) == set(MATTING)


def test_a_batch_goes_on_and_says_how_it_went(model: str, cutout_photo: Path, tmp_path: Path, capsys) -> None:
    people, out = tmp_path / "people", tmp_path / "out"
    (people / "amy").mkdir(parents=True)
    (people / "amy" / "1.png").write_bytes(cutout_photo.read_bytes())
    (people / "bob.jpg").write_text("no photo")
    command = ["reconstruct", "--batch", str(people), "-o", str(out), "--model", model, "--size", "48"]
    assert main([*command, "--turntable", "none"]) == 1
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert rows[0] == ["subject", "photos", "seconds", "result"]
    assert rows[1][0] == "amy" and rows[1][-1] == "done" and rows[2][:2] == ["bob", "1"]
    assert "bob.jpg is not an image" in shown.out and "1 of 2 people failed" in shown.err
    assert {path.name for path in out.iterdir()} == {"amy", "bob", "batch.json", "batch.csv", "sheet.png"}

    (people / "bob.jpg").unlink()
    assert main([*command, "--turntable", "none", "--quiet"]) == 0
    assert json.loads((out / "batch.json").read_text())[0]["result"] == "kept"
    assert capsys.readouterr() == ("", "")


def test_no_bar_of_a_batch_outlives_its_person(model: str, tmp_path: Path, monkeypatch) -> None:
    from tqdm import tqdm

    from nopo.commands import reconstruct

    said: list[tuple[str, int]] = []
    monkeypatch.setattr(
        reconstruct.LOGGER, "info", lambda text, *args: said.append((text % args, len(tqdm._instances)))
    )
    for name in ("amy", "bob"):
        (tmp_path / f"{name}.jpg").write_text("no photo")
    assert main(["reconstruct", "--batch", str(tmp_path), "-o", str(tmp_path / "out"), "--model", model]) == 1
    assert [text.split(":")[0] for text, _ in said] == ["1 of 2, amy", "2 of 2, bob"]
    assert [drawn for _, drawn in said] == [0, 0]


def test_one_person_or_many_but_not_both(cutout_photo: Path, tmp_path: Path, capsys) -> None:
    out = ["-o", str(tmp_path / "out")]
    for given in ([], [str(cutout_photo), "--batch", str(tmp_path)]):
        assert main(["reconstruct", *given, *out]) == 2
        assert "Give either photos of one person, or --batch" in sentence(capsys)
    assert main(["reconstruct", "--batch", str(tmp_path), *out]) == 2
    assert "There are no photos in" in sentence(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [["--size", "big"], ["--size", "1x2x3"], ["--frames", "0"], ["--framing", "feet"]])
def test_wrong_options_of_pictures(wrong: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["render", "a.safetensors", "-o", "a.mp4", *wrong])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1 and wrong[0] in said


@pytest.mark.parametrize(
    "wrong",
    [
        ["prepare", "people", "--sheet", "x.avi"],
        ["prepare", "people", "--sheet", "x.png", "-n", "0"],
        ["evaluate", "open", "--subjects", "0"],
        ["evaluate", "open", "--photos", "-1"],
        ["evaluate", "open", "--sheet", "x"],
    ],
)
def test_wrong_options_are_told_before_the_work_begins(wrong: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(wrong)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1 and wrong[-2] in said


def test_a_sheet_of_people_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["prepare", "people", "-n", "1", "--sheet", str(tmp_path / "file" / "x.png")]) == 2
    assert "x.png cannot be written" in sentence(capsys)
    assert main(["prepare", "people", "-n", "1", "--sheet", str(tmp_path / "new" / "x.png")]) == 0
    assert Image.open(tmp_path / "new" / "x.png").size == (512, 256)


def test_a_wrong_option_is_one_sentence_too(capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["animate"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
