import hashlib
from pathlib import Path

import pytest

from nopo import weights
from nopo.encode.checkpoint import load_network
from nopo.errors import WeightsError
from nopo.weights import MODELS, SUMS, find_file, folders, resolve


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


def test_unknown_and_coming_models() -> None:
    with pytest.raises(
        WeightsError, match="^There is no model 'opne'; give the path of a checkpoint, or one of open, "
    ):
        resolve("opne")
    for model in MODELS[1:]:
        with pytest.raises(WeightsError, match=f"^This version cannot run the model {model.name} yet"):
            resolve(model.name)
        assert "non-commercial" in model.licence


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
