"""The command line: what can be asked for. What is then done stands in `nopo.commands`, imported only when needed."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from nopo import __version__
from nopo.errors import NO_MEMORY, NopoError, no_memory, refused

FRAMINGS = ("whole", "half", "head")
FILES = ".mp4, .webm, .webp, .gif, .zip of pictures, or a folder of them"
MATTING = ("auto", "birefnet-portrait", "isnet-general-use", "u2net_human_seg", "u2netp", "none")


class _Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 when a part of what was asked for failed; 2 after one sentence on standard error.
    """
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.ERROR if args.quiet else logging.WARNING, format="%(message)s")
    logging.getLogger("nopo").setLevel(logging.ERROR if args.quiet else logging.INFO)
    try:
        status: int | None = import_module(f"nopo.commands.{args.module}").run(args)
        return status or 0
    except NopoError as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(refused(error))
    except (MemoryError, RuntimeError) as error:
        if not no_memory(error):
            raise
        return _failed(NO_MEMORY)
    except KeyboardInterrupt:
        return _failed("Stopped.")


def _failed(sentence: str) -> int:
    sys.stderr.write(f"nopo: {sentence}\n")
    return 2


def build_parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    parser = _Parser(prog="nopo", description="A few photos of a person become an avatar that can be turned and moved.")
    parser.add_argument("--version", action="version", version=f"nopo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (_reconstruct, _render, _animate, _export, _info, _train, _evaluate, _prepare):
        add(commands)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, about: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=about)
    command.set_defaults(module=name)
    command.add_argument("--quiet", action="store_true", help="no progress bars, nothing but errors")
    return command


def _picture_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--size", type=_size, default=512, metavar="PX|WxH", help="pixels: a square, or width x height (default 512)"
    )
    command.add_argument(
        "--background", default="white", metavar="COLOUR", help="name, #rrggbb or transparent (default white)"
    )
    command.add_argument(
        "--framing", default="whole", choices=FRAMINGS, help="whole person (default), upper half, or head"
    )
    command.add_argument("--elevation", type=float, default=5.0, metavar="DEG", help="from above (default 5)")


def _size(text: str) -> int | tuple[int, int]:
    """The side of a square, or (H, W)."""
    sides = text.lower().split("x")
    if not all(side.isdecimal() for side in sides) or len(sides) > 2:
        raise argparse.ArgumentTypeError(f"{text} is no size, write 512 or 1280x720")
    return int(sides[0]) if len(sides) == 1 else (int(sides[1]), int(sides[0]))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _picture(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"{Path(text).name} should end in .png")
    return Path(text)


def _smplx_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--smplx", type=Path, metavar="DIR", help="your SMPL-X files (default NOPO_SMPLX, weights/smplx)"
    )


def _device_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")


def _reconstruct(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "reconstruct", "Photos become an avatar and a turntable, for one person or for many.")
    command.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="1 to 8 photos of one person, any poses")
    command.add_argument(
        "--batch", type=Path, metavar="DIR", help="many people: a folder of photos for each, or one photo each"
    )
    command.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    command.add_argument("--model", default="open", help="a model that `nopo info` lists, or a checkpoint file")
    command.add_argument("--matte", default="auto", choices=MATTING, help="how the person is told from the background")
    command.add_argument(
        "--facing",
        metavar="WAY,WAY…",
        help="where the person faces in each photo: auto, front, back, or the picture's left or right",
    )
    command.add_argument("--frames", type=_count, default=60, metavar="N", help="frames of the turntable (default 60)")
    command.add_argument("--fps", type=float, default=30.0, help="frames a second of the turntable (default 30)")
    command.add_argument(
        "--turntable",
        default="mp4",
        choices=("mp4", "webm", "webp", "gif", "zip", "none"),
        help="its kind of file (default mp4)",
    )
    _smplx_option(command)
    command.add_argument("--bf16", action="store_true", help="CUDA: run the network in bfloat16, faster and less exact")
    _picture_options(command)
    _device_option(command)


def _render(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "render", "An avatar becomes a turntable video, or one picture.")
    command.add_argument("avatar", type=Path, metavar="AVATAR", help="avatar.safetensors")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=f"x.png stands; turns: {FILES}")
    command.add_argument("--azimuth", type=float, default=0.0, metavar="DEG", help="of the first frame; 0 is the front")
    command.add_argument("--pose", default="relaxed", choices=("relaxed", "t"), help="arms down (default), or spread")
    command.add_argument("--frames", type=_count, default=60, metavar="N", help="frames of a turn (default 60)")
    command.add_argument("--fps", type=float, default=30.0, help="frames a second of a video (default 30)")
    _picture_options(command)
    _device_option(command)


def _animate(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "animate", "An avatar moves: a video, or another moving picture.")
    command.add_argument("avatar", type=Path, metavar="AVATAR", help="avatar.safetensors")
    command.add_argument("--motion", default="walk", metavar="NAME|FILE", help="built-in (see `nopo info`), or a file")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=FILES)
    command.add_argument("--azimuth", type=float, default=20.0, metavar="DEG", help="0 is the front (default 20)")
    command.add_argument("--frames", type=_count, metavar="N", help="stop after so many (default: the whole motion)")
    command.add_argument("--fps", type=float, help="frames a second (default: the motion's own)")
    command.add_argument(
        "--betas", type=Path, metavar="FILE", help="proportions from the SMPL-X betas of a motion file"
    )
    _smplx_option(command)
    _picture_options(command)
    _device_option(command)


def _export(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands, "export", "An avatar becomes a file for other programs; a checkpoint, one that loads faster."
    )
    command.add_argument("source", nargs="?", metavar="AVATAR|CKPT", help="avatar.safetensors, or a model's checkpoint")
    command.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what to write; its end says the format")
    command.add_argument("-o", "--out", type=Path, metavar="FILE", help="the same; x.safetensors for a checkpoint")
    command.add_argument("--list", action="store_true", help="list the formats, and what opens them")
    command.add_argument("--format", metavar="KEY", help="a format of --list; needed for .zip")
    command.add_argument("--pose", metavar="POSE", help="tpose (default), relaxed, or NAME:FRAME of a motion")
    command.add_argument("--motion", metavar="NAME|FILE", help="built-in (see `nopo info`) or a motion file")
    command.add_argument("--fps", type=float, help="frames a second of the motion (default: its own)")
    command.add_argument("--sh-degree", type=int, metavar="D", help="highest degree of the colours' harmonics, 0 to 3")
    command.add_argument(
        "--y-down", action="store_true", help="turn Gaussians over, for viewers that show them upside down"
    )
    _smplx_option(command)


def _info(commands: argparse._SubParsersAction) -> None:
    _command(commands, "info", "Versions, device, which models are here and how to get the others.")


def _train(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "train", "Train the open model on synthetic people.")
    command.add_argument("model", choices=("open",))
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    command.add_argument("--minutes", type=float, required=True, help="stop after this time")
    command.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    command.add_argument("--precision", default="fp32", choices=("fp32", "tf32", "bf16"), help="tf32: CUDA only")
    command.add_argument("--resume", action="store_true", help="go on where the run in DIR stopped")
    command.add_argument("--threads", type=_count, metavar="N", help="CPU threads of the trainer (default: all)")
    command.add_argument("--sheet-minutes", type=float, default=20.0, metavar="M", help="0: no sheets (default 20)")
    command.add_argument("--scratch", action="store_true", help="from random weights, not from the shipped ones")
    command.add_argument("--pace", type=float, default=1.0, metavar="X", help="factor on the learning rate (default 1)")
    command.add_argument("--cooldown", action="store_true", help="slow down to a better checkpoint; the run stays")


def _evaluate(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "evaluate", "Measure the open model on synthetic people that it has not seen.")
    command.add_argument("model", help="open, or a checkpoint file")
    command.add_argument("--subjects", type=_count, default=200, metavar="N", help="people (default 200)")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of the people (default 0)")
    command.add_argument("--photos", type=_count, nargs="+", default=[1, 3], metavar="V", help="of each (default 1 3)")
    command.add_argument("--frontal", action="store_true", help="first photo from the front; default: from anywhere")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    command.add_argument("--sheet", type=_picture, metavar="FILE", help="write a sheet of pictures there, a .png")
    _device_option(command)


def _prepare(commands: argparse._SubParsersAction) -> None:
    command = _command(commands, "prepare", "Make synthetic people, the example photos, or SMPL-X maps.")
    command.add_argument("what", choices=("people", "examples", "template"))
    command.add_argument("--sheet", type=_picture, metavar="FILE", help="people: a sheet of them, a .png")
    command.add_argument("--seed", type=int, default=7, help="of the people (default 7)")
    command.add_argument("-n", "--count", type=_count, default=24, help="how many people (default 24)")
    _smplx_option(command)
    command.add_argument("--uv", type=Path, metavar="FILE", help="template: smplx_uv.obj (default: beside the models)")
    command.add_argument(
        "--size", type=int, default=1024, choices=(256, 512, 1024), help="template: texels of a side (default 1024)"
    )
