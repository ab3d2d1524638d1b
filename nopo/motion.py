"""Motion: how the 55 joints move over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nopo.errors import MotionError
from nopo.files import partial_file, writing
from nopo.rotations import axis_angle_to_quaternion, quaternion_to_axis_angle, slerp

NUM_JOINTS = 55
MAX_FPS = 1000


@dataclass(frozen=True, eq=False)
class Pose:
    """One frame of a motion.

    Attributes:
        rotations: (55, 3) axis-angle, radians, relative to the parent joint; joint 0 is the global orientation.
        transl: (3,) metres; the posed pelvis lies at rest_joints[0] + transl.
    """

    rotations: Tensor
    transl: Tensor

    def __post_init__(self) -> None:
        if tuple(self.rotations.shape) != (NUM_JOINTS, 3) or tuple(self.transl.shape) != (3,):
            raise MotionError(f"A Pose needs rotations (55, 3) and transl (3,), not {tuple(self.rotations.shape)} "
                              f"and {tuple(self.transl.shape)}.")  # fmt: skip

    @staticmethod
    def rest() -> Pose:
        """The T-pose."""
        return Pose(torch.zeros(NUM_JOINTS, 3), torch.zeros(3))


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of joint rotations, in the SMPL-X joint order and conventions, +y up.

    Attributes:
        rotations: (T, 55, 3) axis-angle, radians; joint 0 = global orientation.
        transl: (T, 3) metres; the posed pelvis lies at rest_joints[0] + transl.
        fps: frames a second.
        loop: the first frame follows the last one.
    """

    rotations: Tensor
    transl: Tensor
    fps: float
    loop: bool = False

    def __post_init__(self) -> None:
        t = self.rotations.shape[0]
        if tuple(self.rotations.shape) != (t, NUM_JOINTS, 3) or tuple(self.transl.shape) != (t, 3):
            raise MotionError(
                "A Motion needs rotations (T, 55, 3) and transl (T, 3), "
                f"not {tuple(self.rotations.shape)} and {tuple(self.transl.shape)}."
            )
        if t == 0 or not self.fps > 0:
            raise MotionError("A motion needs at least one frame and a positive frame rate.")
        if not (torch.isfinite(self.rotations).all() and torch.isfinite(self.transl).all()):
            raise MotionError("The motion holds values that are not numbers (NaN or infinity); export it again.")

    def __len__(self) -> int:
        return self.rotations.shape[0]

    def __getitem__(self, frame: int) -> Pose:
        return Pose(self.rotations[frame], self.transl[frame])

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self) / self.fps

    def resample(self, fps: float) -> Motion:
        """The same movement at another frame rate: rotations by slerp, translations in straight lines.

        A loop keeps its length, so its rate is rounded to a whole number of frames.

        Raises:
            MotionError: the rate is not above 0, or more than MAX_FPS.
        """
        if not 0 < fps <= MAX_FPS:
            raise MotionError(f"A frame rate must be above 0 and at most {MAX_FPS}, not {fps}.")
        if fps == self.fps:
            return self
        exact = len(self) * fps / self.fps
        frames = max(1, round(exact))
        at = torch.arange(frames, dtype=torch.float64) * (len(self) / frames if self.loop else self.fps / fps)
        at = at.to(self.transl.device)
        before = at.long().clamp(max=len(self) - 1)  # [frames]
        after = (before + 1) % len(self) if self.loop else (before + 1).clamp(max=len(self) - 1)
        fraction = (at - before).to(self.transl.dtype)
        quats = axis_angle_to_quaternion(self.rotations)  # [T, 55, 4]
        between = slerp(quats[before], quats[after], fraction[:, None].expand(frames, NUM_JOINTS))
        transl = torch.lerp(self.transl[before], self.transl[after], fraction[:, None])
        return Motion(quaternion_to_axis_angle(between), transl, fps * frames / exact if self.loop else fps, self.loop)

    def save(self, path: str | Path) -> None:
        """Write an .npz with the keys of AMASS (poses, trans, mocap_frame_rate), +y up; `Motion.load` reads it back.

        Raises:
            ExportError: it cannot be written.
        """
        path = Path(path)
        with partial_file(path) as partial, writing(path), partial.open("wb") as file:
            np.savez_compressed(
                file,
                poses=self.rotations.reshape(len(self), -1).cpu().numpy(),
                trans=self.transl.cpu().numpy(),
                mocap_frame_rate=np.float64(self.fps),
                nopo_loop=np.bool_(self.loop),
            )

    @staticmethod
    def load(name_or_path: str | Path) -> Motion:
        """A built-in motion by name, or a motion file by path.

        Raises:
            MotionError: no such motion, or a file that is not a motion.
        """
        from nopo.motions import load_motion

        return load_motion(name_or_path)
