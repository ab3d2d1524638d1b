"""The container of glTF 2.0: a tree of plain values, and one binary chunk that its accessors point into.

Source: glTF 2.0 specification, §3.6 (buffers, accessors) and §4 (GLB).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

_COMPONENTS = {
    np.dtype(np.float32): 5126,
    np.dtype(np.uint32): 5125,
    np.dtype(np.uint16): 5123,
    np.dtype(np.uint8): 5121,
}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942


class Document:
    """A glTF asset under construction; `tree` is its JSON."""

    def __init__(self, generator: str) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": generator}}
        self._binary = bytearray()

    def add(self, kind: str, value: dict[str, Any]) -> int:
        """Append to one of the tree's lists, such as "nodes"; the place it got."""
        values = self.tree.setdefault(kind, [])
        values.append(value)
        return len(values) - 1

    def add_bytes(self, data: bytes, target: int | None = None) -> int:
        """Append to the binary chunk; the buffer view of it."""
        self._binary.extend(bytes(-len(self._binary) % 4))
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._binary.extend(data)
        return self.add("bufferViews", view)

    def add_array(self, array: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """Append an array (count, ...) to the binary chunk; the accessor of it.

        Args:
            array: scalars, vectors of 2 to 4, or 4x4 matrices (which glTF stores by columns); float32, uint32, uint16
                or uint8, rows a multiple of 4 bytes where they are vertices.
            target: VERTICES, INDICES or nothing.
            bounds: note the least and the greatest values, which positions and times must have.
        """
        by_columns = array.swapaxes(1, 2) if array.ndim == 3 else array
        view = self.add_bytes(np.ascontiguousarray(by_columns).tobytes(), target)
        accessor = {
            "bufferView": view,
            "componentType": _COMPONENTS[array.dtype],
            "count": len(array),
            "type": _SHAPES[array.shape[1:]],
        }
        if bounds:
            accessor["min"] = np.atleast_1d(array.min(0)).tolist()
            accessor["max"] = np.atleast_1d(array.max(0)).tolist()
        return self.add("accessors", accessor)

    def to_bytes(self) -> bytes:
        """The whole as one .glb file."""
        binary = bytes(self._binary) + bytes(-len(self._binary) % 4)
        text = json.dumps({**self.tree, "buffers": [{"byteLength": len(binary)}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(binary)
        header = struct.pack("<4sII", b"glTF", 2, total)
        return b"".join(
            [header, struct.pack("<II", len(text), _JSON_CHUNK), text]
            + [struct.pack("<II", len(binary), _BINARY_CHUNK), binary]
        )
