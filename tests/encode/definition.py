"""The published network's definition, written out one photo, one head and one channel pair at a time; double precision.

The slow, obvious twin of `nopo.encode`: it shares no line with it and reads the published parameter names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

HEAD = 64
SPLIT = (1, 3, 4, 75, 69)  # opacity, scales, quaternion, harmonics, bones


@dataclass
class Definition:
    """Parameters by their published names (without `encoder.`), and the depths that differ in small networks."""

    values: Mapping[str, Tensor]
    encoder_layers: int
    decoder_layers: int
    hooks: tuple[int, int, int, int]

    def linear(self, key: str, x: Tensor) -> Tensor:
        return x @ self.values[key + ".weight"].T + self.values[key + ".bias"]

    def norm(self, key: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return centred / spread * self.values[key + ".weight"] + self.values[key + ".bias"]

    def mlp(self, key: str, x: Tensor) -> Tensor:
        y = self.linear(key + ".fc1", x)
        return self.linear(key + ".fc2", y * 0.5 * (1 + torch.erf(y / math.sqrt(2))))

    def self_attention(self, key: str, x: Tensor, places: Tensor) -> Tensor:
        q, k, v = self.linear(key + ".qkv", x).split(x.shape[1], 1)
        return self.linear(key + ".proj", attend(turn(q, places), turn(k, places), v))

    def cross_attention(self, key: str, x: Tensor, memory: Tensor, places: Tensor, memory_places: Tensor) -> Tensor:
        q, k, v = (self.linear(f"{key}.proj{name}", y) for name, y in (("q", x), ("k", memory), ("v", memory)))
        return self.linear(key + ".proj", attend(turn(q, places), turn(k, memory_places), v))

    def encode(self, photo: Tensor) -> Tensor:
        """Photo [3, H, W] in [-1, 1] -> tokens [h·w, C]."""
        weight = self.values["backbone.patch_embed.proj.weight"].flatten(1)
        patches = photo.unfold(1, 16, 16).unfold(2, 16, 16)  # [3, h, w, 16, 16]
        x = patches.permute(1, 2, 0, 3, 4).flatten(2).flatten(0, 1) @ weight.T
        x = x + self.values["backbone.patch_embed.proj.bias"]
        places = grid(photo.shape[1] // 16, photo.shape[2] // 16)
        for i in range(self.encoder_layers):
            key = f"backbone.enc_blocks.{i}"
            x = x + self.self_attention(key + ".attn", self.norm(key + ".norm1", x), places)
            x = x + self.mlp(key + ".mlp", self.norm(key + ".norm2", x))
        return self.norm("backbone.enc_norm", x)

    def decode(self, key: str, x: Tensor, memory: Tensor, places: Tensor, memory_places: Tensor) -> Tensor:
        x = x + self.self_attention(key + ".attn", self.norm(key + ".norm1", x), places)
        y = self.norm(key + ".norm_y", memory)
        x = x + self.cross_attention(key + ".cross_attn", self.norm(key + ".norm2", x), y, places, memory_places)
        return x + self.mlp(key + ".mlp", self.norm(key + ".norm3", x))

    def features(self, photos: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Hooked tokens of the template [4] and of every photo [V][4]."""
        rows, columns = photos.shape[2] // 16, photos.shape[3] // 16
        x = [self.encode(photo) for photo in photos]
        t = self.values["backbone.template_embed"]
        side = math.isqrt(len(t))
        here, there = grid(rows, columns), grid(side, side)
        template, views = [t], [x]
        t, x = self.linear("backbone.decoder_embed", t), [self.linear("backbone.decoder_embed", y) for y in x]
        for i in range(self.decoder_layers):
            seen = self.decode(f"backbone.dec_blocks.{i}", t, torch.cat(x), there, here.repeat(len(x), 1))
            looked = []
            for k, y in enumerate(x):
                memory = torch.cat([t, *(other for u, other in enumerate(x) if u != k)])
                places = torch.cat([there, here.repeat(len(x) - 1, 1)])
                looked.append(self.decode(f"backbone.dec_blocks2.{i}", y, memory, here, places))
            t, x = seen, looked
            template.append(t)
            views.append(x)
        template[-1] = self.norm("backbone.dec_norm", template[-1])
        views[-1] = [self.norm("backbone.dec_norm", y) for y in views[-1]]
        return [template[i] for i in self.hooks], [[views[i][k] for i in self.hooks] for k in range(len(photos))]

    def conv(self, key: str, x: Tensor, stride: int = 1, bias: bool = True) -> Tensor:
        """[C, H, W] padded so that a stride of 1 keeps the size."""
        weight = self.values[key + ".weight"]
        side = weight.shape[2]
        patches = F.unfold(x[None], side, padding=side // 2, stride=stride)[0]
        y = weight.flatten(1) @ patches
        if bias:
            y = y + self.values[key + ".bias"][:, None]
        return y.unflatten(1, [-(-n // stride) for n in x.shape[1:]])

    def grow(self, key: str, x: Tensor) -> Tensor:
        """Transposed convolution whose kernel is as wide as its stride."""
        y = torch.einsum("ihw,ioab->ohawb", x, self.values[key + ".weight"]).flatten(3, 4).flatten(1, 2)
        return y + self.values[key + ".bias"][:, None, None]

    def unit(self, key: str, x: Tensor) -> Tensor:
        return x + self.conv(key + ".conv2", self.conv(key + ".conv1", x.clamp_min(0)).clamp_min(0))

    def fuse(self, key: str, x: Tensor, skip: Tensor | None = None) -> Tensor:
        if skip is not None:
            x = x + self.unit(key + ".resConfUnit1", skip)
        return self.conv(key + ".out_conv", double(self.unit(key + ".resConfUnit2", x)))

    def trunk(self, key: str, tokens: list[Tensor], rows: int) -> Tensor:
        maps = [x.T.unflatten(1, (rows, -1)) for x in tokens]
        entry = key + ".act_postprocess."
        levels = [
            self.grow(entry + "0.1", self.conv(entry + "0.0", maps[0])),
            self.grow(entry + "1.1", self.conv(entry + "1.0", maps[1])),
            self.conv(entry + "2.0", maps[2]),
            self.conv(entry + "3.1", self.conv(entry + "3.0", maps[3]), stride=2),
        ]
        levels = [self.conv(f"{key}.scratch.layer{i + 1}_rn", x, bias=False) for i, x in enumerate(levels)]
        x = self.fuse(f"{key}.scratch.refinenet4", levels[3])[:, : levels[2].shape[1], : levels[2].shape[2]]
        for i in (3, 2, 1):
            x = self.fuse(f"{key}.scratch.refinenet{i}", x, levels[i - 1])
        return x

    def gaussians(self, stream: str, tokens: list[Tensor], image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """One template or photo: image [C, H, W] as its head sees it, mask [H, W] -> tensors [H·W, ...]."""
        rows = mask.shape[0] // 16
        key = f"downstream_head{'1_template' if stream == 'template' else '2'}.dpt"
        x = double(self.conv(key + ".head.0", self.trunk(key, tokens, rows)))
        raw = self.conv(key + ".head.4", self.conv(key + ".head.2", x).clamp_min(0)).flatten(1).T  # [M, 3]
        length = raw.norm(dim=1, keepdim=True)
        means = raw / length.clamp_min(1e-8) * (length.exp() - 1)

        key = f"gaussian_param_head{'_template' if stream == 'template' else '2'}.dpt"
        x = double(self.trunk(key, tokens, rows)) + self.conv(key + ".input_merger.0", image).clamp_min(0)
        x = self.conv(key + ".head.4", self.conv(key + ".head.0", x, bias=False).clamp_min(0))
        opacity, scales, quaternion, harmonics, bones = x.flatten(1).T[:, : sum(SPLIT)].split(SPLIT, 1)
        scales = (0.001 * F.softplus(scales)).clamp_max(0.3)
        rotation = rotation_of(quaternion / (quaternion.norm(dim=1, keepdim=True) + 1e-8))
        sh = harmonics.unflatten(1, (3, 25)).clone()
        for degree in range(1, 5):
            sh[:, :, degree**2 : (degree + 1) ** 2] *= 0.1 * 0.25**degree
        return {
            "means": means,
            "covars": rotation @ torch.diag_embed(scales.square()) @ rotation.mT,
            "opacities": opacity[:, 0].sigmoid() * mask.flatten(),
            "sh": sh.mT,
            "bone_logits": bones,
        }


def grid(rows: int, columns: int) -> Tensor:
    """[rows · columns, 2] row and column of every token."""
    return torch.tensor([(r, c) for r in range(rows) for c in range(columns)])


def turn(x: Tensor, places: Tensor) -> Tensor:
    """RoPE2D of [n, heads · 64]: row angles on the first half of a head's channels, column angles on the second."""
    out = torch.empty_like(x)
    for start in range(0, x.shape[1], 32):
        place = places[:, (start // 32) % 2].double()
        for k in range(16):
            angle = place * 100 ** (-2 * k / 32)
            a, b = x[:, start + k], x[:, start + k + 16]
            out[:, start + k] = a * angle.cos() - b * angle.sin()
            out[:, start + k + 16] = b * angle.cos() + a * angle.sin()
    return out


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """[n, heads · 64] over [m, heads · 64], one head after the other."""
    heads = zip(q.split(HEAD, 1), k.split(HEAD, 1), v.split(HEAD, 1), strict=True)
    return torch.cat([(a @ b.T / math.sqrt(HEAD)).softmax(1) @ c for a, b, c in heads], 1)


def double(x: Tensor) -> Tensor:
    """[C, H, W] -> [C, 2H, 2W]: the corners' centres stay where they are (align_corners)."""

    def along(n: int) -> Tensor:
        weights = torch.zeros(2 * n, n, dtype=x.dtype)
        for i in range(2 * n):
            place = i * (n - 1) / (2 * n - 1)
            low = min(int(place), max(n - 2, 0))
            weights[i, low] += 1 - (place - low)
            weights[i, min(low + 1, n - 1)] += place - low
        return weights

    return torch.einsum("ah,chw,bw->cab", along(x.shape[1]), x, along(x.shape[2]))


def rotation_of(quaternion: Tensor) -> Tensor:
    """Quaternions (x, y, z, w) [M, 4] -> [M, 3, 3]."""
    x, y, z, w = quaternion.unbind(1)
    s = 2 / (quaternion.square().sum(1) + 1e-8)
    rows = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
