"""A page of its own process, as users start it, from another folder: one for all the tests that need one."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def url(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    elsewhere, kept = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("kept")
    server = subprocess.Popen(
        [sys.executable, ROOT / "app.py", "--port", str(port), "--model", model],
        cwd=elsewhere,
        env={**os.environ, "TMPDIR": str(kept)},
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(180):
            assert server.poll() is None, "app.py ended"
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(1)
        yield address
    finally:
        server.terminate()
        server.wait(20)
    assert not list(kept.glob("nopo-visit-*")), "a server that is told to end leaves no visitor's files"
