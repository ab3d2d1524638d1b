from dataclasses import replace

import pytest
import torch

from nopo.evaluate.protocol import held_out_subjects
from nopo.synthetic import dataset
from nopo.synthetic.dataset import make_batch
from nopo.synthetic.dice import Dice
from nopo.synthetic.figure import PIECES, load_figure
from nopo.synthetic.paint import paint
from nopo.synthetic.person import sample_person
from nopo.synthetic.things import KINDS, Thing, sample_thing
from nopo.synthetic.wardrobe import HUNG, sample_look, sample_outfit, with_something_hung
from nopo.train.people import next_batch
from nopo.train.recipe import Recipe

SIZE = 64


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_covers_a_part_of_the_person(kind):
    person = torch.zeros(192, 192)
    person[24:180, 72:120] = 1
    for seed in range(20):
        thing = sample_thing(Dice(seed), person, kind)
        assert 0 <= thing.cover.min() and thing.cover.max() > 0.9
        assert 0 <= thing.colour.min() and thing.colour.max() <= 1 and thing.colour.shape == (3, 192, 192)
        assert (thing.cover * person).sum() > 5
        assert thing.cover.mean() < 0.6


def test_before_nobody_there_is_nothing():
    assert sample_thing(Dice(0), torch.zeros(SIZE, SIZE)).cover.sum() == 0


def test_what_a_thing_hides_is_kept_by_the_matte_and_is_no_part_of_the_person(monkeypatch):
    options = {"uv_size": 32, "difficulty": 0.0, "frontal": 1.0, "same_pose": 1.0}
    without = make_batch(torch.Generator().manual_seed(3), 1, 1, SIZE, **options)
    row, column = without.valid[0, 0].nonzero().float().mean(0).round().long().tolist()
    hidden = torch.zeros(SIZE, SIZE)
    hidden[row - 4 : row + 4, column - 4 : column + 4] = 1
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, SIZE, SIZE)
    monkeypatch.setattr(dataset, "sample_thing", lambda dice, person: Thing(hidden, red))
    batch = make_batch(torch.Generator().manual_seed(3), 1, 1, SIZE, things=1.0, **options)
    box = hidden > 0
    assert not batch.valid[0, 0][box].any() and (batch.clean_masks[0, 0][box] == 0).all()
    assert (batch.masks[0, 0][box] == 1).all()
    assert torch.equal(batch.images[0, 0][:, box], red[:, box])
    assert (batch.canonical[0, 0][:, box] == 0).all() and (batch.parts[0, 0][box] == -1).all()
    assert batch.valid[0, 0][~box].any()
    assert batch.uv_visible.sum() < without.uv_visible.sum()  # nor are the texels seen that it hides


def test_training_shows_things_and_evaluation_does_not(monkeypatch):
    shown = []

    def spied(dice, person):
        shown.append(person)
        return sample_thing(dice, person)

    monkeypatch.setattr(dataset, "sample_thing", spied)
    subject = next(held_out_subjects(1, 0, 3))
    assert not shown and not subject.photos.people[0].outfit.hung
    recipe = replace(Recipe(), things=1.0)
    recipe = replace(recipe, stages=(replace(recipe.stages[0], until=float("inf"), size=SIZE),))
    batch = next_batch(recipe, 0, 32, "cpu")
    assert len(shown) == len(batch.images) / 2 and all(person.outfit.hung for person in batch.people)
    assert 0 < Recipe().things < 1


def test_people_on_whom_nothing_hangs_are_the_same_as_ever():
    usual, asked = Dice(5), Dice(5)
    one, two = sample_person(load_figure(), usual), sample_person(load_figure(), asked, hung=0.0)
    assert usual.seed() == asked.seed() and one.outfit == two.outfit


@pytest.mark.parametrize("kind", HUNG)
def test_what_hangs_is_seen_on_the_chest_only(kind):
    dice = Dice(1)
    look, outfit = sample_look(dice, 0.0, 30), replace(sample_outfit(dice, 0.0), bag_kind="", opening=0.0)
    hung = replace(with_something_hung(outfit, dice), hung=kind, hung_low=0.1, trim=(1.0, 0.0, 1.0))
    body = load_figure().body
    chest = (body.mean[:, 1] > 0.1) & (body.mean[:, 1] < 0.45) & (body.mean[:, 0].abs() < 0.15)
    front, legs = body.mean[chest & (body.mean[:, 2] > 0.05)], body.mean[body.mean[:, 1] < -0.2]

    def colours(clothes, place):
        piece = torch.full((len(place),), PIECES.index("body"))
        return paint(look, clothes, place, piece, torch.full((len(place),), 0.002)).colour

    plain = replace(outfit, trim=hung.trim)
    changed = (colours(hung, front) - colours(plain, front)).abs().amax(-1) > 0.05
    assert 0.005 < changed.float().mean() < 0.6
    assert torch.equal(colours(hung, legs), colours(plain, legs))
