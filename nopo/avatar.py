"""Avatar: a person as canonical Gaussians that a skeleton can move."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nopo.body.skeleton import NUM_BONES
from nopo.errors import AvatarError, ExportError, NopoError
from nopo.files import partial_file, writing
from nopo.gaussians import Gaussians

FORMAT = "nopo-avatar/2"
READ_FORMATS = ("nopo-avatar/1", FORMAT)
"""The first had no other way than (N, 69) for weights, of which all but a few are zero in avatars of the open model."""


@dataclass(frozen=True, eq=False)
class Avatar:
    """What the network makes of the photos; everything after needs only this.

    Attributes:
        gaussians: N Gaussians in the T-pose (facing +z, +y up), in the subject's own proportions, metres.
        bone_weights: (N, 69) skinning weights over the bones, rows sum to 1 (see `nopo.body.skeleton`).
        rest_joints: (55, 3) the SMPL-X joints of this very T-pose, metres.
        model: name of the model that made it, such as "open".
    """

    gaussians: Gaussians
    bone_weights: Tensor
    rest_joints: Tensor
    model: str

    def __post_init__(self) -> None:
        n = len(self.gaussians)
        if tuple(self.bone_weights.shape) != (n, 69) or tuple(self.rest_joints.shape) != (55, 3):
            raise AvatarError(
                f"An Avatar needs bone_weights ({n}, 69) and rest_joints (55, 3), "
                f"not {tuple(self.bone_weights.shape)} and {tuple(self.rest_joints.shape)}."
            )

    @property
    def on_smplx(self) -> bool:
        """Whether it stands on SMPL-X, as every avatar of a published model does, and not on the open body."""
        return self.model.startswith("nopo-avatar")

    def to(self, device: torch.device | str) -> Avatar:
        """The same avatar on another device."""
        return Avatar(self.gaussians.to(device), self.bone_weights.to(device), self.rest_joints.to(device), self.model)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file; `Avatar.load` gives back equal bits.

        Raises:
            ExportError: it cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        g = self.gaussians
        tensors = {
            "means": g.means, "covars": g.covars, "opacities": g.opacities, "sh": g.sh,
            "rest_joints": self.rest_joints, **_packed(self.bone_weights),
        }  # fmt: skip
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        path = Path(path)
        with partial_file(path) as partial, writing(path):
            partial.touch()
            mode = partial.stat().st_mode
            try:
                save_file(tensors, partial, metadata={"nopo": json.dumps({"format": FORMAT, "model": self.model})})
            except SafetensorError as error:
                raise ExportError(f"{path.name} cannot be written (is the disk full?): free some space.") from error
            partial.chmod(mode)  # safetensors lets nobody but the owner read

    @staticmethod
    def load(path: str | Path) -> Avatar:
        """Read what `save` wrote.

        Raises:
            AvatarError: the file is missing, damaged, or holds something else.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise AvatarError(f"There is no avatar file {path.name or path}; make one with `nopo reconstruct`.")
        try:
            with safe_open(path, "pt") as file:
                about = _about(file.metadata())
                tensors = {name: file.get_tensor(name) for name in file.keys() if about}  # noqa: SIM118 (not a dict)
            if about:
                gaussians = Gaussians(*(tensors[name] for name in ("means", "covars", "opacities", "sh")))
                return Avatar(gaussians, _unpacked(tensors), tensors["rest_joints"], str(about["model"]))
        except (SafetensorError, NopoError, LookupError, ValueError, TypeError, RuntimeError) as error:
            raise AvatarError(f"{path.name} is damaged or not an avatar; run `nopo reconstruct` again.") from error
        raise AvatarError(f"{path.name} is not a nopo avatar; make one with `nopo reconstruct`.")


def is_avatar(path: str | Path) -> bool:
    """Whether a file is one that `Avatar.save` wrote; no file, or any other, is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return bool(_about(file.metadata()))
    except (SafetensorError, OSError, ValueError):
        return False


def _about(metadata: dict[str, str] | None) -> dict[str, str]:
    """What an avatar file says of itself, nothing if it is another file; ValueError if that cannot be read."""
    about = json.loads((metadata or {}).get("nopo", "{}"))
    return about if isinstance(about, dict) and about.get("format") in READ_FORMATS else {}


def _packed(bone_weights: Tensor) -> dict[str, Tensor]:
    """Weights (N, 69) as they are written: those that are not zero, row by row, if that is smaller; nothing is lost."""
    kept = bone_weights != 0
    if 5 * int(kept.sum()) >= 4 * kept.numel():  # four bytes each and one for the bone
        return {"bone_weights": bone_weights}
    return {
        "bone_counts": kept.sum(1).to(torch.uint8),
        "bone_index": kept.nonzero()[:, 1].to(torch.uint8),
        "bone_shares": bone_weights[kept],
    }


def _unpacked(tensors: dict[str, Tensor]) -> Tensor:
    """What `_packed` packed; ValueError if that does not fit together."""
    if "bone_weights" in tensors:
        return tensors["bone_weights"]
    counts, index = (tensors[name].long() for name in ("bone_counts", "bone_index"))
    shares = tensors["bone_shares"]
    largest = [int(most.max()) for most in (counts, index + 1) if len(most)]
    if not int(counts.sum()) == len(index) == len(shares) or max(largest, default=0) > NUM_BONES:
        raise ValueError("weights that do not fit together")
    weights = shares.new_zeros(len(counts), NUM_BONES)
    weights[torch.arange(len(counts)).repeat_interleave(counts), index] = shares
    return weights
