"""The screenshots of docs/pictures/page-*.png, of the real page in a real browser: `python tools/make_screenshots.py`.

Starts app.py, walks through it as a visitor does, at two widths, in light and dark. Needs Playwright and Chromium.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
FLAGS = ["--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
         "--ignore-gpu-blocklist"]  # fmt: skip
VIEWS = ((1280, "light"), (390, "dark"))
COLOURS = 224
"""Of a picture's palette: screenshots are drawn in few, and weigh a third then."""


def main() -> None:
    """Every state of the page: empty, cut-out opened, at work, done, trouble."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT)
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_for(url)
        with sync_playwright() as driver:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = driver.chromium.launch(executable_path=path, args=FLAGS)
            for width, scheme in VIEWS:
                _walk(browser, url, width, scheme)
    finally:
        server.terminate()
        server.wait(20)


def _walk(browser: Any, url: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(120_000)
    page = context.new_page()

    def keep(state: str) -> None:
        page.mouse.move(1, 1)
        page.wait_for_timeout(700)  # what moves into its place
        with Image.open(io.BytesIO(page.screenshot(full_page=True))) as picture:
            small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            file = OUT / f"page-{width}-{scheme}-{state}.png"
            small.save(file, optimize=True)
        print(f"{file.name} {file.stat().st_size / 1000:.0f} kB")

    def ready(button: str) -> None:
        page.wait_for_function(f"document.querySelector('#{button}')?.disabled === false")

    page.goto(url)
    page.wait_for_selector("#examples button")
    page.wait_for_timeout(1500)
    keep("empty")
    if scheme == "light":
        page.click("#motions button >> nth=1")
        page.wait_for_selector("#moving .failed")
        keep("trouble")
    page.click("#examples button >> nth=4")
    ready("make")
    page.click("#mattes button >> nth=0")
    page.wait_for_selector("#brush canvas")
    page.wait_for_timeout(3000)
    keep("cutout")
    page.click("#close")
    page.click("#make")
    page.wait_for_selector("#making .now[style]")
    keep("busy")
    page.wait_for_selector("#turntable video")
    ready("again")
    page.click("#motions button:has-text('wave')")
    page.wait_for_selector("#animation video")
    ready("again")
    page.click("#write")
    page.wait_for_selector("#file", state="visible")
    page.click("role=tab[name='Turn it by hand']")
    page.frame_locator("#viewer iframe").locator("#wait:empty").wait_for(state="attached")
    page.wait_for_timeout(4000)
    keep("done")
    context.close()


def _wait_for(url: str) -> None:
    for _ in range(180):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(1)


if __name__ == "__main__":
    main()
