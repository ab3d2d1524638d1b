"""Light, film, mattes, fabrics, framing: what the pictures are made of."""

import pytest
import torch

from nopo.synthetic.cover import hair_cover, hat_cover, top_cover
from nopo.synthetic.dice import Dice
from nopo.synthetic.fabrics import PATTERNS, fabric_colour, sample_colour, sample_fabric
from nopo.synthetic.figure import PIECES, load_figure
from nopo.synthetic.film import expose_film, jpeg
from nopo.synthetic.framing import sample_framing
from nopo.synthetic.lighting import STUDIO, irradiance, sample_light
from nopo.synthetic.mattes import soften, spoil_matte
from nopo.synthetic.paint import paint
from nopo.synthetic.person import sample_person


@pytest.mark.parametrize("pattern", PATTERNS)
def test_fabrics_are_colours_everywhere(pattern):
    fabric = next(f for f in (sample_fabric(Dice(s)) for s in range(500)) if f.pattern == pattern)
    place = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    colour = fabric_colour(fabric, place, torch.tensor(0.002))
    assert colour.shape == (500, 3) and colour.min() > -0.2 and colour.max() < 1.3
    if pattern not in ("solid", "gradient", "blocks"):
        assert colour.std(0).max() > 0.02


def test_fine_patterns_fade_to_their_mean():
    fabric = next(f for f in (sample_fabric(Dice(s)) for s in range(500)) if f.pattern == "stripes")
    place = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    coarse, sharp = (fabric_colour(fabric, place, torch.tensor(footprint)) for footprint in (1.0, 1e-4))
    torch.testing.assert_close(coarse.mean(0), sharp.mean(0), atol=0.05, rtol=0)
    assert coarse.std(0).max() < 0.05


def test_clothes_are_not_all_dark():
    colours = torch.tensor([sample_colour(Dice(s)) for s in range(400)])
    bright = colours.amax(1)
    assert (bright > 0.5).float().mean() > 0.55 and (bright < 0.25).float().mean() < 0.25


def test_faces_have_eyes_brows_and_a_mouth():
    figure = load_figure()
    everybody = (sample_person(figure, Dice(seed)) for seed in range(80))
    bare = (p for p in everybody if not p.look.glasses and not p.look.beard and not p.look.smile)
    person = next(p for p in bare if sum(p.look.skin) > 1.8 and sum(p.look.hair) < 1)
    eye = PIECES.index("eyes")
    place = torch.tensor([[0.031 + person.look.gaze, 0.599, 0.165], [0.0315, 0.62, 0.15], [0.0, 0.527, 0.184],
                          [0.05, 0.645, 0.14]])  # fmt: skip
    colour = paint(person.look, person.outfit, place, torch.tensor([eye, 0, 0, 0]), torch.full((4,), 0.0005)).colour
    pupil, brow, lip, forehead = colour
    assert pupil.max() < 0.3 and brow.mean() < forehead.mean() - 0.15
    assert lip[0] - lip[1] > forehead[0] - forehead[1]  # lips are redder than skin


def test_smiles_show_teeth_and_hijabs_leave_the_face_free():
    everybody = [sample_person(load_figure(), Dice(seed)) for seed in range(60)]
    smiling = next(p for p in everybody if p.look.smile > 0.8)
    place, footprint = torch.tensor([[0.0, 0.5295, 0.18]]), torch.tensor([0.0005])
    teeth = paint(smiling.look, smiling.outfit, place, torch.tensor([0]), footprint).colour
    assert teeth.min() > 0.75
    veiled = next(p for p in everybody if p.outfit.hat_kind == "hijab").outfit
    nose, crown, ear, nape = hat_cover(veiled, torch.tensor([[0, 0.57, 0.19], [0, 0.7, 0.06], [0.08, 0.58, 0.06],
                                                             [0, 0.5, -0.02]]))  # fmt: skip
    assert nose < 0 < min(crown, ear, nape)


def test_a_round_neckline_frees_the_face_and_covers_the_chest():
    person = next(p for p in (sample_person(load_figure(), Dice(s)) for s in range(50)) if not p.outfit.vee)
    place = torch.tensor([[0.0, 0.6, 0.15], [0.0, 0.3, 0.15], [0.0, 0.2, -0.08], [0.75, 0.38, 0.05]])
    cover = top_cover(person.outfit, place)
    assert cover[0] < 0 < cover[1] and cover[2] > 0 > cover[3]
    assert (hair_cover(person.look, torch.tensor([[0.0, 0.7, 0.0]])) > 0).all()
    assert (hair_cover(person.look, torch.tensor([[0.0, 0.6, 0.17]])) < 0).all()


def test_light_comes_from_where_it_comes_from():
    sun = sample_light(Dice(0), "sun")
    key = torch.tensor(sun.key)
    towards, away = irradiance(sun, torch.stack([key, -key]), torch.ones(2))
    assert towards.mean() > 1.5 * away.mean() > 0
    lit = irradiance(STUDIO, torch.tensor([[0.0, 0, 1]]), torch.tensor([1.0]))
    assert 0.75 < lit.mean() < 1.3  # colours look like themselves


def test_jpeg_of_a_smooth_picture_changes_little():
    picture = torch.linspace(0, 1, 64)[None, None].expand(3, 50, 64).clone()
    assert (jpeg(picture, 0.5) - picture).abs().mean() < 0.02
    noisy = torch.rand(3, 50, 64, generator=torch.Generator().manual_seed(0))
    assert (jpeg(noisy, 2.0) - noisy).abs().mean() > 0.03


def test_film_keeps_pictures_in_range():
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    for seed in range(20):
        out = expose_film(picture, Dice(seed))
        assert out.min() >= 0 and out.max() <= 1 and (out - picture).abs().mean() < 0.35


def test_spoiled_mattes_differ_and_mostly_agree():
    clean = torch.zeros(64, 64)
    clean[10:58, 20:44] = 1
    spoiled = torch.stack([spoil_matte(clean, Dice(seed)) for seed in range(60)])
    assert spoiled.min() >= 0 and spoiled.max() <= 1
    changed = (spoiled - clean).abs().mean((1, 2))
    assert (changed == 0).float().mean() > 0.1 and (changed > 0).float().mean() > 0.5 and changed.mean() < 0.1


def test_blur_keeps_the_mean():
    picture = torch.rand(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = soften(picture, 1.5)
    assert (blurred.mean() - picture.mean()).abs() < 0.02 and blurred.std() < 0.5 * picture.std()


def test_truncated_photos_cut_the_legs_and_keep_the_head():
    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    points = points * torch.tensor([0.5, 1.8, 0.3])
    for seed in range(20):
        framing = sample_framing(Dice(seed), points, 128, 0.3, truncated=True)
        pixel = framing.camera.project(points)
        lowest, highest = points[:, 1].argmin(), points[:, 1].argmax()
        assert pixel[lowest, 1] > framing.window[3] and -12 < pixel[highest, 1] < 64  # a little may miss at the top
        assert 64 < framing.window[3] < 128
