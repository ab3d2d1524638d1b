"""A vitl network filled by the deterministic rule of `tests/parity_rules.py`, one parameter at a time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import parity_rules
import torch

from nopo.encode import published
from nopo.encode.config import ModelConfig
from nopo.encode.network import Network

DATA = Path(__file__).parents[1] / "data"


def published_table(template_size: int) -> Iterator[tuple[str, tuple[int, ...], str, str]]:
    """(key, shape, kind, alias target) of every tensor in a published checkpoint."""
    with gzip.open(DATA / f"state_dict_res{template_size}.tsv.gz", "rt") as lines:
        for line in lines:
            if not line.startswith("#"):
                key, shape, _, kind, alias = line.rstrip("\n").split("\t")
                yield key, tuple(int(n) for n in shape.split("x")), kind, alias


def filled_vitl(template_size: int = 256) -> Network:
    config = ModelConfig.vitl(template_size)
    with torch.device("meta"):
        network = Network(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state = {}
    for key, shape, kind, _ in published_table(template_size):
        if kind == "param" and published.why_unused(key) is None:
            name = published.our_name(key)
            assert name is not None, key
            state[name] = published.fit(name, torch.from_numpy(parity_rules.fill_param(key, shape)), shapes[name])
    network.load_state_dict(state, assign=True)
    return network.channels_last().eval()


def meta_of(golden: dict) -> dict:
    return json.loads(str(golden["meta"]))
