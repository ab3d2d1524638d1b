"""What an avatar can be written as, and the one function that does it.

Every format holds the same geometry, colours and scale: metres, +y up, facing +z.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nopo.errors import ExportError
from nopo.progress import Progress, silent

if TYPE_CHECKING:
    from nopo.avatar import Avatar
    from nopo.export.packed import Packed
    from nopo.gaussians import Gaussians
    from nopo.motion import Motion, Pose


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        key: its name for programs.
        suffix: what the file's name ends in.
        label: its name for people.
        about: one short sentence: what opens it.
        moves: it needs a motion.
        takes_pose: it can be written in a pose; without one it holds the T-pose.
        takes_motion: it can hold a motion.
        takes_degree: its spherical harmonics may be cut to a lower degree.
        takes_y_down: it can be turned over.
    """

    key: str
    suffix: str
    label: str
    about: str
    moves: bool = False
    takes_pose: bool = False
    takes_motion: bool = False
    takes_degree: bool = False
    takes_y_down: bool = False


def _still(key: str, suffix: str, label: str, about: str) -> Format:
    return Format(key, suffix, label, about, takes_pose=True, takes_degree=True, takes_y_down=True)


def _film(key: str, suffix: str, label: str, about: str) -> Format:
    return Format(key, suffix, label, about, moves=True, takes_motion=True)


FORMATS: dict[str, Format] = {
    each.key: each
    for each in (
        _still("ply", ".ply", "Gaussians (.ply)", "Opens in every viewer of Gaussian splats."),
        _still(
            "compressed-ply", ".compressed.ply", "Compressed Gaussians (.ply)", "Opens in SuperSplat and PlayCanvas."
        ),
        _still("splat", ".splat", "Splat (.splat)", "Opens in web viewers; small, colours without reflections."),
        _still("spz", ".spz", "SPZ (.spz)", "Opens in Spark, Niantic's and Blender's splat tools; the smallest."),
        _still("sog", ".sog", "SOG (.sog)", "Opens in SuperSplat and PlayCanvas; very small."),
        Format(
            "rigged",
            ".zip",
            "Rigged Gaussians (.zip)",
            "Gaussians, joints and skinning weights for your own program.",
            takes_motion=True,
            takes_degree=True,
        ),
        Format(
            "glb",
            ".glb",
            "Skinned mesh (.glb)",
            "Opens in Blender, Unity, Unreal and every glTF viewer.",
            takes_pose=True,
            takes_motion=True,
        ),
        Format(
            "html",
            ".html",
            "Web page (.html)",
            "Opens in every browser, without a network: turn it, and let it move.",
            takes_motion=True,
        ),
        Format(
            "ply-sequence",
            ".zip",
            "Gaussians of every frame (.zip)",
            "One .ply a frame, for tools that play sequences.",
            moves=True,
            takes_motion=True,
            takes_degree=True,
            takes_y_down=True,
        ),
        Format("avatar", ".safetensors", "Avatar (.safetensors)", "Opens in nopo, to pose and export it again."),
        _film("mp4", ".mp4", "Video (.mp4)", "Plays everywhere."),
        _film("webm", ".webm", "Transparent video (.webm)", "Plays in browsers, over any background."),
        _film("webp", ".webp", "Animated picture (.webp)", "Loops in browsers and chats."),
        _film("gif", ".gif", "Animated picture (.gif)", "Loops everywhere; 256 colours."),
        _film("png", ".zip", "Transparent pictures (.zip)", "One .png a frame, for video editors."),
    )
}
"""In the order to show them."""


def format_of(path: str | Path) -> Format:
    """The format that a file's name says.

    Raises:
        ExportError: no format ends like this, or several do.
    """
    name = Path(path).name.lower()
    longest = max((each.suffix for each in FORMATS.values() if name.endswith(each.suffix)), key=len, default=None)
    fitting = [each for each in FORMATS.values() if each.suffix == longest]
    if not fitting:
        endings = ", ".join(dict.fromkeys(each.suffix for each in FORMATS.values()))
        raise ExportError(f"{Path(path).name} should end in one of {endings}.")
    if len(fitting) > 1:
        keys = ", ".join(each.key for each in fitting)
        raise ExportError(f"A {longest} can hold several things; say which format {Path(path).name} is: {keys}.")
    return fitting[0]


def export(
    avatar: Avatar,
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 (the word that people use)
    pose: Pose | None = None,
    motion: Motion | None = None,
    sh_degree: int | None = None,
    y_down: bool = False,
    smplx: str | Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Write an avatar to a file.

    Args:
        avatar: who.
        path: the file; it appears, or replaces an older one, when it is complete.
        format: a key of `FORMATS`; what the file's name says if None.
        pose: of the formats that take one; the T-pose if None.
        motion: of the formats that take one.
        sh_degree: highest degree of the spherical harmonics in a file of Gaussians, 0 to 3; all there are if None.
        y_down: turn files of Gaussians over, for viewers that would show them upside down (see `nopo.export.y_down`).
        smplx: folder of the user's SMPL-X files, for the .glb of an avatar that stands on SMPL-X; see
            `nopo.body.smplx.find_smplx`.
        progress: told how far the file is; cancels it.

    Returns:
        `path`.

    Raises:
        ExportError: an unknown format, something that it does not take or lacks, or a place that cannot be written.
        DependencyError: a package that the format needs is not installed.
    """
    path = Path(path)
    chosen = _chosen(path, format)
    if chosen.moves and motion is None:
        raise ExportError(f"{chosen.label} needs a motion: choose one.")
    if motion is not None and not chosen.takes_motion:
        raise ExportError(f"{chosen.label} stands still: choose a pose, not a motion.")
    if pose is not None and not chosen.takes_pose:
        raise ExportError(f"{chosen.label} takes no pose.")
    if sh_degree is not None and not chosen.takes_degree:
        raise ExportError(f"{chosen.label} takes no degree of harmonics: leave it out.")
    if y_down and not chosen.takes_y_down:
        raise ExportError(f"{chosen.label} cannot be turned over: leave y-down out.")
    if chosen.moves:
        assert motion is not None  # seen above
        return _moving(avatar, path, chosen.key, motion, sh_degree, y_down, progress)
    if chosen.key == "avatar":
        avatar.save(path)
        return path
    if chosen.key == "rigged":
        from nopo.export.rigged import write_rigged

        return write_rigged(avatar, path, motion=motion, sh_degree=sh_degree, progress=progress)
    if chosen.key == "glb":
        from nopo.export.glb import write_glb

        return write_glb(avatar, path, motion=motion, pose=pose, smplx=smplx, progress=progress)
    if chosen.key == "html":
        from nopo.export.web import write_html

        return write_html(avatar, path, motion=motion)
    from nopo.articulate import articulate
    from nopo.export.y_down import turned_over

    gaussians = avatar.gaussians if pose is None else articulate(avatar, pose)
    return _gaussians(turned_over(gaussians) if y_down else gaussians, path, chosen.key, sh_degree, progress)


def _gaussians(gaussians: Gaussians, path: Path, key: str, sh_degree: int | None, progress: Progress) -> Path:
    """The files that hold Gaussians in one pose."""
    if key == "ply":
        from nopo.export.gaussian_ply import write_ply

        return write_ply(gaussians, path, sh_degree=sh_degree, progress=progress)
    if key == "splat":
        from nopo.export.splat_file import write_splat

        return write_splat(gaussians, path, sh_degree=sh_degree, progress=progress)
    from nopo.export.packed import write_packed

    kinds: dict[str, Packed] = {"compressed-ply": "compressed.ply", "spz": "spz", "sog": "sog"}
    return write_packed(gaussians, path, kinds[key], sh_degree=sh_degree, progress=progress)


def _moving(
    avatar: Avatar, path: Path, key: str, motion: Motion, sh_degree: int | None, y_down: bool, progress: Progress
) -> Path:
    """The files that hold a motion: transparent where they can, on white where not."""
    if key == "ply-sequence":
        from nopo.export.ply_sequence import write_ply_sequence

        return write_ply_sequence(avatar, path, motion, sh_degree=sh_degree, y_down=y_down, progress=progress)

    from nopo import show
    from nopo.export.moving import MOVING

    kind = MOVING[FORMATS[key].suffix]
    frames = show.animate(avatar, motion, background=None if kind.transparent else show.WHITE, progress=progress)
    return kind.write(path, frames, motion.fps)


def _chosen(path: Path, key: str | None) -> Format:
    if key is None:
        return format_of(path)
    if key not in FORMATS:
        raise ExportError(f'There is no format "{key}": choose one of {", ".join(FORMATS)}.')
    last_suffix = "." + FORMATS[key].suffix.rpartition(".")[2]  # plain .ply will do for .compressed.ply
    if not path.name.lower().endswith(last_suffix):
        raise ExportError(f"{path.name} should end in {FORMATS[key].suffix}.")
    return FORMATS[key]
