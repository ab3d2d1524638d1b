import logging
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.encode.checkpoint import load_network
from nopo.encode.config import ModelConfig
from nopo.errors import TrainingError
from nopo.train import people, trainer
from nopo.train.groups import share_out
from nopo.train.recipe import Recipe, Stage
from nopo.train.state import load_state, read_history, save_state
from nopo.train.trainer import train_open
from nopo.weights import resolve

RECIPE = Recipe(photos=2, stages=(Stage(float("inf"), 64, 0.5, views=(0.5, 0.5)),), warmup=1)
CONFIG = replace(
    ModelConfig.open(), template_size=32, unet=(8, 16, 32, 64), unet_blocks=(1, 1, 1, 1), shape_components=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def start(out: Path, resume: bool) -> trainer.Run:
    return trainer._start(out, "cpu", RECIPE, CONFIG, resume, scratch=True)


def steps(run: trainer.Run, count: int) -> None:
    template = load_open_body().template(CONFIG.template_size)
    for _ in islice(trainer._steps(run, template, RECIPE, "cpu", "fp32"), count):
        pass


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path):
    whole = start(tmp_path / "whole", resume=False)
    steps(whole, 4)
    first = start(tmp_path / "broken", resume=False)
    steps(first, 2)
    (tmp_path / "broken").mkdir()
    save_state(tmp_path / "broken", first.state())
    (tmp_path / "broken" / "state.pt.part").write_bytes(b"what kill -9 leaves of a state half written")
    second = start(tmp_path / "broken", resume=True)
    steps(second, 2)
    assert (second.step, second.seen) == (whole.step, whole.seen)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
    assert all(torch.equal(tensor, second.ema[name]) for name, tensor in whole.ema.items())


def test_training_writes_a_checkpoint_that_loads_and_says_where_it_resumes(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="nopo")
    path = train_open(tmp_path, 9, recipe=RECIPE, config=CONFIG, scratch=True, sheet_minutes=0, max_steps=1)
    network = load_network(path)
    assert network.config == CONFIG
    assert torch.allclose(network.template_joints, load_open_body().rest_joints(), atol=1e-3)
    assert load_state(tmp_path)["step"] == 1
    train_open(tmp_path, 9, recipe=RECIPE, resume=True, sheet_minutes=0, max_steps=1)
    assert "Resuming from step 1" in caplog.text
    assert load_state(tmp_path)["step"] == 2


def test_torch_is_left_as_it_was_and_no_time_at_all_is_enough_for_a_step(tmp_path):
    torch.set_num_threads(2)
    train_open(tmp_path, 0, recipe=RECIPE, config=CONFIG, scratch=True, sheet_minutes=0, cooldown=True)
    assert torch.get_num_threads() == 2


def test_learning_lowers_the_error(tmp_path):
    run = start(tmp_path, resume=False)
    template = load_open_body().template(CONFIG.template_size)
    batch = people.next_batch(RECIPE, 0, CONFIG.template_size, "cpu")
    errors = [trainer._step(run, batch, template, RECIPE, "cpu", "fp32")["canonical_cm"] for _ in range(25)]
    assert errors[-1] < 0.75 * errors[0]


def test_the_same_seed_gives_the_same_people_whatever_came_before():
    one = people.next_batch(RECIPE, 100, 32, "cpu")
    people.next_batch(RECIPE, 108, 32, "cpu")
    again = people.next_batch(RECIPE, 100, 32, "cpu")
    assert torch.equal(one.images, again.images)


def test_people_made_ahead_are_those_that_would_be_made_in_time():
    with closing(people.people_ahead(RECIPE, 100, 32, "cpu")) as coming:
        seen = 100
        for batch in islice(coming, 4):
            assert torch.equal(batch.images, people.next_batch(RECIPE, seen, 32, "cpu").images)
            seen += people.photos_of(batch)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    save_state(tmp_path, {"step": 1})
    with pytest.raises(TrainingError, match="--resume"):
        train_open(tmp_path, 1, recipe=RECIPE, config=CONFIG)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_in_one_sentence(tmp_path):
    with pytest.raises(TrainingError, match="--device cpu"):
        train_open(tmp_path, 1, device="cuda")
    assert not any(tmp_path.iterdir())


def test_tensor_cores_are_refused_on_the_cpu(tmp_path):
    with pytest.raises(TrainingError, match="cuda"):
        train_open(tmp_path, 1, precision="tf32")


def test_a_processor_without_half_precision_says_so(monkeypatch, caplog):
    caplog.set_level(logging.WARNING, logger="nopo")
    for capability, warned in (("AVX2", True), ("AVX512", False)):
        caplog.clear()
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        trainer._check("cpu", "bf16")
        assert ("use fp32" in caplog.text) == warned
    trainer._check("cpu", "fp32")
    assert not caplog.text


def test_half_precision_learns_on_the_cpu(tmp_path):
    run = start(tmp_path, resume=False)
    template = load_open_body().template(CONFIG.template_size)
    batch = people.next_batch(RECIPE, 0, CONFIG.template_size, "cpu")
    errors = [trainer._step(run, batch, template, RECIPE, "cpu", "bf16")["canonical_cm"] for _ in range(25)]
    assert errors[-1] < 0.75 * errors[0]


def test_a_cooldown_leaves_the_run_as_it_was(tmp_path):
    train_open(tmp_path, 9, recipe=RECIPE, config=CONFIG, scratch=True, sheet_minutes=0, max_steps=1)
    before = (tmp_path / "state.pt").read_bytes()
    first = (tmp_path / trainer.CHECKPOINT).read_bytes()
    cooled = train_open(tmp_path, 9, recipe=RECIPE, resume=True, cooldown=True, sheet_minutes=0, max_steps=2)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert (tmp_path / trainer.CHECKPOINT).read_bytes() == first
    better = cooled.read_bytes()
    assert cooled.name == trainer.COOLED and better != first
    train_open(tmp_path, 9, recipe=RECIPE, resume=True, sheet_minutes=0, max_steps=1)
    assert cooled.read_bytes() == better, "the run that goes on leaves it there"
    assert load_network(cooled).config == CONFIG


def test_a_resumed_run_goes_by_the_recipe_of_today(tmp_path):
    train_open(tmp_path, 9, recipe=RECIPE, config=CONFIG, scratch=True, sheet_minutes=0, max_steps=1)
    recipe = replace(RECIPE, weight_decay=0.5)
    run = trainer._start(tmp_path, "cpu", recipe, CONFIG, True, False)
    decays = {group["weight_decay"] for optimizer in run.optimizers for group in optimizer.param_groups}
    assert 0.5 in decays and decays <= {0.0, 0.5}
    assert any(optimizer.state for optimizer in run.optimizers), "and where the optimisers were"


def test_the_learning_rate_falls_to_zero_in_a_cooldown(tmp_path, monkeypatch):
    rates: list[float] = []
    step = trainer._step
    clock = iter(range(0, 10_000, 5))  # seconds: five pass between any two looks
    monkeypatch.setattr(trainer.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(trainer, "_step", lambda run, *args: (step(run, *args), rates.append(run.pace))[0])
    train_open(tmp_path, 0.5, recipe=RECIPE, config=CONFIG, scratch=True, cooldown=True, sheet_minutes=0)
    assert rates[0] == 1 and sorted(rates, reverse=True) == rates and rates[-1] < 0.3


def test_two_learners_learn_what_one_does_and_the_same_every_time(tmp_path):
    """Their gradients must lie in memory as the weights do: the optimiser pairs them by place."""
    template = load_open_body().template(CONFIG.template_size)
    errors = []
    for folder in ("one", "again"):
        run = start(tmp_path / folder, resume=False)
        batch = people.next_batch(RECIPE, 0, CONFIG.template_size, "cpu")
        figures = [trainer._step(run, batch, template, RECIPE, "cpu", "fp32", learners=2) for _ in range(25)]
        errors.append([step["canonical_cm"] for step in figures])
    assert errors[0] == errors[1]
    assert errors[0][-1] < 0.75 * errors[0][0]
    assert all(p.grad is not None and p.grad.stride() == p.stride() for p in run.network.parameters())


def test_people_in_windows_of_one_width_are_learned_from_together():
    batch = people.next_batch(RECIPE, 0, CONFIG.template_size, "cpu")
    many = [batch, people.next_batch(RECIPE, 100, CONFIG.template_size, "cpu")]
    for batch in many:
        shares = share_out(batch, CONFIG, learners=2)
        assert sorted(one for share in shares for group in share for one in group.people) == [*range(len(batch.people))]
        for group in (group for share in shares for group in share):
            seen = group.look_at(batch)
            assert seen.masks.shape[-1] == group.width == seen.canonical.shape[-1] == seen.bone_index.shape[-2]
            for one, k in zip(group.people, range(len(group.people)), strict=True):
                assert seen.valid[k].sum() == batch.valid[one].sum(), "nobody is cut off"
                at = seen.valid[k].nonzero()[0]
                start = int(group.starts[k, at[0]])
                assert torch.equal(
                    seen.canonical[k, at[0], :, at[1], at[2]], batch.canonical[one, at[0], :, at[1], at[2] + start]
                )
                moved = seen.cameras[k][0].K[0, 2] - batch.cameras[one][0].K[0, 2]
                assert float(moved) == -float(group.starts[k, 0])


def test_the_pace_is_a_factor_on_the_learning_rate(tmp_path, monkeypatch):
    rates: list[float] = []
    step = trainer._step
    monkeypatch.setattr(trainer, "_step", lambda run, *args: (step(run, *args), rates.append(run.pace))[0])
    train_open(tmp_path, 9, recipe=RECIPE, config=CONFIG, scratch=True, pace=0.25, sheet_minutes=0, max_steps=2)
    assert rates == [0.25, 0.25]


def test_a_run_of_another_version_is_refused_in_one_sentence(tmp_path):
    whole = start(tmp_path, resume=False).state()
    other_parts = {name: tensor for name, tensor in whole["network"].items() if "reader" not in name}
    lacks = [{k: v for k, v in whole.items() if k != name} for name in ("memory", "optimizers")]
    for lacking in ({**whole, "network": other_parts}, *lacks):
        save_state(tmp_path, lacking)
        with pytest.raises(TrainingError, match="another version of nopo"):
            start(tmp_path, resume=True)
        assert load_state(tmp_path) is not None, "the old run is still there"


def test_a_checkpoint_of_another_size_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(TrainingError, match="--scratch"):
        trainer._start(tmp_path, "cpu", RECIPE, CONFIG, resume=True, scratch=False)


def test_the_history_keeps_every_loss_term(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "REPORT_STEPS", 2)
    train_open(tmp_path, 9, recipe=RECIPE, config=CONFIG, scratch=True, sheet_minutes=0, max_steps=2)
    record = read_history(tmp_path)[0]
    assert {"step", "seen", "photos_per_second", "canonical", "skinning", "joints", "template"} <= set(record)


def test_without_a_state_training_starts_from_the_shipped_checkpoint(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="nopo")
    run = trainer._start(tmp_path, "cpu", RECIPE, ModelConfig.open(), resume=True, scratch=False)
    shipped = load_network(resolve("open"))
    assert run.step == 0 and run.seen > 0 and "shipped checkpoint" in caplog.text
    assert torch.equal(run.network.unet.points.weight, shipped.unet.points.weight)
