"""A .glb as an independent reader sees it: pygltflib finds the accessors, numpy poses the mesh by the file alone."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pygltflib import GLTF2

COMPONENTS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass
class Scene:
    file: GLTF2

    def array(self, accessor: int) -> np.ndarray:
        about = self.file.accessors[accessor]
        view = self.file.bufferViews[about.bufferView]
        dtype = np.dtype(COMPONENTS[about.componentType]).newbyteorder("<")
        start = view.byteOffset + (about.byteOffset or 0)
        values = np.frombuffer(self.file.binary_blob(), dtype, about.count * WIDTHS[about.type], start)
        return values.reshape(about.count, -1)

    def attribute(self, name: str) -> np.ndarray:
        return self.array(getattr(self.file.meshes[0].primitives[0].attributes, name))

    @property
    def inverse_binds(self) -> np.ndarray:
        return self.array(self.file.skins[0].inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)

    @property
    def key_times(self) -> np.ndarray:
        return self.array(self.file.animations[0].samplers[0].input)[:, 0]

    def tracks(self) -> dict[tuple[str, str], np.ndarray]:
        """Values of each animated (node name, path)."""
        animation = self.file.animations[0]
        return {
            (self.file.nodes[channel.target.node].name, channel.target.path): self.array(
                animation.samplers[channel.sampler].output
            )
            for channel in animation.channels
        }

    def joint_matrices(self, key: int | None = None) -> np.ndarray:
        """World matrices of the skin's joints, [J, 4, 4], at rest or at a key of the animation."""
        tracks = {} if key is None else {place: values[key] for place, values in self.tracks().items()}
        world: dict[int, np.ndarray] = {}

        def visit(index: int, above: np.ndarray) -> None:
            node = self.file.nodes[index]
            local = np.eye(4)
            local[:3, :3] = rotation_matrix(tracks.get((node.name, "rotation"), node.rotation or [0, 0, 0, 1]))
            local[:3, 3] = tracks.get((node.name, "translation"), node.translation or [0, 0, 0])
            world[index] = above @ local
            for child in node.children or []:
                visit(child, world[index])

        for root in self.file.scenes[self.file.scene].nodes:
            visit(root, np.eye(4))
        return np.stack([world[joint] for joint in self.file.skins[0].joints])

    def posed(self, key: int | None = None) -> np.ndarray:
        """The skinned vertices, [V, 3], as the specification of glTF says."""
        joints, weights = self.attribute("JOINTS_0"), self.attribute("WEIGHTS_0")
        matrices = self.joint_matrices(key) @ self.inverse_binds
        blended = (matrices[joints] * weights[..., None, None]).sum(1)  # [V, 4, 4]
        points = np.concatenate([self.attribute("POSITION"), np.ones((len(joints), 1))], 1)
        return np.einsum("vij,vj->vi", blended, points)[:, :3]

    def texture(self) -> np.ndarray:
        view = self.file.bufferViews[self.file.images[0].bufferView]
        data = self.file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255

    def vertex_colours(self) -> np.ndarray:
        """What the texture shows at every vertex, [V, 3]."""
        texture = self.texture()
        size = np.array([texture.shape[1], texture.shape[0]])
        column, row = np.clip((self.attribute("TEXCOORD_0") * size).astype(int), 0, size - 1).T
        return texture[row, column]


def read_glb(path: Path) -> Scene:
    return Scene(GLTF2().load(str(path)))


def rotation_matrix(xyzw: np.ndarray) -> np.ndarray:
    x, y, z, w = xyzw
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
