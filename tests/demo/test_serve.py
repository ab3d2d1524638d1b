import pytest

from nopo.demo.examples import example_people
from nopo.demo.serve import serve


def test_it_says_in_one_sentence_why_it_cannot_start(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["--model", str(tmp_path / "none.safetensors")]) == 2
    assert capsys.readouterr().err == "nopo: There is no checkpoint none.safetensors; check the path.\n"
    assert serve(["--auth", "onlyaname"]) == 2
    assert capsys.readouterr().err == "nopo: --auth wants NAME:PASSWORD.\n"


def test_examples_are_grouped_by_person(tmp_path) -> None:
    for name in ("amy/1.jpg", "amy/2.png", "amy/README.md", "bob/1.jpg", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    people = example_people(tmp_path)
    assert {person: len(photos) for person, photos in people.items()} == {"amy": 2, "bob": 1}
