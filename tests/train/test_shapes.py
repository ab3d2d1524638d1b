import pytest
import torch

from nopo.body.open import load_open_body
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.synthetic.dataset import make_batch
from nopo.train.shapes import know_people

SIZE = 32


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    network = Network(ModelConfig.open(template_size=SIZE))
    know_people(network, seed=0)
    return network


def test_the_components_say_most_of_what_new_people_look_like(network):
    head = network.shape
    people = make_batch(torch.Generator().manual_seed(99), 12, 1, 16, uv_size=SIZE)
    texels = people.uv_mask.flatten()
    anchor = load_open_body().template(SIZE).positions.flatten(0, 1)
    unlike_average = (people.uv_positions.flatten(1, 2) - anchor - head.mean)[:, texels].flatten(1)  # [12, 3·K]
    basis = head.basis[:, texels].flatten(1)
    explained = unlike_average @ basis.T @ torch.linalg.inv(basis @ basis.T) @ basis
    assert (unlike_average - explained).norm() < 0.4 * unlike_average.norm()
    coefficients = unlike_average @ basis.T @ torch.linalg.inv(basis @ basis.T)
    assert 0.3 < float(coefficients.square().mean().sqrt()) < 3  # in standard deviations
    assert torch.equal(head.bone_weights[texels].sum(1).round(decimals=3), torch.ones(int(texels.sum())))


def test_the_components_say_nearly_all_about_joints(network):
    head = network.shape
    joints = make_batch(torch.Generator().manual_seed(99), 12, 1, 16, uv_size=SIZE).rest_joints
    unlike = (joints - head.template_joints - head.joint_mean).flatten(1)
    basis = head.joint_basis.flatten(1)
    left = unlike - unlike @ torch.linalg.pinv(basis) @ basis
    assert float(left.unflatten(1, (-1, 3)).norm(dim=-1).mean()) < 0.002 < 0.015 < float(unlike.norm(dim=-1).mean())
