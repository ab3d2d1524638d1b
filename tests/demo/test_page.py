"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

TIMEOUT_MS = 120_000  # the machine may be busy
KICK = Path(__file__).resolve().parents[2] / "examples" / "motions" / "front_kick.bvh"

LISTEN = """() => {
  window.heard = [];
  const said = document.querySelector("#said");
  new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });
}"""
"""Keeps what a screen reader would say."""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


Shoot = Callable[[object, str], None]


@pytest.fixture
def shoot() -> Shoot:
    """Takes a picture of a page, to be looked at, into the folder that NOPO_SHOTS names; else does nothing."""
    folder = os.environ.get("NOPO_SHOTS")
    if not folder:
        return lambda page, name: None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


@pytest.fixture
def crowd_photo(tmp_path: Path) -> Path:
    """Two people apart."""
    picture = Image.new("RGBA", (300, 200))
    picture.paste((200, 60, 20, 255), (30, 20, 80, 180))
    picture.paste((60, 160, 20, 255), (180, 30, 220, 180))
    path = tmp_path / "crowd.png"
    picture.save(path)
    return path


@pytest.fixture
def empty_photo(tmp_path: Path) -> Path:
    path = tmp_path / "nobody.png"
    Image.new("RGB", (120, 160), (120, 160, 200)).save(path)
    return path


def opened(browser, url: str, width: int, scheme: str):
    """A new visitor's page, and the list of what should never happen on it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    own = (url, "data:", "blob:", "about:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url))
    page.goto(url)
    page.wait_for_selector("#photos input[type=file]", state="attached")
    return page, problems


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


def small_videos(page) -> None:
    """The settings are closed; open them and ask for the smallest video, with the fewest frames."""
    assert not page.is_visible("text=Frames a second")
    page.click("#video-settings > button")
    for dropdown in (0, 1):
        page.click(f"#video-settings input >> nth={dropdown}")
        page.click("#video-settings [role=option] >> nth=0")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_from_a_photo_to_every_result(
    browser, url: str, cutout_photo: Path, shoot: Shoot, width: int, scheme: str
) -> None:
    page, problems = opened(browser, url, width, scheme)
    assert page.evaluate("['make', 'again', 'write'].every(id => document.querySelector('#' + id).disabled)")
    page.wait_for_function("[...document.querySelectorAll('#motions img')].every(img => img.src)")
    shoot(page, f"{width}-empty")

    narrow = width == 390  # two ways to begin and two to move: each is gone once
    if narrow:
        page.click("#examples button >> nth=2")
    else:
        page.set_input_files("#photos input[type=file]", str(cutout_photo))
    ready(page, "make")
    page.wait_for_selector("#mattes img")
    small_videos(page)
    page.evaluate(LISTEN)
    page.click("#make")
    assert plays(page, "turntable")
    ready(page, "again")
    assert page.locator("#making .done span").count() == 3
    heard = page.evaluate("window.heard")
    assert "Making the avatar" in heard and heard[-1] == "Done" and len(heard) <= 5, "each stage once, and no seconds"

    if narrow:
        page.click("#motions button:has-text('wave')")
    else:
        page.set_input_files("input[type=file][accept*='.bvh']", str(KICK))
    assert plays(page, "animation")
    ready(page, "again")

    page.click("role=tab[name='Turn it by hand']")
    page.wait_for_selector("#viewer iframe")
    viewer = page.frame_locator("#viewer iframe")
    viewer.locator("#wait:empty").wait_for(state="attached")  # it has begun to draw
    assert viewer.locator("#motion option").all_inner_texts()[:2] == ["wave" if narrow else "your motion", "idle"]

    # By keys: while a page scrolls, Chromium may give a click to the viewer, a frame that was there a moment ago.
    page.press("#write", "Enter")  # the viewer leaves the page its time, even where it draws by software
    page.wait_for_selector("#file", state="visible")
    for button, name in (("file", "avatar.ply"), ("save-avatar", ".safetensors"), ("save-animation", ".mp4")):
        with page.expect_download() as download:
            page.press(f"#{button}", "Enter")
        assert download.value.suggested_filename.endswith(name)
    shoot(page, f"{width}-done")

    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out to the side
    assert problems == []  # no script error, and nothing asked of any other server
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_cutout_is_put_right(
    browser, url: str, crowd_photo: Path, empty_photo: Path, shoot: Shoot, width: int, scheme: str
) -> None:
    page, problems = opened(browser, url, width, scheme)
    page.set_input_files("#photos input[type=file]", [str(crowd_photo), str(empty_photo)])
    page.wait_for_selector("#mattes button >> nth=1")
    ready(page, "make")
    told = page.inner_text("#status")
    assert "Photo 1 shows 2 people." in told and "Nobody was found in photo 2;" in told
    page.click("#mattes button >> nth=1")
    page.wait_for_selector("#fix-title:has-text('Photo 2')")
    page.wait_for_function("document.querySelector('#brush canvas').width === 120")  # the photo has come
    page.click("#fix-facing label:has-text('away')")
    page.wait_for_selector("#mattes .caption-label:has-text('left out')")
    shoot(page, f"{width}-fix")
    page.locator("#brush canvas").scroll_into_view_if_needed()
    box = page.locator("#brush canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + box["height"] / 2, steps=4)
    page.mouse.up()
    page.click("#brush [data-do=use]")
    page.wait_for_selector("#fix", state="hidden")
    page.wait_for_function("!document.querySelector('#status').innerText.includes('Nobody')")
    page.wait_for_selector("#mattes .caption-label:has-text('faces away')")

    page.click("#mattes button >> nth=0")
    page.wait_for_selector("#fix-title:has-text('Photo 1')")
    page.click("#drop")
    page.wait_for_function("document.querySelectorAll('#mattes img').length === 1")
    page.wait_for_function("!document.querySelector('#status').innerText.includes('people')")
    assert problems == []
    page.context.close()


def test_a_bad_photo_is_explained_and_work_can_be_stopped(
    browser, url: str, cutout_photo: Path, tmp_path: Path, shoot: Shoot
) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("dear reader")
    page, _ = opened(browser, url, 1280, "dark")
    page.set_input_files("#photos input[type=file]", str(letter))
    page.wait_for_selector("#status strong")
    assert "Photo 1 is not an image" in page.inner_text("#status")
    assert page.evaluate("document.querySelector('#make').disabled")
    assert "Photo 1 is not an image" in page.inner_text("#said")
    shoot(page, "1280-error")
    page.click("#photos button[aria-label='Clear']")
    page.set_input_files("#photos input[type=file]", str(cutout_photo))
    ready(page, "make")
    page.click("#make")
    page.click("#stop-making")
    page.wait_for_selector("#making .said:has-text('Stopped.')")
    ready(page, "make")
    assert "Stopped." in page.inner_text("#said")
    assert page.query_selector("#turntable video") is None
    page.click("#motions button >> nth=0")
    page.wait_for_selector("#moving .failed:has-text('Make an avatar first.')")
    page.context.close()


def test_stop_can_be_pressed_before_the_work_has_its_turn(browser, url: str, cutout_photo: Path) -> None:
    pages = [opened(browser, url, 1280, "light")[0] for _ in range(2)]
    for page in pages:
        page.set_input_files("#photos input[type=file]", str(cutout_photo))
        ready(page, "make")
    first, second = pages
    first.click("#make")
    first.wait_for_selector("#making .progress b:has-text('Making the avatar')")
    second.click("#make")
    second.wait_for_selector("#making b:has-text('Waiting for its turn')")
    second.click("#stop-making")
    second.wait_for_selector("#making .said:has-text('Stopped.')")
    ready(second, "make")
    assert second.query_selector("#turntable video") is None
    first.wait_for_selector("#turntable video")
    for page in pages:
        page.context.close()


def test_nothing_is_made_of_the_photos_before_while_new_ones_wait(browser, url: str, cutout_photo: Path) -> None:
    page, _ = opened(browser, url, 1280, "light")
    page.set_input_files("#photos input[type=file]", str(cutout_photo))
    ready(page, "make")
    held = []
    page.route("**/queue/join*", lambda route: held.append(route))  # others are before us
    page.click("#examples button >> nth=2")
    page.wait_for_function("document.querySelector('#make').disabled")
    while not held:
        page.wait_for_timeout(100)
    assert page.evaluate("document.querySelector('#make').disabled")
    held[0].continue_()
    page.unroute("**/queue/join*")
    page.wait_for_function("document.querySelectorAll('#mattes img').length > 1")
    ready(page, "make")
    page.context.close()
