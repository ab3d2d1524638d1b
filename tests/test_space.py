"""What Hugging Face reads of this repository: the block at the top of README.md, and requirements.txt."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
KNOWN = {
    "title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "short_description",
    "license", "suggested_hardware", "pinned", "tags", "models", "datasets", "header", "fullWidth", "hf_oauth",
    "preload_from_hub", "startup_duration_timeout",
}  # fmt: skip
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ON_ZERO_GPU = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")


class Strict(yaml.SafeLoader):
    """YAML in which no key may be given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is given twice: {keys}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.match(r"---\n(.*?)\n---\n\n# nopo\n", text, re.DOTALL)
    assert found, "README.md begins with a block of YAML, then the title"
    return yaml.load(found[1], Strict)


@pytest.fixture(scope="module")
def requirements() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    parsed = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    return {requirement.name.lower(): requirement for requirement in parsed}


def test_every_field_is_known_and_legal(card: dict[str, Any]) -> None:
    assert set(card) <= KNOWN
    assert all(isinstance(card[name], str) for name in set(card) - {"tags", "pinned"})
    assert card["sdk"] == "gradio" and {card["colorFrom"], card["colorTo"]} <= COLOURS
    assert len(card["short_description"]) <= 60  # longer ones are refused
    assert re.fullmatch(r"[^\w\s]{1,2}", card["emoji"])
    assert (ROOT / card["app_file"]).is_file()
    assert card["license"] == "apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()
    assert isinstance(card["tags"], list) and all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in card["tags"])


def test_huggingface_hub_reads_the_same(card: dict[str, Any]) -> None:
    from huggingface_hub import SpaceCard, SpaceHardware

    read = SpaceCard((ROOT / "README.md").read_text("utf-8"))
    assert read.data.to_dict() == card
    assert read.text.lstrip().startswith("# nopo")
    assert card["suggested_hardware"] in {hardware.value for hardware in SpaceHardware}


def test_versions_agree_with_what_is_required(card: dict[str, Any], requirements: dict[str, Requirement]) -> None:
    assert requirements["gradio"].specifier.contains(card["sdk_version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(card["python_version"])
    assert card["python_version"] == "3.12"  # the one that ZeroGPU and all packages have in common


def test_ranges_leave_room_for_what_a_space_installs_itself(requirements: dict[str, Requirement]) -> None:
    """A Space brings its own gradio, spaces and huggingface_hub; a pin here would be a conflict."""
    assert "spaces" not in requirements
    for name in ("gradio", "huggingface_hub", "torch"):
        operators = {clause.operator for clause in requirements[name].specifier}
        assert not operators & {"==", "===", "~="}, name
    assert all(requirements["torch"].specifier.contains(version) for version in ON_ZERO_GPU)


def test_the_page_about_spaces_names_what_exists() -> None:
    page = (ROOT / "docs" / "SPACE.md").read_text("utf-8")
    for linked in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (ROOT / "docs" / linked).exists(), linked
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "nopo").rglob("*.py"))
    for variable in set(re.findall(r"\bNOPO_[A-Z_]+", page)):
        assert variable in code, variable
    assert json.dumps(ON_ZERO_GPU[-1]).strip('"') in page
