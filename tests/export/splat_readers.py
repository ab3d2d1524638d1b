"""Readers of splat files, written from the descriptions of the formats: nothing of `nopo.export` is used here."""

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from plyfile import PlyData

DC = 0.28209479177387814


@dataclass
class Read:
    """Means [N, 3], covars [N, 3, 3], opacities [N], rgb [N, 3] of the constant colour, rest [N, S - 1, 3]."""

    means: np.ndarray
    covars: np.ndarray
    opacities: np.ndarray
    rgb: np.ndarray
    rest: np.ndarray

    def matched_to(self, means: np.ndarray) -> "Read":
        """The same in the order of other, nearly equal means."""
        order = np.array([np.square(self.means - mean).sum(1).argmin() for mean in means])
        assert len(set(order)) == len(order) == len(self.means)
        return Read(*(getattr(self, name)[order] for name in ("means", "covars", "opacities", "rgb", "rest")))


def covars_of(scales: np.ndarray, wxyz: np.ndarray) -> np.ndarray:
    w, x, y, z = (wxyz / np.linalg.norm(wxyz, axis=1, keepdims=True)).T.astype(np.float64)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    axes = np.array(rows).transpose(2, 0, 1)  # [N, 3, 3]
    return axes * (scales.astype(np.float64) ** 2)[:, None] @ axes.transpose(0, 2, 1)


def read_ply(path: Path) -> Read:
    vertex = PlyData.read(path)["vertex"]

    def columns(*names: str) -> np.ndarray:
        return np.stack([np.asarray(vertex[name]) for name in names], 1)

    rest = [p.name for p in vertex.properties if p.name.startswith("f_rest_")]
    assert rest == [f"f_rest_{i}" for i in range(len(rest))]
    sh = (
        columns(*rest).reshape(len(vertex.data), 3, -1).transpose(0, 2, 1)
        if rest
        else np.zeros((len(vertex.data), 0, 3))
    )
    return Read(
        columns("x", "y", "z"),
        covars_of(np.exp(columns("scale_0", "scale_1", "scale_2")), columns("rot_0", "rot_1", "rot_2", "rot_3")),
        1 / (1 + np.exp(-np.asarray(vertex["opacity"], np.float64))),
        columns("f_dc_0", "f_dc_1", "f_dc_2") * DC + 0.5,
        sh,
    )


def read_splat(path: Path) -> Read:
    content = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 32)
    places = np.ascontiguousarray(content[:, :24]).view("<f4")
    quats = (content[:, 28:].astype(np.float64) - 128) / 128
    return Read(
        places[:, :3],
        covars_of(places[:, 3:], quats),
        content[:, 27] / 255,
        content[:, 24:27] / 255,
        np.zeros((len(content), 0, 3)),
    )


def read_compressed_ply(path: Path) -> Read:
    """PlayCanvas: a chunk of bounds for each 256 vertices of four packed words."""
    ply = PlyData.read(path)
    vertex, count = ply["vertex"], ply["vertex"].count
    chunk = {p.name: np.repeat(ply["chunk"][p.name], 256)[:count] for p in ply["chunk"].properties}

    def between(kind: str, axis: str, value: np.ndarray) -> np.ndarray:
        low, high = chunk[f"min_{kind}{axis}"], chunk[f"max_{kind}{axis}"]
        return low + (high - low) * value

    def eleven_ten_eleven(word: np.ndarray) -> tuple[np.ndarray, ...]:
        return (word >> 21) / 2047, (word >> 11 & 1023) / 1023, (word & 2047) / 2047

    def bytes_of(word: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple((word >> shift & 255) / 255 for shift in (24, 16, 8, 0))

    position = [between("", a, v) for a, v in zip("xyz", eleven_ten_eleven(vertex["packed_position"]), strict=True)]
    scale = [between("scale_", a, v) for a, v in zip("xyz", eleven_ten_eleven(vertex["packed_scale"]), strict=True)]
    *rgb, opacity = bytes_of(vertex["packed_color"])
    turn = vertex["packed_rotation"]
    three = np.stack([(turn >> shift & 1023) / 1023 for shift in (20, 10, 0)], 1) * np.sqrt(2) - np.sqrt(2) / 2
    sh = np.zeros((count, 0, 3))
    if "sh" in ply:
        names = [f"f_rest_{i}" for i in range(len(ply["sh"].properties))]
        stored = np.stack([ply["sh"][name] for name in names], 1).astype(np.float64)
        sh = ((stored / 256 - 0.5) * 8).reshape(count, 3, -1).transpose(0, 2, 1)
    return Read(
        np.stack(position, 1),
        covars_of(np.exp(np.stack(scale, 1)), _with_largest(three, turn >> 30)),
        opacity,
        np.stack([between("", c, v) for c, v in zip("rgb", rgb, strict=True)], 1),
        sh,
    )


def read_spz(path: Path) -> Read:
    """Niantic, version 3: a gzipped header of 16 bytes, then each attribute of all points."""
    content = gzip.decompress(path.read_bytes())
    magic, version, count = np.frombuffer(content, "<u4", 3)
    degree, fraction_bits = content[12], content[13]
    assert magic == 0x5053474E and version == 3
    parts, offset = [], 16
    for size in (9, 1, 3, 3, 4, 3 * ((degree + 1) ** 2 - 1)):
        parts.append(np.frombuffer(content, np.uint8, size * count, offset).reshape(count, size))
        offset += size * count
    assert offset == len(content)
    places, opacity, colour, scale, turn, sh = parts
    wide = places.reshape(count, 3, 3).astype(np.int64) @ np.array([1, 256, 65536])
    wide = np.where(wide >= 1 << 23, wide - (1 << 24), wide)
    word = np.ascontiguousarray(turn).view("<u4")[:, 0]
    nine = np.stack([word >> shift & 1023 for shift in (20, 10, 0)], 1)
    three = np.where(nine & 512, -1, 1) * (nine & 511) / 511 * np.sqrt(0.5)
    xyzw = _with_largest(three, word >> 30)
    return Read(
        wide / (1 << fraction_bits),
        covars_of(np.exp(scale / 16.0 - 10), xyzw[:, [3, 0, 1, 2]]),
        opacity[:, 0] / 255,
        (colour / 255.0 - 0.5) / 0.15 * DC + 0.5,
        (sh.reshape(count, -1, 3) - 128.0) / 128,
    )


def read_sog(path: Path) -> Read:
    """PlayCanvas, version 2: a zip of lossless WebP pictures, a pixel for each point."""
    archive = zipfile.ZipFile(path)
    meta = json.loads(archive.read("meta.json"))
    assert meta["version"] == 2

    def pixels(name: str) -> np.ndarray:
        with archive.open(name) as file:
            return np.asarray(Image.open(file).convert("RGBA")).reshape(-1, 4)[: meta["count"]].astype(np.int64)

    means, scales, sh0 = meta["means"], meta["scales"], meta["sh0"]
    low, high = (pixels(name)[:, :3] for name in means["files"])
    span = np.array(means["maxs"]) - np.array(means["mins"])
    logarithm = np.array(means["mins"]) + span * (low + 256 * high) / 65535
    turn = pixels(meta["quats"]["files"][0])
    three = (turn[:, :3] / 255 - 0.5) * np.sqrt(2)
    colour = pixels(sh0["files"][0])
    return Read(
        np.sign(logarithm) * (np.exp(np.abs(logarithm)) - 1),
        covars_of(
            np.exp(np.array(scales["codebook"])[pixels(scales["files"][0])[:, :3]]),
            _with_largest(three, turn[:, 3] - 252),
        ),
        colour[:, 3] / 255,
        np.array(sh0["codebook"])[colour[:, :3]] * DC + 0.5,
        np.zeros((meta["count"], 0, 3)),
    )


def _with_largest(three: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, 4] from all but the largest component, which is positive and stands at `place`."""
    largest = np.sqrt(np.clip(1 - np.square(three).sum(1), 0, 1))
    whole = np.empty((len(three), 4))
    for i in range(4):
        others = [k for k in range(4) if k != i]
        rows = np.asarray(place) == i
        whole[np.ix_(rows, others)] = three[rows]
        whole[rows, i] = largest[rows]
    return whole
