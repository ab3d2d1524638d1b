import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from nopo import weights
from nopo.encode.checkpoint import load_network
from nopo.errors import WeightsError
from nopo.models import MODELS, OPEN, of_file, of_network
from nopo.weights import SUMS, find_file, folders, is_present, resolve


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights of the user's own, and no other."""
    monkeypatch.setenv("NOPO_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("NOPO_HF_REPO", raising=False)
    monkeypatch.setattr(weights, "folders", lambda: [tmp_path])
    return tmp_path


def test_the_shipped_files_are_what_the_list_says() -> None:
    shipped = next(folder for folder in folders() if (folder / SUMS).is_file())
    for line in (shipped / SUMS).read_text().splitlines():
        digest, name = line.split(maxsplit=1)
        assert hashlib.sha256((shipped / name).read_bytes()).hexdigest() == digest, name


def test_a_users_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOPO_WEIGHTS", str(tmp_path))
    (tmp_path / "open.safetensors").write_bytes(b"mine")
    assert resolve("open") == tmp_path / "open.safetensors"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "trained.safetensors").write_bytes(b"mine")
    assert resolve(tmp_path / "trained.safetensors") == tmp_path / "trained.safetensors"


def test_a_missing_checkpoint(own_folder: Path) -> None:
    with pytest.raises(WeightsError, match="^The file open.safetensors is missing; put it into the folder weights/"):
        resolve("open")
    with pytest.raises(WeightsError, match="^There is no checkpoint mine.safetensors; check the path.$"):
        resolve(own_folder / "mine.safetensors")


def test_a_truncated_checkpoint(own_folder: Path) -> None:
    path = own_folder / "open.safetensors"
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(WeightsError, match="open.safetensors"):
        load_network(resolve("open"))


def test_a_file_that_is_not_the_listed_one(own_folder: Path) -> None:
    (own_folder / "open.safetensors").write_bytes(b"altered")
    (own_folder / SUMS).write_text(f"{hashlib.sha256(b'original').hexdigest()}  open.safetensors\n")
    with pytest.raises(WeightsError, match="^open.safetensors is not the file that SHA256SUMS lists"):
        find_file("open.safetensors")


def test_an_unknown_model() -> None:
    with pytest.raises(
        WeightsError, match="^There is no model 'opne'; give the path of a checkpoint, or one of open, "
    ):
        resolve("opne")


def test_the_published_models_are_named_and_gated(own_folder: Path) -> None:
    published = [model for model in MODELS if model.published]
    assert [model.frame_size for model in published] == [(1024, 1024)] * 3 + [(896, 640)]
    assert [(model.views, model.background) for model in published] == [(3, 0.0)] * 3 + [(1, 1.0)]
    for model in published:
        assert "non-commercial" in model.licence
        with pytest.raises(WeightsError, match=rf"^{model.file} of the model {model.name} .*Box share") as caught:
            resolve(model.name)
        assert "\n" not in str(caught.value)
        (own_folder / model.file).write_bytes(b"published")
        assert resolve(model.name) == own_folder / model.file
        converted = own_folder / Path(model.file).with_suffix(".safetensors").name
        converted.write_bytes(b"rewritten")
        assert resolve(model.name) == converted, "starts faster"
        assert of_file(model.file) is of_file(converted.name) is model


def test_a_checkpoint_of_no_known_name() -> None:
    assert of_file("mine.ckpt") is None
    assert of_network("open", 128) is OPEN
    assert of_network("nopo-avatar", 512).frame_size == (512, 512)


def test_a_published_file_is_what_it_was_when_first_used(own_folder: Path) -> None:
    model = MODELS[1]
    path, kept = own_folder / model.file, own_folder / f"{model.file}.sha256"
    path.write_bytes(b"published")
    resolve(model.name)
    assert kept.read_text() == f"{hashlib.sha256(b'published').hexdigest()}  {path.name}\n"
    resolve(model.name)

    path.write_bytes(b"publish")  # a second download broke off
    later = kept.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    with pytest.raises(WeightsError, match=f"^{path.name} is not what it was when first used; get it again, or delete"):
        resolve(model.name)
    kept.unlink()
    assert resolve(model.name) == path


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("GatedRepoError", "^me/private is gated: accept its terms on huggingface.co, then set HF_TOKEN.$"),
        ("RepositoryNotFoundError", "^me/private does not exist, or is private: set HF_TOKEN"),
        ("EntryNotFoundError", "^me/private has no file open.safetensors"),
        ("LocalEntryNotFoundError", "^open.safetensors could not be downloaded from me/private; check the network"),
        ("OSError", "^open.safetensors could not be downloaded from me/private; check the network"),
    ],
)
def test_a_private_repository(own_folder: Path, monkeypatch: pytest.MonkeyPatch, error: str, sentence: str) -> None:
    import httpx
    import huggingface_hub
    from huggingface_hub import errors

    monkeypatch.setenv("NOPO_HF_REPO", "me/private")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, file: str(own_folder / repo / file))
    assert resolve("open") == own_folder / "me/private/open.safetensors"

    def refuse(repo: str, file: str) -> str:
        if error == "OSError":
            raise OSError("no network")
        kind = getattr(errors, error)
        if issubclass(kind, errors.HfHubHTTPError):
            raise kind("refused", response=httpx.Response(403, request=httpx.Request("GET", "https://example.org")))
        raise kind("refused")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(WeightsError, match=sentence):
        resolve("open")


def test_a_repository_may_hold_either_file_of_a_model(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    model = MODELS[1]
    monkeypatch.setenv("NOPO_HF_REPO", "me/private")
    for held in (model.files, model.files[1:]):

        def download(repo: str, file: str, held: tuple[str, ...] = held) -> str:
            if file not in held:
                raise EntryNotFoundError("404")
            path = own_folder / "hub" / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"weights")
            return str(path)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        assert resolve(model.name).name == held[0], "the one that starts fastest, if it is there"
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, file: download(repo, file, ()))
    with pytest.raises(WeightsError, match=f"^me/private has no file {model.file}; upload it there"):
        resolve(model.name)


def test_what_was_fetched_before_is_present(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    model = MODELS[2]
    cached = {("me/private", model.file): str(own_folder / model.file)}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file: cached.get((repo, file)))
    assert not is_present(model)
    monkeypatch.setenv("NOPO_HF_REPO", "me/private")
    assert is_present(model) and not is_present(MODELS[3])
    monkeypatch.undo()
    monkeypatch.setenv("NOPO_HF_REPO", "not//a name")
    assert not is_present(model)


CONTENT = bytes(range(256)) * 80_000  # huggingface_hub writes 10 MB at a time
WRITTEN = 10 * 1024**2
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of huggingface.co as a download from a private repository needs; the first download breaks off."""

    ranges: ClassVar[list[str | None]] = []

    def do_HEAD(self) -> None:  # noqa: N802 (the name is http.server's)
        self.answer(body=False)

    def do_GET(self) -> None:  # noqa: N802
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        if self.headers["Authorization"] != "Bearer hf_secret":
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.endswith(".safetensors"):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if body:
            self.ranges.append(self.headers["Range"])
            start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if body:
            self.wfile.write(CONTENT[start : None if start else WRITTEN + 5000])
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


def test_a_broken_download_from_a_private_repository_goes_on(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = """
from nopo.errors import WeightsError
from nopo.weights import resolve
try:
    print(resolve("nopo-avatar/huge100k-1view"))
except WeightsError as error:
    print(error)
"""
    own = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HOME": str(tmp_path / "hub"),
        "NOPO_HF_REPO": "me/private",
        "NOPO_WEIGHTS": str(tmp_path),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }

    def ask(token: str) -> str:
        env = {**os.environ, **own, "HF_TOKEN": token}
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    try:
        assert ask("hf_wrong").startswith("me/private does not exist, or is private: set HF_TOKEN")
        answers = [ask("hf_secret") for _ in range(2)]
    finally:
        server.shutdown()
    path = Path(answers[-1])
    assert path.read_bytes() == CONTENT
    kept = path.with_name(path.name + ".sha256").read_text()
    assert kept.startswith(hashlib.sha256(CONTENT).hexdigest())
    assert Hub.ranges == [None, f"bytes={WRITTEN}-"], "goes on where it broke off, and is not downloaded again"
