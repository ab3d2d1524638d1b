from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.encode.checkpoint import save_network
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.evaluate.open_model import evaluate_open, measure, predict
from nopo.evaluate.protocol import held_out_subjects
from nopo.evaluate.sheet import write_sheet
from nopo.pipeline import Pipeline
from nopo.synthetic.dice import seeded
from nopo.synthetic.person import bank_rows
from nopo.train.people import dice
from nopo.train.recipe import Recipe


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    network = Network(replace(ModelConfig.open(), unet_blocks=(1, 1, 1, 1)))
    network.shape.template_joints.copy_(load_open_body().rest_joints())
    return network.eval()


@pytest.fixture(scope="module")
def subject():
    return next(held_out_subjects(1, seed=3, photos=2))


class Oracle:
    """Knows the truth of one subject: what the best possible network would say of its photos."""

    def __init__(self, network: Network, batch) -> None:
        self.network, self.batch = network, batch

    def __call__(self, images, masks, template):
        prediction = self.network(images, masks, template)
        count = len(images)
        means = self.batch.canonical[0, :count].permute(0, 2, 3, 1).reshape(-1, 3)
        return replace(prediction, image=replace(prediction.image, means=means), rest_joints=self.batch.rest_joints[0])


def test_the_table_has_the_agreed_keys_and_more_photos_are_a_row_each(network, tmp_path):
    save_network(network, tmp_path / "net.safetensors")
    table = evaluate_open(tmp_path / "net.safetensors", subjects=1, seed=5, device="cpu", photos=(1, 3))
    assert set(table) == {"photos_1", "photos_3"}
    for figures in table.values():
        assert {"canonical_mean_cm", "canonical_median_cm", "swaps", "rest_joints_cm"} <= set(figures)
        for kind in ("novel_view", "novel_pose"):
            assert set(figures[kind]) == {"psnr", "psnr_mask", "ssim", "iou"}
            assert 0 < figures[kind]["iou"] <= 1


def test_a_network_that_knows_the_truth_makes_no_canonical_error(network, subject):
    pipeline = Pipeline(network, load_open_body().template(128), torch.device("cpu"))
    oracle = SimpleNamespace(
        network=Oracle(network, subject.photos), template=pipeline.template, device=pipeline.device
    )  # fmt: skip
    knowing, untrained = measure(oracle, subject, 2), measure(pipeline, subject, 2)
    assert knowing["canonical_mean_cm"] == pytest.approx(0, abs=1e-4)
    assert knowing["swaps"] == 0 and knowing["rest_joints_cm"] == pytest.approx(0, abs=1e-4)
    assert untrained["canonical_mean_cm"] > 20


def test_the_same_seed_gives_the_same_people(subject):
    again = next(held_out_subjects(1, seed=3, photos=2))
    assert torch.equal(again.photos.images, subject.photos.images)
    assert torch.equal(again.novel_pose[0].rgb, subject.novel_pose[0].rgb)
    other = next(held_out_subjects(1, seed=4, photos=2))
    assert not torch.equal(other.photos.images, subject.photos.images)


def test_the_photos_go_where_the_network_is_and_what_it_says_comes_back(network, subject):
    template, asked = load_open_body().template(128), []

    def elsewhere(images, masks, _):
        asked.extend((images.device.type, masks.device.type))
        return network(subject.photos.images[0, :1], subject.photos.masks[0, :1], template)

    there = SimpleNamespace(network=elsewhere, template=template, device=torch.device("meta"))
    prediction, avatar = predict(there, subject, 1)
    assert asked == ["meta", "meta"]
    moved = prediction.to("meta")
    tensors = [value for part in (moved, moved.image, moved.template) for value in vars(part).values()]
    assert {value.device.type for value in tensors if isinstance(value, torch.Tensor)} == {"meta"}
    assert avatar.rest_joints.device.type == prediction.facing.device.type == "cpu"


def test_evaluation_and_training_never_share_a_body():
    assert not set(bank_rows(704, held_out=True)) & set(bank_rows(704, held_out=False))


def test_evaluation_and_training_never_share_their_dice():
    def first(generator):
        return int(torch.randint(2**62, (), generator=generator))

    trained = {first(dice(Recipe(), seen)) for seen in range(0, 3000, 30)}
    assert len(trained) == 100
    assert not trained & {first(seeded(number, held_out=True)) for number in range(3000)}


def test_the_sheet_shows_every_person_in_a_row(network, tmp_path):
    from PIL import Image

    pipeline = Pipeline(network, load_open_body().template(128), torch.device("cpu"))
    write_sheet(tmp_path / "sheet.png", pipeline, people=1)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (9 * 256, 256)
        assert len(set(sheet.convert("L").tobytes())) > 50
