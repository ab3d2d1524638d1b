"""The endpoints, as programs use them: gradio_client, without a session, one call's file given to the next."""

from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from nopo.avatar import Avatar

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

SMALL = {"size": 256, "fps": 15}


@pytest.fixture
def client(url: str, tmp_path: Path) -> Client:
    """A new session each time."""
    return Client(url, verbose=False, download_files=str(tmp_path))


@pytest.fixture(scope="module")
def avatar(url: str, cutout_photo: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("made")
    maker = Client(url, verbose=False, download_files=str(folder))
    video, made = maker.predict(photos=[handle_file(str(cutout_photo))], **SMALL, api_name="/reconstruct")
    assert Path(video).suffix == ".mp4" and len(Avatar.load(made).gaussians) > 1000
    return made


def test_photos_become_cutouts(client: Client, cutout_photo: Path) -> None:
    (cutout,) = client.predict(photos=[handle_file(str(cutout_photo))], api_name="/cutouts")
    with Image.open(cutout) as picture:
        assert picture.mode == "RGBA" and picture.size == (240, 320)


def test_an_avatar_goes_from_session_to_session(client: Client, avatar: str, tmp_path: Path) -> None:
    given = handle_file(avatar)
    turn = client.predict(avatar=given, seconds=1, framing="half", **SMALL, api_name="/turntable")
    moving = client.predict(avatar=given, motion="wave", **SMALL, api_name="/animate")
    own = client.predict(
        avatar=given, motion_file=handle_file(str(ROOT / "examples/motions/front_kick.bvh")), **SMALL,
        api_name="/animate",
    )  # fmt: skip
    still = client.predict(avatar=given, format="ply", api_name="/export")
    assert [Path(file).suffix for file in (turn, moving, own, still)] == [".mp4", ".mp4", ".mp4", ".ply"]
    assert Path(still).read_bytes().startswith(b"ply")
    turning = client.predict(avatar=given, format="webp", **SMALL, api_name="/export")
    with Image.open(turning) as picture:
        assert picture.n_frames > 10 and picture.has_transparency_data


def test_a_session_keeps_its_avatar_and_another_has_none(url: str, client: Client, cutout_photo: Path) -> None:
    with pytest.raises(AppError, match="Make an avatar first."):
        client.predict(api_name="/turntable")
    client.predict(photos=[handle_file(str(cutout_photo))], facing=["back"], **SMALL, api_name="/reconstruct")
    assert Path(client.predict(seconds=1, **SMALL, api_name="/turntable")).is_file()


def test_assistants_who_share_a_session_share_no_avatar(url: str, cutout_photo: Path, tmp_path: Path) -> None:
    tool = Client(url, verbose=False, download_files=str(tmp_path), headers={"x-gradio-user": "mcp"})  # as Gradio's is
    _, made = tool.predict(photos=[handle_file(str(cutout_photo))], **SMALL, api_name="/reconstruct")
    with pytest.raises(AppError, match="Make an avatar first."):
        tool.predict(api_name="/turntable")
    assert Path(tool.predict(avatar=handle_file(made), seconds=1, **SMALL, api_name="/turntable")).is_file()


def test_trouble_is_one_sentence_that_says_what_to_do(
    client: Client, avatar: str, cutout_photo: Path, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("dear reader")
    sealed = tmp_path / "letter.safetensors"
    sealed.write_text("dear reader")
    noise = tmp_path / "letter.npz"
    noise.write_text("dear reader")
    given, paper, cutout = handle_file(avatar), handle_file(str(letter)), handle_file(str(cutout_photo))
    for call, words in (
        ({"api_name": "/cutouts", "photos": [paper]}, "^Photo 1 is not an image; give JPEG"),
        ({"api_name": "/cutouts", "photos": []}, "^Give 1 to 8 photos"),
        ({"api_name": "/reconstruct", "photos": [paper]}, "^Photo 1 is not an image; give JPEG"),
        ({"api_name": "/reconstruct", "photos": [paper], "model": "../../etc/passwd"}, "^Choose one of the models"),
        ({"api_name": "/reconstruct", "photos": [cutout], "facing": ["back"] * 2}, "^Give one direction for each"),
        ({"api_name": "/turntable", "avatar": given, "size": 100_000}, "^Choose a size"),
        ({"api_name": "/turntable", "avatar": given, "background": "url(x)"}, "is not a colour"),
        ({"api_name": "/turntable", "avatar": handle_file(str(sealed))}, "^Your file "),
        ({"api_name": "/animate", "avatar": given, "motion": "/etc/passwd"}, "^Choose one of the motions"),
        ({"api_name": "/animate", "avatar": given, "motion_file": handle_file(str(noise))}, "^Your file is not"),
        ({"api_name": "/export", "avatar": given, "format": "exe"}, "^Choose one of the formats"),
        ({"api_name": "/export", "avatar": given, "moment": 0.5}, "^A moment needs a motion"),
        ({"api_name": "/export", "avatar": given, "moment": 0.5, "motion": "wave", "format": "gif"}, "^A moment needs"),
        ({"api_name": "/cutouts", "photos": [cutout], "matting": "none; rm"}, "^Choose one of the matting models"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(**call)


def test_every_endpoint_is_documented_and_nothing_else_is_offered(client: Client) -> None:
    api = client.view_api(return_format="dict")["named_endpoints"]
    assert set(api) == {"/offers", "/cutouts", "/reconstruct", "/turntable", "/animate", "/export"}
    offers = client.predict(api_name="/offers")
    assert "back" in offers["models"]["open"]["facing"] and "walk" in offers["motions"] and "ply" in offers["formats"]
    from nopo.demo.api import Endpoints

    for name, endpoint in api.items():
        described = getattr(Endpoints, name.strip("/")).__doc__
        for parameter in endpoint["parameters"]:
            assert f"{parameter['parameter_name']}: " in described, f"{name} says nothing of {parameter}"
