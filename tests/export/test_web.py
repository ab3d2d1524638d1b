"""The web page: what lies in it, and what a real browser makes of it."""

import base64
import json
import math
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nopo.articulate import articulate
from nopo.avatar import Avatar
from nopo.body.skeleton import joint_weights_from_bones
from nopo.camera import framing_orbit, orbit
from nopo.errors import ExportError
from nopo.export import web
from nopo.export.formats import export
from nopo.gaussians import Gaussians
from nopo.motion import Motion
from nopo.motions import load_motion, names
from nopo.render import render
from nopo.stretch import REACH_M

PICTURES_UNTIL_NONE = """async () => {
  const kind = WebGL2RenderingContext.prototype, draws = kind.drawElements;
  let pictures = 0, before = -1;
  kind.drawElements = function (...how) { pictures++; return draws.apply(this, how); };
  while (pictures > before && pictures < 20) {
    before = pictures;
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
  kind.drawElements = draws;
  return pictures;
}"""
"""How many are drawn until none is for a while; at most 20."""


def inside(page: str) -> tuple[dict, bytes]:
    """The header and the numbers of a page."""
    scene = json.loads(re.search(r'id="scene">(.*?)</script>', page, re.DOTALL)[1])
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    return scene, zlib.decompress(base64.b64decode(data))


@pytest.fixture(scope="module")
def wave(body_avatar: Avatar) -> Motion:
    return load_motion("wave", rest_joints=body_avatar.rest_joints, fps=30)


def test_the_numbers_in_the_page_are_the_avatar(body_avatar: Avatar, wave: Motion) -> None:
    scene, data = inside(web.web_page(body_avatar, {"wave": wave}))
    count, rows = scene["count"], -(-scene["count"] // web.ROW) * web.ROW
    cloud = body_avatar.gaussians
    assert count == len(cloud)
    means = np.frombuffer(data, "<u2", 3 * rows).reshape(rows, 3)[:count]
    assert np.abs(scene["low"] + scene["grain"] * means - cloud.means.numpy()).max() < 2e-5
    upper = np.frombuffer(data, "<f2", 3 * rows, 6 * rows).reshape(rows, 3)[:count]
    assert np.allclose(upper / 1e4, cloud.covars[:, 0].numpy(), rtol=1e-3, atol=1e-9)
    joints = np.frombuffer(data, np.uint8, 4 * rows, 22 * rows).reshape(rows, 4)[:count]
    weights = np.frombuffer(data, np.uint8, 4 * rows, 26 * rows).reshape(rows, 4)[:count]
    assert (weights.astype(int).sum(1) == 255).all(), "weights that do not add up shrink the person"
    told = np.zeros((count, 55))
    np.put_along_axis(told, joints.astype(int), weights / 255, 1)
    assert np.abs(told - joint_weights_from_bones(body_avatar.bone_weights).numpy()).mean() < 1e-3
    beside = np.frombuffer(data, "<i4", 6 * rows, 30 * rows).reshape(rows, 6)[:count]
    others = np.arange(count)[:, None] + beside
    away = (cloud.means[torch.from_numpy(others)] - cloud.means[:, None]).norm(dim=-1)
    nearest = torch.cdist(cloud.means[:50], cloud.means).sort(dim=1).values[:, 1:7]
    close = nearest < REACH_M
    torch.testing.assert_close(away[:50], torch.where(close, nearest, 0), atol=1e-3, rtol=0)
    assert close.float().mean() > 0.8
    assert len(data) == 54 * rows + (12 + 440) * len(wave)
    assert scene["motions"][0]["frames"] == len(wave) and scene["motions"][0]["loop"] is wave.loop


def test_names_cannot_break_the_page_and_it_fetches_nothing(body_avatar: Avatar, wave: Motion, tmp_path: Path) -> None:
    evil = '</script><script>alert("@@DATA@@")'
    page = web.web_page(body_avatar, {evil: wave}, title=evil)
    assert page.count("<script") == 3 and inside(page)[0]["motions"][0]["name"] == evil
    assert "default-src 'none'" in page and not re.search(r"https?://|fetch\(|import\(", page)
    assert inside(web.web_page(body_avatar, {}))[0]["motions"][0]["frames"] == 1
    viewer = Path(web.__file__).with_name("viewer")
    assert sum(file.stat().st_size for file in viewer.iterdir()) < 60_000


def test_it_is_one_of_the_formats_and_holds_one_motion_or_all(
    body_avatar: Avatar, wave: Motion, tmp_path: Path
) -> None:
    path = export(body_avatar, tmp_path / "wave.html", motion=wave)
    assert [motion["frames"] for motion in inside(path.read_text("utf-8"))[0]["motions"]] == [len(wave)]
    path = export(body_avatar, tmp_path / "all.html")
    scene, _ = inside(path.read_text("utf-8"))
    assert len(scene["motions"]) == len(names()) and scene["motions"][0]["name"] == names()[0]
    assert path.stat().st_size < 2_000_000


def test_an_avatar_without_substance_is_refused(body_avatar: Avatar, tmp_path: Path) -> None:
    cloud = body_avatar.gaussians
    ghost = replace(body_avatar, gaussians=replace(cloud, opacities=torch.zeros(len(cloud))))
    with pytest.raises(ExportError, match="nothing that can be seen"):
        web.write_html(ghost, tmp_path / "ghost.html")
    assert list(tmp_path.iterdir()) == []


def test_too_many_gaussians_are_thinned_out_and_look_the_same(body_avatar: Avatar) -> None:
    assert web.thinned(body_avatar) is body_avatar
    few = web.thinned(body_avatar, len(body_avatar.gaussians) // 2)
    assert len(few.gaussians) == len(few.bone_weights) == len(body_avatar.gaussians) // 2
    camera = framing_orbit(body_avatar.gaussians.means, 20, size=(256, 256))
    before, after = (render(person.gaussians, camera, web.PAPER).rgb[0] for person in (body_avatar, few))
    assert -10 * math.log10(float(((before - after) ** 2).mean())) > 25


def test_nothing_is_drawn_out_in_a_body_of_its_own(body_avatar: Avatar) -> None:
    """The original's avatars move as in the paper."""
    scene, data = inside(web.web_page(replace(body_avatar, model="nopo-avatar/huge100k-1view"), {}))
    rows = -(-scene["count"] // web.ROW) * web.ROW
    assert not np.frombuffer(data, "<i4", 6 * rows, 30 * rows).any()


def seen_by(page, wish: dict, path: Path) -> np.ndarray:
    """What the browser shows of the avatar then and from there."""
    page.evaluate(f"nopo.show({json.dumps({'playing': False, **wish})})")
    page.screenshot(path=path)
    return np.asarray(Image.open(path).convert("RGB")) / 255


def likeness(shown: np.ndarray, person: Gaussians, shot: dict, wish: dict) -> float:
    """PSNR, where the renderer sees the person, of what was shown."""
    camera = orbit(
        torch.tensor(shot["center"]), shot["distance"], wish["azimuth"], wish["elevation"],
        fov_deg=web.FOV_DEG, size=shown.shape[:2],
    )  # fmt: skip
    drawn = render(person, camera, web.PAPER).rgb[0].clamp(0, 1).numpy()
    there = np.abs(drawn - np.array(web.PAPER)).max(2) > 0.02
    assert there.mean() > 0.03
    return -10 * math.log10(((shown - drawn)[there] ** 2).mean())


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_draws_splats_out_where_a_joint_pulls_the_surface_apart(
    browser, body_avatar: Avatar, tmp_path: Path
) -> None:
    covars = torch.eye(3).expand(len(body_avatar.gaussians), 3, 3) * 0.004**2  # just touching: bent, they leave gaps
    thin = replace(body_avatar, gaussians=replace(body_avatar.gaussians, covars=covars.contiguous()))
    kick = load_motion("kick", rest_joints=thin.rest_joints, fps=30)
    web.write_html(thin, tmp_path / "kick.html", motion=kick)
    page = browser.new_page(viewport={"width": 320, "height": 384}, bypass_csp=True)
    page.set_default_timeout(60_000)
    page.goto((tmp_path / "kick.html").as_uri())
    page.wait_for_function("window.nopo || document.getElementById('wait').textContent.length > 15")
    page.evaluate("document.querySelector('nav').style.display = 'none'")
    frame, wish = len(kick) // 3, {"azimuth": 40, "elevation": 5}
    shown = seen_by(page, {**wish, "seconds": frame / kick.fps}, tmp_path / "shown.png")
    shot = page.evaluate("nopo.view")
    stretched, stiff = (
        likeness(shown, articulate(thin, kick[frame], stretch=grows), shot, wish) for grows in (True, False)
    )
    assert stretched > 25 and stretched > stiff + 2, (stretched, stiff)
    page.close()


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_shows_what_the_renderer_draws_and_plays_it(
    browser, body_avatar: Avatar, wave: Motion, tmp_path: Path
) -> None:
    web.write_html(body_avatar, tmp_path / "wave.html", motion=wave)
    # The page's own policy forbids the strings of code that Playwright waits with.
    page = browser.new_page(viewport={"width": 320, "height": 384}, bypass_csp=True)
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((tmp_path / "wave.html").as_uri())
    page.wait_for_function("window.nopo || document.getElementById('wait').textContent.length > 15")
    assert page.inner_text("#wait") == ""
    page.wait_for_function("nopo.state.seconds > 0.2")  # it plays
    assert page.inner_text("#play") == "Pause"
    page.click("#play")
    stopped = page.evaluate("nopo.state.seconds")
    assert page.evaluate(PICTURES_UNTIL_NONE) < 20, "what stands still costs nothing"
    page.evaluate("document.querySelector('nav').hidden = true; document.querySelector('nav').style.display = 'none'")

    shot = page.evaluate("nopo.view")
    for frame, azimuth, elevation in ((0, 20, 5), (30, 130, 25)):
        wish = {"azimuth": azimuth, "elevation": elevation}
        shown = seen_by(page, {**wish, "seconds": frame / wave.fps}, tmp_path / "shown.png")
        assert likeness(shown, articulate(body_avatar, wave[frame]), shot, wish) > 25

    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["width"] / 2, box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["width"] / 2 + 40, box["height"] / 2)
    page.mouse.up()
    assert page.evaluate("nopo.view.azimuth") == pytest.approx(110), "dragging to the right turns what is seen"
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"nopo.view.distance < {0.8 * shot['distance']}")
    assert stopped > 0.2 and problems == []
    page.close()
