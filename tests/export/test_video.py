import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from nopo.errors import Cancelled, ExportError
from nopo.export.animated import write_png_frames
from nopo.export.video import write_mp4, write_webm


def disc(index: int, size: tuple[int, int] = (48, 64), channels: int = 3) -> np.ndarray:
    """A disc that moves to the right on a gradient; alpha inside the disc only."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    inside = (x - 12 - 4 * index) ** 2 + (y - height // 2) ** 2 < 100
    frame = np.stack([np.where(inside, 220, 40), 255 * y // height, np.full(size, 90), 255 * inside], -1)
    return frame[..., :channels].astype(np.uint8)


def decode(path, pix_fmt="rgb24", input_params=()):
    import imageio_ffmpeg

    channels = {"rgb24": 3, "rgba": 4}[pix_fmt]
    options = {"pix_fmt": pix_fmt, "bits_per_pixel": 8 * channels, "input_params": list(input_params)}
    reader = imageio_ffmpeg.read_frames(str(path), **options)
    meta = next(reader)
    width, height = meta["size"]
    return meta, [np.frombuffer(data, np.uint8).reshape(height, width, channels) for data in reader]


def test_mp4_reads_back(tmp_path):
    path = write_mp4(tmp_path / "clip.mp4", (disc(i) for i in range(9)), fps=12)
    meta, frames = decode(path)
    assert len(frames) == 9 and meta["fps"] == 12 and meta["codec"] == "h264" and "yuv420p" in meta["pix_fmt"]
    for index, frame in enumerate(frames):
        error = np.abs(frame.astype(int) - disc(index)).mean()
        assert error < 6, f"frame {index} is off by {error:.1f} levels"
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # a browser can start before it has the whole file
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (1, 1)])
def test_odd_sizes_repeat_the_border(tmp_path, size):
    path = write_mp4(tmp_path / "odd.mp4", [np.full((*size, 3), 200, np.uint8)] * 2, fps=5)
    _, frames = decode(path)
    assert frames[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(frames[0].astype(int) - 200).max() <= 4


def test_grey_levels_and_colours_survive(tmp_path):
    """The tagged matrix is the one used: saturated colours come back."""
    patches = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128]], np.uint8)
    frame = np.repeat(np.repeat(patches[None], 32, 0), 16, 1)  # [32, 96, 3]
    _, frames = decode(write_mp4(tmp_path / "patches.mp4", [frame], fps=1, crf=5))
    assert np.abs(frames[0][16, 8::16].astype(int) - patches).max() < 12


def said_of(path):
    """What ffmpeg says of a file."""
    import subprocess

    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_players_are_told_the_colours(tmp_path):
    """Untagged, small pictures are taken for BT.601 by some, and greens turn."""
    for write, name in ((write_mp4, "a.mp4"), (write_webm, "a.webm")):
        assert "yuv420p(tv, bt709, progressive)" in said_of(write(tmp_path / name, [disc(0)] * 2, 10))


def test_webm_keeps_alpha(tmp_path):
    path = write_webm(tmp_path / "clip.webm", (disc(i, channels=4) for i in range(4)), fps=10)
    assert "alpha_mode" in said_of(path)  # by which browsers know
    _, frames = decode(path, "rgba", ["-c:v", "libvpx-vp9"])
    assert len(frames) == 4
    for index, frame in enumerate(frames):
        wanted = disc(index, channels=4)
        assert np.abs(frame[..., 3].astype(int) - wanted[..., 3]).mean() < 4
        inside = wanted[..., 3] > 0
        assert np.abs(frame[inside, :3].astype(int) - wanted[inside, :3]).mean() < 8  # straight, not darkened
    alpha = frames[2][..., 3]
    assert alpha[24, 20] > 250 and alpha[2, 60] < 5


def test_webm_of_opaque_frames_has_no_alpha(tmp_path):
    path = write_webm(tmp_path / "clip.webm", (disc(i) for i in range(3)), fps=10)
    assert "alpha_mode" not in said_of(path)
    assert np.abs(decode(path)[1][1].astype(int) - disc(1)).mean() < 6


def test_png_frames_are_exact(tmp_path):
    folder = write_png_frames(tmp_path / "frames", (disc(i, channels=4) for i in range(3)))
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["frame_000000.png", "frame_000001.png", "frame_000002.png"]
    assert np.array_equal(np.asarray(Image.open(folder / names[1])), disc(1, channels=4))
    assert os.listdir(tmp_path) == ["frames"]
    with pytest.raises(ExportError, match="not an empty folder"):
        write_png_frames(folder, [disc(0)])


class Drawing:
    """Frames that fail at one of them, and that know whether they were closed."""

    def __init__(self, fail_at: int, error: BaseException):
        self.fail_at, self.error, self.index, self.closed = fail_at, error, 0, False

    def __iter__(self):
        return self

    def __next__(self):
        if self.index == self.fail_at:
            raise self.error
        self.index += 1
        return disc(self.index)

    def close(self):
        self.closed = True


@pytest.mark.parametrize("error", [Cancelled("stopped"), KeyboardInterrupt()])
@pytest.mark.parametrize("write", [lambda p, f: write_mp4(p, f, 10), write_png_frames])
def test_cancel_leaves_nothing(tmp_path, error, write):
    frames = Drawing(3, error)
    with pytest.raises(type(error)):
        write(tmp_path / "clip", frames)
    assert frames.closed and not list(tmp_path.iterdir())


def test_failure_keeps_the_older_file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    with pytest.raises(Cancelled):
        write_mp4(path, Drawing(2, Cancelled("stopped")), 10)
    assert path.read_bytes() == b"older"


def test_killed_encoder_is_an_error_and_no_hang(tmp_path, monkeypatch):
    import subprocess

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def frames():
        for index in range(10_000):
            if index == 5:
                threading.Timer(0.1, lambda: started[-1].send_signal(signal.SIGKILL)).start()
            yield disc(index, (256, 256))

    begin = time.monotonic()
    with pytest.raises(ExportError, match="encoder stopped"):
        write_mp4(tmp_path / "clip.mp4", frames(), 30)
    assert time.monotonic() - begin < 30 and not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to signal")
def test_ctrl_c_is_for_us_and_not_for_the_encoder(tmp_path, monkeypatch):
    """A terminal signals every process of its group: an encoder in it would die first, and its death be the error."""
    import subprocess

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def frames():
        yield disc(0)
        yield disc(1)
        assert os.getpgid(started[-1].pid) != os.getpgid(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mp4(tmp_path / "clip.mp4", frames(), 10)
    assert started[-1].poll() is not None and not list(tmp_path.iterdir())


def test_a_closed_pipe_on_windows_is_an_encoder_that_stopped(tmp_path, monkeypatch):
    """There, writing to one is an invalid argument."""
    import errno
    import subprocess

    class Closed:
        def write(self, data):
            raise OSError(errno.EINVAL, "Invalid argument")

        def close(self):
            raise OSError(errno.EINVAL, "Invalid argument")

    class Encoder(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.stdin.close()
            self.stdin = Closed()

    monkeypatch.setattr(subprocess, "Popen", Encoder)
    with pytest.raises(ExportError, match="encoder stopped"):
        write_mp4(tmp_path / "clip.mp4", [disc(0)] * 2, 10)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a:b/clip.mp4", "a:b.mp4", "-d/clip.mp4", "-d.mp4"])
def test_names_that_are_words_of_the_encoders(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_mp4(name, [disc(0)] * 2, 10)
    assert (tmp_path / name).stat().st_size > 500


def test_encoder_that_refuses_says_why(tmp_path):
    with pytest.raises(ExportError, match="(?i)crf|invalid|error"):
        write_mp4(tmp_path / "clip.mp4", [disc(0)] * 300, 10, crf=-900)
    assert not list(tmp_path.iterdir())


def test_bad_frames_say_which(tmp_path):
    path = tmp_path / "clip.mp4"
    with pytest.raises(ExportError, match="no frames"):
        write_mp4(path, [], 10)
    with pytest.raises(ExportError, match="uint8 array"):
        write_mp4(path, [disc(0).astype(np.float32)], 10)
    with pytest.raises(ExportError, match="uint8 array"):
        write_mp4(path, [disc(0, channels=4)], 10)
    with pytest.raises(ExportError, match="Frame 1"):
        write_mp4(path, [disc(0), disc(0, (20, 20))], 10)
    with pytest.raises(ExportError, match="frames a second"):
        write_mp4(path, [disc(0)], 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write_mp4(tmp_path / "file" / "clip.mp4", [disc(0)], 10)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
