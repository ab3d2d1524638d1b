import pytest
import torch

from nopo.errors import TrainingError
from nopo.train import state as state_module
from nopo.train.state import append_history, load_state, read_history, save_state


def test_a_state_comes_back_equal(tmp_path):
    save_state(tmp_path, {"step": 3, "ema": {"w": torch.arange(4.0)}})
    loaded = load_state(tmp_path)
    assert loaded["step"] == 3 and torch.equal(loaded["ema"]["w"], torch.arange(4.0))


def test_an_empty_folder_has_no_state(tmp_path):
    assert load_state(tmp_path) is None


def test_a_full_disk_keeps_the_old_state(tmp_path, monkeypatch):
    save_state(tmp_path, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_module.torch, "save", full)
    with pytest.raises(TrainingError, match="disk full"):
        save_state(tmp_path, {"step": 2})
    monkeypatch.undo()
    assert load_state(tmp_path)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_damaged_state_says_what_to_do(tmp_path):
    save_state(tmp_path, {"step": 1, "w": torch.zeros(1000)})
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(TrainingError, match="delete it"):
        load_state(tmp_path)


def test_history_survives_a_line_cut_by_a_kill(tmp_path):
    append_history(tmp_path, {"step": 50, "loss": 1.5})
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 100, "lo')
    assert read_history(tmp_path) == [{"step": 50, "loss": 1.5}]
