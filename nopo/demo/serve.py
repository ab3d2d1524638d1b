"""Start the page."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Sequence

from nopo.errors import NopoError

LOGGER = logging.getLogger(__name__)


def serve(argv: Sequence[str] | None = None) -> int:
    """`python app.py`: load the model, open the page, wait.

    Returns:
        0, or 2 after one sentence on standard error.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        launch(args)
    except NopoError as error:
        sys.stderr.write(f"nopo: {error}\n")
        return 2
    return 0


def launch(args: argparse.Namespace) -> None:
    """Blocks until the server is stopped."""
    import gradio as gr

    from nopo.demo import look
    from nopo.demo.page import build
    from nopo.pipeline import Pipeline

    auth = _credentials(args.auth)
    if auth is None and (args.share or args.host not in (None, "127.0.0.1", "localhost")):
        LOGGER.warning("Anyone who can reach this page may use this machine; --auth NAME:PASSWORD asks for a password.")
    pipeline = Pipeline.load(args.model, args.device)
    threading.Thread(target=_warm_up, args=(pipeline,), daemon=True, name="nopo-warm-up").start()
    page = build(pipeline)
    try:
        page.launch(
            server_name=args.host,
            server_port=args.port,
            share=args.share,
            auth=auth,
            max_file_size=args.max_upload,
            theme=look.theme(),
            css=look.CSS,
            run_history=False,
            enable_monitoring=False,
            footer_links=["api", "settings"],
        )
    except OSError as error:
        raise NopoError(f"The page could not be opened ({error}); choose another --port.") from error
    finally:
        gr.close_all()


def _warm_up(pipeline: object) -> None:
    """Compile the renderer and load the matting network before the first visitor needs them."""
    import torch

    from nopo import show
    from nopo.avatar import Avatar
    from nopo.body.open import load_open_body
    from nopo.gaussians import Gaussians
    from nopo.preprocess.matte import _session, best_present

    try:
        _session(best_present())
        body = load_open_body()
        means = body.vertices()
        covars = torch.eye(3).expand(len(means), 3, 3) * 1e-4
        cloud = Gaussians(means, covars, torch.ones(len(means)), torch.zeros(len(means), 1, 3))
        show.view(Avatar(cloud, body.bone_weights, body.rest_joints(), "warm-up"), size=64)
    except NopoError as error:  # the page itself will say so when it matters
        LOGGER.warning("%s", error)


def _credentials(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise NopoError("--auth wants NAME:PASSWORD.")
    return name, password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="The nopo page: photos in, avatar out.")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1; 0.0.0.0 lets others in)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio's servers, for a week")
    parser.add_argument("--auth", metavar="NAME:PASSWORD", help="ask visitors for these")
    parser.add_argument("--max-upload", default="20mb", metavar="SIZE", help="of one photo (default 20mb)")
    parser.add_argument("--model", default="open", help="a model that `nopo info` lists, or a checkpoint file")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    return parser
