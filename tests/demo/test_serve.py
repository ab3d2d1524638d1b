"""Starting the page: what is asked for, what is refused in one sentence, and in which order things happen."""

import logging
import re
import socket
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nopo.demo import page, ready, serve
from nopo.demo.examples import example_people
from nopo.errors import NopoError
from nopo.pipeline import Pipeline


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Nothing is loaded or opened; instead, what would be done is listed in order, the last with its options."""
    done: list[Any] = []
    for variable in ("GRADIO_SERVER_NAME", "GRADIO_SHARE", "SPACE_ID", "SPACES_ZERO_GPU"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    fake = SimpleNamespace(launch=lambda **options: done.append(options))
    monkeypatch.setattr(Pipeline, "load", staticmethod(lambda model, device: done.append((model, device))))
    monkeypatch.setattr(ready, "get_ready", lambda: done.append("ready"))
    monkeypatch.setattr(page, "build", lambda pipeline: fake)
    return done


def refusal(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert serve.serve(options) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and re.fullmatch(r"nopo: [^\n]+\.", said[0]), said
    return said[0]


def test_everything_is_loaded_and_compiled_before_the_page_opens(opened: list[Any]) -> None:
    assert serve.serve(["--model", "me.ckpt", "--device", "cpu", "--port", "7999", "--max-upload", "5"]) == 0
    assert opened[:2] == [("me.ckpt", "cpu"), "ready"]
    options = opened[2]
    assert options["max_file_size"] == 5 * 2**20 and options["server_port"] == 7999
    assert not options["share"] and not options["mcp_server"] and options["auth"] is None
    assert options["run_history"] is False and options["enable_monitoring"] is False


def test_ctrl_c_while_it_gets_ready_is_no_traceback(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ready, "get_ready", interrupted)
    assert refusal(capsys) == "nopo: Stopped."


def test_the_model_may_be_named_by_the_environment(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOPO_MODEL", "nopo-avatar/huge100k-1view")
    serve.serve([])
    assert opened[0] == ("nopo-avatar/huge100k-1view", "auto")


def test_passwords_may_be_given_one_by_one_or_in_a_file(opened: list[Any], tmp_path: Path) -> None:
    listed = tmp_path / "visitors.txt"
    listed.write_text("amy:se:cret\n\nbob:1234\n")
    serve.serve(["--auth", "eve:5", "--auth", str(listed)])
    assert opened[2]["auth"] == [("eve", "5"), ("amy", "se:cret"), ("bob", "1234")]
    listed.write_text("anna:1\n", "utf-8-sig")  # as Windows' Notepad may
    assert serve.credentials([str(listed)]) == [("anna", "1")]
    listed.write_text("anna:1\n", "utf-16")
    with pytest.raises(NopoError, match="^visitors.txt, which --auth names, cannot be read; save it as UTF-8 text.$"):
        serve.credentials([str(listed)])
    listed.write_text("\n")
    with pytest.raises(NopoError, match="is empty"):
        serve.credentials([str(listed)])


@pytest.mark.parametrize(
    ("options", "space", "warned"),
    [
        (["--share"], False, True),
        (["--host", "0.0.0.0"], False, True),
        (["--host", "0.0.0.0", "--auth", "a:b"], False, False),
        (["--host", "0.0.0.0"], True, False),  # a Space is meant to be reached
        ([], False, False),
    ],
)
def test_an_open_door_is_pointed_out_once(
    opened: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    options: list[str], space: bool, warned: bool,
) -> None:  # fmt: skip
    if space:
        monkeypatch.setenv("SPACE_ID", "amy/nopo")
    with caplog.at_level(logging.WARNING):
        assert serve.serve(options) == 0
    assert [record.message for record in caplog.records] == [serve.OPEN_TO_ALL] * warned


def test_a_link_that_the_environment_asks_for_is_pointed_out_too(
    opened: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_SHARE", "True")
    with caplog.at_level(logging.WARNING):
        assert serve.serve([]) == 0
    assert opened[-1]["share"] and [record.message for record in caplog.records] == [serve.OPEN_TO_ALL]


def test_it_says_in_one_sentence_why_it_cannot_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = str(tmp_path / "none.safetensors")
    assert refusal(capsys, "--model", absent) == "nopo: There is no checkpoint none.safetensors; check the path."
    assert "wants NAME:PASSWORD" in refusal(capsys, "--auth", "onlyaname")
    assert "no address of this machine" in refusal(capsys, "--host", "192.0.2.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is taken" in refusal(capsys, "--port", str(taken.getsockname()[1]))
    for options, words in (
        (["--port", "99999"], "99999 is no port"),
        (["--max-upload", "0"], "0 is no size"),
        (["--max-upload", "lots"], "lots is no size"),
    ):
        with pytest.raises(SystemExit):
            serve.serve(options)
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("version", [None, "2.3.0"])
def test_tools_need_the_mcp_that_gradio_knows(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: str | None
) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(serve.metadata, "version", installed)
    assert "pip install 'gradio[mcp]'" in refusal(capsys, "--mcp")
    assert opened == []
    monkeypatch.setattr(serve.metadata, "version", lambda name: "1.30.0")
    assert serve.serve(["--mcp"]) == 0 and opened[2]["mcp_server"] is True


def test_examples_are_grouped_by_person(tmp_path: Path) -> None:
    for name in ("amy/1.jpg", "amy/2.png", "amy/README.md", "bob/1.jpg", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    people = example_people(tmp_path)
    assert {person: len(photos) for person, photos in people.items()} == {"amy": 2, "bob": 1}
