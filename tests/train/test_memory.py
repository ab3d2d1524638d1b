from types import SimpleNamespace

import pytest
import torch

from nopo.body.open import load_open_body
from nopo.encode.config import ModelConfig
from nopo.encode.landmarks import SIZE
from nopo.encode.network import Network
from nopo.synthetic.dataset import make_batch
from nopo.synthetic.uv import uv_atlas
from nopo.train import memory
from nopo.train.memory import Memory

TEXELS = 32


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = Network(ModelConfig.open(template_size=TEXELS))
    head = network.shape
    head.template_joints.copy_(load_open_body().rest_joints())
    texels = uv_atlas(TEXELS).pixel
    head.basis[:, texels] = torch.randn(len(head.basis), len(texels), 3) * 0.01
    head.joint_basis.normal_(std=0.01)
    return network


@pytest.fixture(scope="module")
def template():
    return load_open_body().template(TEXELS)


def people(count: int, views: int, seed: int = 0):
    return make_batch(torch.Generator().manual_seed(seed), count, views, 16, uv_size=TEXELS)


def test_photos_of_one_person_are_remembered_together(network, template):
    batch = people(3, 2)
    found = torch.arange(6.0)[:, None, None].expand(6, 1, SIZE)
    remembered = Memory(network)
    remembered.add(found, batch.singles(), template)
    assert remembered.count == 3 and remembered.photos[:3].tolist() == [2, 2, 2]
    for seed in range(20):
        photos, joints, _ = remembered.draw(8, torch.Generator().manual_seed(seed))
        who = (photos[:, 0, 0] // 2).long()
        assert torch.equal(photos[..., 0] // 2, who[:, None].expand(-1, photos.shape[1]).float())
        assert photos.shape[1] == 1 or bool((photos[:, 0, 0] != photos[:, 1, 0]).all())
        torch.testing.assert_close(joints, batch.rest_joints[who] - network.shape.template_joints)


def test_the_oldest_are_forgotten(network, template, monkeypatch):
    monkeypatch.setattr(memory, "PEOPLE", 4)
    remembered = Memory(network)
    for seed in range(3):
        remembered.add(torch.full((2, 1, SIZE), float(seed)), people(2, 1, seed), template)
    photos, _, _ = remembered.draw(100, torch.Generator().manual_seed(0))
    assert set(photos[:, 0, 0].tolist()) == {1.0, 2.0}
    again = Memory(network)
    again.load(remembered.state())
    assert torch.equal(again.draw(9, torch.Generator().manual_seed(1))[0],
                       remembered.draw(9, torch.Generator().manual_seed(1))[0])  # fmt: skip


def test_who_says_the_truth_is_not_wrong(network, template):
    """Coefficients of a surface and joints that the components can say, put into the reader's mouth."""
    head = network.shape.double()
    reading = Memory(network).reading
    said = torch.randn(2, len(head.joint_basis) + len(head.basis), dtype=torch.float64)
    joints, offsets = head.body(said)
    truth = reading.joints(joints), reading.surface(offsets[:, reading.texels])
    reading.head = SimpleNamespace(joint_basis=head.joint_basis, basis=head.basis, reader=lambda _: said)
    of_joints, of_surface = reading.errors(torch.zeros(2, 1, SIZE), *truth)
    assert float(of_joints) < 1e-9 and float(of_surface) < 1e-9
    reading.head.reader = lambda _: said + 1
    assert all(float(error) > 1e-3 for error in reading.errors(torch.zeros(2, 1, SIZE), *truth))
