import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nopo.errors import Cancelled, ExportError
from nopo.export.animated import write_gif, write_png_frames, write_png_zip, write_webp
from nopo.export.moving import MOVING, moving_writer

WRITERS = {
    "clip.webp": lambda path, frames: write_webp(path, frames, 10),
    "clip.gif": lambda path, frames: write_gif(path, frames, 10),
    "clip.zip": write_png_zip,
    "clip": write_png_frames,
}


def disc(index: int, channels: int = 4, size: tuple[int, int] = (47, 63)) -> np.ndarray:
    """A disc with a soft edge, its colour the same wherever it is seen; nothing but garbage where it is not."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    alpha = np.clip((15 - np.hypot(x - 16 - 4 * index, y - height // 2)) / 3, 0, 1)
    frame = np.dstack([np.full(size, 210), np.full(size, 120), np.full(size, 60 + 20 * index), 255 * alpha])
    frame[alpha == 0, :3] = (0, 255, 0)
    return frame[..., :channels].round().astype(np.uint8)


def over(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    alpha = frame[..., 3:] / 255
    return frame[..., :3] * alpha + (1 - alpha) * np.array(colour)


def play(path: Path) -> tuple[list[np.ndarray], list[float], int | None]:
    """Frames as a browser composes them, their milliseconds, and how often they loop (0: for ever)."""
    frames, durations = [], []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGBA")))
            durations.append(image.info["duration"])
        return frames, durations, image.info.get("loop")


@pytest.mark.parametrize("write", [write_webp, write_gif])
@pytest.mark.parametrize(("fps", "count"), [(30, 7), (24, 13), (12.5, 4), (7, 6), (50, 9)])
def test_a_film_keeps_its_length_and_loops_for_ever(tmp_path, write, fps, count):
    frames, durations, loop = play(write(tmp_path / "clip", (disc(i) for i in range(count)), fps))
    assert len(frames) == count and loop == 0
    unit = 10 if write is write_gif else 1
    assert abs(sum(durations) - 1000 * count / fps) < 2 * unit
    assert max(durations) - min(durations) <= unit  # none stands out, the last one neither


def test_a_gif_leaves_out_frames_that_browsers_would_slow_down(tmp_path):
    frames, durations, _ = play(write_gif(tmp_path / "clip.gif", (disc(i % 8) for i in range(30)), 60))
    assert min(durations) >= 20 and abs(sum(durations) - 500) <= 20 and len(frames) == 25


@pytest.mark.parametrize("background", [(255, 255, 255), (20, 20, 24), (255, 0, 255)])
def test_webp_has_no_fringes_on_any_background(tmp_path, background):
    frames, _, _ = play(write_webp(tmp_path / "clip.webp", (disc(i) for i in range(5)), 10))
    for index, frame in enumerate(frames):
        assert np.array_equal(frame[..., 3], disc(index)[..., 3])
        error = np.abs(over(frame, background) - over(disc(index), background))
        assert error.max() < 16  # alpha applied twice, or never, is off by 60; the garbage shining through by 130


def test_gif_is_transparent_where_less_than_half_is_there(tmp_path):
    frames, _, _ = play(write_gif(tmp_path / "clip.gif", (disc(i) for i in range(5)), 10))
    for index, frame in enumerate(frames):
        seen = disc(index)[..., 3] >= 128
        assert np.array_equal(frame[..., 3], np.where(seen, 255, 0))  # nothing of the frames before shows through
        assert np.abs(frame[seen, :3].astype(int) - disc(index)[seen, :3]).max() < 10  # and no green edge


@pytest.mark.parametrize(("write", "error"), [(write_webp, 2.5), (write_gif, 2.5)])
def test_colours_of_opaque_frames_come_back_and_backgrounds_stay_flat(tmp_path, write, error):
    picture = over(disc(3), (241, 239, 235)).round().astype(np.uint8)
    y, x = np.mgrid[:47, :63]
    picture[:, 40:] = np.dstack([4 * x, 5 * y, 2 * (x + y)])[:, 40:].astype(np.uint8)  # many colours beside it
    frames, _, _ = play(write(tmp_path / "clip", [picture] * 2 + [picture[::-1]], 10))
    assert (frames[0][..., 3] == 255).all()
    assert np.abs(frames[0][..., :3].astype(int) - picture).mean() < error
    assert np.abs(frames[0][:8, :8, :3].astype(int) - (241, 239, 235)).max() <= (0 if write is write_gif else 2)


@pytest.mark.parametrize("name", WRITERS)
def test_frames_are_taken_one_by_one_and_nothing_else_is_left(tmp_path, name):
    alive: list[int] = []

    def frames():
        for index in range(40):
            alive.append(index)
            yield disc(index % 8)

    WRITERS[name](tmp_path / name, frames())
    assert len(alive) == 40 and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("error", [Cancelled("stopped"), KeyboardInterrupt()])
def test_what_is_stopped_leaves_the_older_file(tmp_path, name, error):
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"older")
    closed = []

    def frames():
        try:
            yield disc(0)
            yield disc(1)
            raise error
        finally:
            closed.append(True)

    with pytest.raises(type(error)):
        WRITERS[name](path, frames())
    assert closed and os.listdir(tmp_path) == ([name] if path.suffix else [])
    assert not path.suffix or path.read_bytes() == b"older"


@pytest.mark.parametrize("name", WRITERS)
def test_bad_frames_say_what_is_wrong(tmp_path, name):
    write, path = WRITERS[name], tmp_path / name
    with pytest.raises(ExportError, match="no frames"):
        write(path, [])
    with pytest.raises(ExportError, match="uint8 array"):
        write(path, [disc(0) / 255])
    with pytest.raises(ExportError, match="Frame 1"):
        write(path, [disc(0), disc(0, size=(20, 20))])
    (tmp_path / "in the way").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write(tmp_path / "in the way" / name, [disc(0)])
    assert os.listdir(tmp_path) == ["in the way"]


@pytest.mark.parametrize("most", [1000, 8500])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_zip(tmp_path, most):
    """In the middle of a picture, and in the list of them at the end."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "clip.zip"
    path.write_text("older")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        with pytest.raises(ExportError, match="^clip.zip cannot be written"):
            write_png_zip(path, (np.zeros((8, 8, 3), np.uint8) for _ in range(60)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "older" and os.listdir(tmp_path) == ["clip.zip"]


def test_pictures_in_a_zip_are_exact_and_in_order(tmp_path):
    path = write_png_zip(tmp_path / "clip.zip", (disc(i) for i in range(3)))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["frame_000000.png", "frame_000001.png", "frame_000002.png"]
        for index, name in enumerate(archive.namelist()):
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(archive.read(name)))), disc(index))


@pytest.mark.parametrize("suffix", MOVING)
def test_every_suffix_is_written_as_what_it_says(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    clear = MOVING[suffix].transparent
    moving_writer(path, clear)(path, [disc(i, 4 if clear else 3) for i in range(3)], 10)
    heads = {
        ".mp4": b"ftyp",
        ".webm": b"\x1a\x45\xdf\xa3",
        ".webp": b"WEBP",
        ".gif": b"GIF89a",
        ".zip": b"PK",
        "": b"PNG",
    }
    first = path if path.is_file() else path / "frame_000000.png"
    assert heads[suffix] in first.read_bytes()[:12]


def test_kinds_that_cannot_say_which_can():
    with pytest.raises(ExportError, match="x.avi should end in .mp4, .webm"):
        moving_writer(Path("x.avi"))
    with pytest.raises(ExportError, match=r"\.mp4 files have no transparency; \.webm, \.webp, \.gif, \.zip"):
        moving_writer(Path("x.mp4"), transparent=True)
    assert moving_writer(Path("X.MP4")) is MOVING[".mp4"].write
