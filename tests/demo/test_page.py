"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
TIMEOUT_MS = 120_000  # the machine may be busy
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def url(model: str) -> Iterator[str]:
    """A page of its own process, as users start it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port), "--model", model], cwd=ROOT)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(120):
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


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go: NOPO_SHOTS, to be looked at, or a folder that is thrown away."""
    folder = Path(os.environ.get("NOPO_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ready(page, button: str) -> None:
    page.wait_for_function(f"document.querySelector('#{button}')?.disabled === false")


def plays(page, video: str) -> bool:
    """Whether a video is shown, loops, and its time goes on."""
    page.wait_for_selector(f"#{video} video")
    element = f"document.querySelector('#{video} video')"
    page.wait_for_function(f"{element}?.currentTime > 0")  # "?.": the page may mount the video anew
    seen = set()
    for _ in range(20):
        seen.add(page.evaluate(f"{element}?.currentTime ?? null"))
        if len(seen - {None, 0}) >= 3:
            break
        time.sleep(0.3)
    return page.evaluate(f"Boolean({element}?.loop && {element}.videoWidth > 0)") and len(seen - {None, 0}) >= 3


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_upload_or_take_an_example_press_and_see_both_videos_play(
    browser, url: str, cutout_photo: Path, shots: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    own = (url, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url))
    page.goto(url)
    page.wait_for_selector("#photos input[type=file]", state="attached")
    assert page.evaluate("document.querySelector('#make').disabled && document.querySelector('#move').disabled")
    page.screenshot(path=shots / f"{width}-empty.png", full_page=True)

    if width == 390:
        page.click("#examples button >> nth=2")
    else:
        page.set_input_files("#photos input[type=file]", str(cutout_photo))
    ready(page, "make")
    page.wait_for_selector("#mattes img")
    page.click("#make")
    assert plays(page, "turntable")
    ready(page, "move")
    page.click("#motion label:has-text('wave')")
    page.click("#move")
    assert plays(page, "animation")
    with page.expect_download() as download:
        page.click("#save-avatar")
    assert download.value.suggested_filename == "avatar.safetensors"
    page.screenshot(path=shots / f"{width}-done.png", full_page=True)

    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out to the side
    assert problems == []  # no script error, and nothing asked of any other server
    context.close()


def test_a_bad_photo_is_explained_and_work_can_be_stopped(
    browser, url: str, cutout_photo: Path, tmp_path: Path, shots: Path
) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("dear reader")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    page.wait_for_selector("#photos input[type=file]", state="attached")
    page.set_input_files("#photos input[type=file]", str(letter))
    page.wait_for_selector("#status strong")
    assert "letter.jpg is not an image" in page.inner_text("#status")
    assert page.evaluate("document.querySelector('#make').disabled")
    page.screenshot(path=shots / "1280-error.png", full_page=True)
    page.click("#photos button[aria-label='Clear']")
    page.set_input_files("#photos input[type=file]", str(cutout_photo))
    ready(page, "make")
    page.click("#make")
    page.click("#stop")
    ready(page, "make")
    assert page.query_selector("#turntable video") is None
    page.close()
