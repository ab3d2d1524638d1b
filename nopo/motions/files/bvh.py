"""BVH files: a tree of offsets, and channels of positions and Euler angles frame by frame.

The parser is ours because the format is a page long and the readers on PyPI either make a Python object of every joint
of every frame (minutes for a long take) or bring compiled mathematics libraries along.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nopo.errors import MotionError
from nopo.motions.files.parts import Recording, frame_limit
from nopo.rotations import axis_angle_to_matrix

MAX_BYTES = 512 << 20
MAX_JOINTS = 1000
MAX_PLACES = 5_000_000
"""Joints times frames; where each of them is takes a hundred bytes."""

_MOTION = re.compile(r"\bMOTION\s+Frames:\s*(\d+)\s*Frame\s+Time:\s*(\S+)[^\n]*\n", re.IGNORECASE)
_LINE = re.compile(r"\S[^\n]*")
_CHANNEL = re.compile(r"^([XYZ])(position|rotation)$", re.IGNORECASE)


@dataclass
class Tree:
    """A BVH hierarchy; end sites are joints without channels, named after their parents with " end".

    Attributes:
        names: of the J joints, parents before children.
        parents: -1 for roots.
        offsets: (J, 3) from the parent, in the file's units.
        channels: for each joint, (column, axis 0-2, is a rotation) in the order they apply.
    """

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[tuple[int, int, bool]]] = field(default_factory=list)

    def rest_positions(self) -> Tensor:
        """Positions [J, 3] with all angles zero."""
        positions: list[Tensor] = []
        for parent, offset in zip(self.parents, self.offsets, strict=True):
            at = torch.tensor(offset, dtype=torch.float64)
            positions.append(at if parent < 0 else positions[parent] + at)
        return torch.stack(positions)

    def pose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """World orientations [T, J, 3, 3] and positions [T, J, 3] for channel values [T, C] (degrees, units)."""
        turns: list[Tensor] = []
        places: list[Tensor] = []
        for parent, offset, channels in zip(self.parents, self.offsets, self.channels, strict=True):
            turn = torch.eye(3, dtype=values.dtype).expand(len(values), 3, 3)
            place = values.new_tensor(offset).repeat(len(values), 1)
            for column, axis, is_rotation in channels:
                if is_rotation:
                    angle = torch.zeros(len(values), 3, dtype=values.dtype)
                    angle[:, axis] = torch.deg2rad(values[:, column])
                    turn = turn @ axis_angle_to_matrix(angle)
                else:
                    place[:, axis] = values[:, column]
            if parent >= 0:
                place = places[parent] + (turns[parent] @ place[..., None])[..., 0]
                turn = turns[parent] @ turn
            turns.append(turn)
            places.append(place)
        return torch.stack(turns, 1), torch.stack(places, 1)


def read_bvh(path: Path, max_seconds: float) -> Recording:
    """Read a BVH file and carry its motion over to the 55 joints.

    Raises:
        MotionError: it is damaged, too big, or its skeleton is not a person's.
    """
    from nopo.motions.files.retarget import retarget

    if path.stat().st_size > MAX_BYTES:
        raise MotionError(f"{path.name} is larger than {MAX_BYTES >> 20} MB: cut the motion first.")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        header = _MOTION.search(text)
        if header is None:
            raise ValueError("no frames")
        tree = parse_tree(text[: header.start()])
        values, fps = _parse_frames(header, max_seconds, path.name)
    except (ValueError, IndexError, OverflowError) as error:
        raise MotionError(f"{path.name} is damaged or incomplete: export it again.") from error
    if values.shape[1] != sum(len(channels) for channels in tree.channels):
        raise MotionError(f"{path.name} has frames that do not fit its skeleton: export it again.")
    if len(tree.names) * len(values) > MAX_PLACES:
        raise MotionError(f"{path.name} has {len(tree.names)} joints in {len(values)} frames: cut the motion first.")
    if not torch.isfinite(values).all():
        raise MotionError(f"{path.name} holds values that are not numbers (NaN or infinity); export it again.")
    return retarget(tree, values, fps, path.name)


def parse_tree(text: str) -> Tree:
    """Read the part of a BVH file before MOTION.

    Raises:
        ValueError, IndexError: it is not well formed.
    """
    tree, stack, columns, name = Tree(), [-1], 0, ""
    words = text.split()
    at = 1  # after HIERARCHY
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            start = at + 1
            at = words.index("{", start)
            name = tree.names[stack[-1]] + " end" if word == "END" else " ".join(words[start:at])
        elif word == "OFFSET":
            tree.parents.append(stack[-1])
            tree.names.append(name)
            tree.offsets.append([float(number) for number in words[at + 1 : at + 4]])
            tree.channels.append([])
            stack.append(len(tree.names) - 1)
            at += 4
            if len(tree.names) > MAX_JOINTS:
                raise ValueError("too many joints")
        elif word == "CHANNELS":
            count = int(words[at + 1])
            if count < 0:
                raise ValueError("channels")
            for channel in words[at + 2 : at + 2 + count]:
                matched = _CHANNEL.match(channel)
                if matched is None:
                    raise ValueError(channel)
                axis, kind = matched.groups()
                tree.channels[stack[-1]].append((columns, "XYZ".index(axis.upper()), kind.lower() == "rotation"))
                columns += 1
            at += 2 + count
        elif word == "}":
            stack.pop()
            at += 1
        elif word == "{":
            at += 1
        else:
            raise ValueError(word)
    if len(stack) != 1 or not tree.names:
        raise ValueError("braces")
    return tree


def _parse_frames(header: re.Match[str], max_seconds: float, name: str) -> tuple[Tensor, float]:
    """Values [T, C] and the frame rate, of what follows the header."""
    frames, step = int(header[1]), float(header[2])
    fps = 1 / step if step > 0 else 0.0
    fps = round(fps) if abs(fps - round(fps)) < 0.02 else fps  # frame times are written with few digits
    limit = frame_limit(frames, fps, max_seconds, name)
    lines = islice(_LINE.finditer(header.string, header.end()), limit)
    rows = [np.array(line[0].split(), dtype=np.float64) for line in lines]
    if len(rows) < limit or len({len(row) for row in rows}) != 1:
        raise ValueError("frames are missing")
    return torch.from_numpy(np.stack(rows)), fps
