"""Start the page: `python app.py`."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from nopo.demo import zero
from nopo.errors import DependencyError, NopoError

LOGGER = logging.getLogger(__name__)

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
OPEN_TO_ALL = "Anyone who can reach this page may use this machine; --auth NAME:PASSWORD asks for a password."


def serve(argv: Sequence[str] | None = None) -> int:
    """`python app.py`: get everything ready, open the page, wait.

    Returns:
        0, or 2 after one sentence on standard error.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for talkative in ("httpx", "mcp"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        zero.prepare()
        launch(args)
    except (NopoError, KeyboardInterrupt) as error:
        sys.stderr.write(f"nopo: {str(error) or 'Stopped.'}\n")
        return 2
    return 0


def launch(args: argparse.Namespace) -> None:
    """Blocks until the server is stopped.

    Raises:
        NopoError: an option cannot be granted, or the model cannot be loaded.
    """
    auth = credentials(args.auth)
    host = args.host or os.environ.get("GRADIO_SERVER_NAME", THIS_MACHINE[0])
    _check_address(host, args.port)
    if args.mcp:
        _require_mcp()
    shared = args.share or os.environ.get("GRADIO_SHARE", "").lower() == "true"
    if auth is None and (shared or host not in THIS_MACHINE) and "SPACE_ID" not in os.environ:
        LOGGER.warning(OPEN_TO_ALL)

    import gradio as gr

    from nopo.demo import look
    from nopo.demo.examples import FOLDER
    from nopo.demo.page import build
    from nopo.demo.ready import get_ready
    from nopo.demo.visits import keep_uploads_apart
    from nopo.pipeline import Pipeline

    pipeline = Pipeline.load(args.model, args.device)
    get_ready()
    keep_uploads_apart()
    page = build(pipeline)
    try:
        page.launch(
            server_name=args.host,
            server_port=args.port,
            share=shared,
            auth=auth,
            max_file_size=round(args.max_upload * 2**20),
            mcp_server=args.mcp or None,
            theme=look.theme(),
            css=look.CSS,
            js=look.SPEAK,
            allowed_paths=[str(FOLDER)],  # the page may be started from anywhere
            run_history=False,
            enable_monitoring=False,
            footer_links=["api", "settings"],
        )
    except OSError as error:
        raise NopoError(f"The page could not be opened ({error}); choose another --port.") from error
    finally:
        gr.close_all()


def credentials(entries: Sequence[str]) -> list[tuple[str, str]] | None:
    """Names and passwords that visitors may give; None when nobody is asked.

    Args:
        entries: each NAME:PASSWORD, or a file with one such line a visitor.

    Raises:
        NopoError: an entry is neither.
    """
    lines: list[str] = []
    for entry in entries:
        path = Path(entry)
        try:
            lines += path.read_text("utf-8-sig").splitlines() if path.is_file() else [entry]
        except (OSError, UnicodeError) as error:
            raise NopoError(f"{path.name}, which --auth names, cannot be read; save it as UTF-8 text.") from error
    pairs = []
    for line in filter(None, map(str.strip, lines)):
        name, colon, password = line.partition(":")
        if not (name and colon and password):
            raise NopoError("--auth wants NAME:PASSWORD, or a file with one such line a visitor.")
        pairs.append((name, password))
    if entries and not pairs:
        raise NopoError("The file that --auth names is empty; write one NAME:PASSWORD a line.")
    return pairs or None


def _check_address(host: str, port: int | None) -> None:
    """Find out before the model is loaded, which takes a while.

    Raises:
        NopoError: the port is taken or not ours to open, or the host is not this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            if os.name == "posix":  # as uvicorn does; elsewhere the option means another thing
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise NopoError(f"Port {port} is taken; choose another --port, or none for the first free one.") from error
        if error.errno == errno.EACCES:
            raise NopoError(f"Port {port} is reserved for the system; choose a --port above 1023.") from error
        raise NopoError(f"{host} is no address of this machine; choose another --host, or 0.0.0.0 for all.") from error


def _require_mcp() -> None:
    """Gradio itself would only print that tools are missing, and go on without them.

    Raises:
        DependencyError: the package is missing, or of the generation that Gradio 6 cannot use.
    """
    try:
        generation = int(metadata.version("mcp").partition(".")[0])
    except metadata.PackageNotFoundError:
        generation = 0
    if generation != 1:
        raise DependencyError("--mcp needs the package mcp of version 1: run `pip install 'gradio[mcp]' 'mcp<2'`.")


def _port(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is no port; give a number from 1 to 65535.")
    return int(text)


def _megabytes(text: str) -> float:
    try:
        megabytes = float(text.lower().removesuffix("mb"))
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no size; give a number of megabytes, such as 20.")
    return megabytes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="The nopo page: photos in, avatar out.")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1; 0.0.0.0 lets others in)")
    parser.add_argument("--port", type=_port, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio's servers, for a week")
    parser.add_argument(
        "--auth",
        action="append",
        default=[],
        metavar="NAME:PASSWORD",
        help="ask visitors for these; may be given again, or name a file with one such line a visitor",
    )
    parser.add_argument(
        "--max-upload", type=_megabytes, default=20.0, metavar="MB", help="of one file of a visitor's (default 20)"
    )
    parser.add_argument("--mcp", action="store_true", help="offer the page's actions as tools to assistants, too")
    parser.add_argument(
        "--model",
        default=os.environ.get("NOPO_MODEL", "open"),
        help="a model that `nopo info` lists, or a checkpoint file (default NOPO_MODEL, or open)",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    return parser
