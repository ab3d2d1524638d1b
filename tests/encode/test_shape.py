import torch

from nopo.encode.landmarks import SIZE
from nopo.encode.shape import LandmarkReader


def test_a_photo_given_twice_says_the_same_as_once():
    torch.manual_seed(0)
    reader = LandmarkReader(5).eval()
    found = torch.randn(1, 2, SIZE)
    once, twice = reader(found), reader(torch.cat([found, found], 1))
    torch.testing.assert_close(once, twice)
    torch.testing.assert_close(once, reader(found.flip(1)))


def test_photos_that_are_not_trusted_hardly_count():
    torch.manual_seed(0)
    reader = LandmarkReader(5).eval()
    found = torch.randn(1, 2, SIZE)
    alone = reader(found[:, :1])
    before = (reader(found) - alone).norm()
    thought = torch.nn.functional.gelu(reader.think(torch.nn.functional.gelu(reader.look(found))))[0]
    with torch.no_grad():  # trust what tells the first photo from the second
        reader.trust.weight.copy_(50 * (thought[0] - thought[1])[None])
    assert (reader(found) - alone).norm() < 0.01 * before
