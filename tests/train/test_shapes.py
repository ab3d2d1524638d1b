import torch

from nopo.body.open import load_open_body
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network
from nopo.synthetic.dataset import make_batch
from nopo.train.shapes import know_people


def test_the_components_say_most_of_what_new_people_look_like():
    size = 32
    torch.manual_seed(0)
    network = Network(ModelConfig.open(template_size=size))
    know_people(network, seed=0)
    head = network.shape
    assert head is not None
    people = make_batch(torch.Generator().manual_seed(99), 12, 1, 16, uv_size=size)
    texels = people.uv_mask.flatten()
    anchor = load_open_body().template(size).positions.flatten(0, 1)
    unlike_average = (people.uv_positions.flatten(1, 2) - anchor - head.mean)[:, texels].flatten(1)  # [12, 3·K]
    basis = head.basis[:, texels].flatten(1)
    explained = unlike_average @ basis.T @ torch.linalg.inv(basis @ basis.T) @ basis
    assert (unlike_average - explained).norm() < 0.4 * unlike_average.norm()
    coefficients = unlike_average @ basis.T @ torch.linalg.inv(basis @ basis.T)
    assert 0.3 < float(coefficients.square().mean().sqrt()) < 3  # in standard deviations
    assert torch.equal(head.bone_weights[texels].sum(1).round(decimals=3), torch.ones(int(texels.sum())))
