"""A photo of a person in, an avatar and two videos out: `python examples/quickstart.py`."""

from pathlib import Path

from nopo import Avatar, Motion, Pipeline
from nopo.export.video import write_mp4

photos = sorted((Path(__file__).parent / "photos" / "jonas").glob("*.jpg"))  # one to eight of one person
out = Path("out")
out.mkdir(exist_ok=True)

pipeline = Pipeline.load("open", device="auto")
avatar = pipeline.reconstruct(photos)
avatar.save(out / "jonas.safetensors")
write_mp4(out / "turntable.mp4", pipeline.turntable(avatar, size=512, frames=60), fps=30)

same = Avatar.load(out / "jonas.safetensors")
walk = Motion.load("walk")
write_mp4(out / "walk.mp4", pipeline.animate(same, walk, size=512), fps=walk.fps)
print(f"{len(avatar.gaussians)} Gaussians; see {out}/")
