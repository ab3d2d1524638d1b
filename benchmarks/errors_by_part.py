"""Which part of the body the open model places how badly, on held-out people, one photo each.

    python benchmarks/errors_by_part.py --photos 100

"everyday" are poses as photos have them; "arms" are those whose arms are hard to read: crossed, clasped, on the hips,
behind the back, at a phone, pointing, sitting. Last, how much is taken for a part of the body of what is before it and
was kept by the matte, like a microphone or a lectern.
"""

from __future__ import annotations

import argparse
import sys

import torch

from nopo.body.skeleton import JOINT_NAMES
from nopo.encode.config import PATCH
from nopo.encode.window import window_columns
from nopo.evaluate.open_model import on_the_wrong_side
from nopo.pipeline import Pipeline
from nopo.synthetic.dataset import NUM_PARTS, make_batch

GROUPS = {
    "head and neck": ("head", "neck"),
    "trunk": ("pelvis", "spine1", "spine2", "spine3", "collar"),
    "upper arms": ("shoulder",),
    "forearms": ("elbow",),
    "hands": ("wrist", "fingers"),
    "thighs": ("hip",),
    "shins": ("knee",),
    "feet": ("ankle", "foot"),
}
SIZE = 192


def group_of_part() -> torch.Tensor:
    """[NUM_PARTS] row of GROUPS that each part belongs to."""
    parts = [*JOINT_NAMES[: NUM_PARTS - 2], "left_fingers", "right_fingers"]
    rows = [next(row for row, names in enumerate(GROUPS.values()) if part.endswith(names)) for part in parts]
    return torch.tensor(rows)


@torch.inference_mode()
def measure(pipeline: Pipeline, photos: int, bent: float) -> tuple[torch.Tensor, list[float]]:
    """Pixels, summed errors in centimetres and pixels on the wrong side [groups, 3], and mean errors of the photos."""
    generator, groups = torch.Generator().manual_seed(41), group_of_part()
    sums, means = torch.zeros(len(GROUPS), 3), []
    for done in range(photos):
        batch = make_batch(generator, 1, 1, SIZE, held_out=True, frontal=0.0, truncated=False, bent=bent, uv_size=32)
        starts, width = window_columns(batch.masks[0], PATCH)
        seen = batch.columns_in(starts[None], width)
        prediction = pipeline.network.forward_batch(
            seen.images, seen.masks, pipeline.template, render=False, both_ways=pipeline.network.config.both_ways
        )
        valid = seen.valid.flatten()
        said, truth = prediction.image.means[0][valid], seen.canonical[0, 0].permute(1, 2, 0).flatten(0, 1)[valid]
        error = 100 * (said - truth).norm(dim=-1)
        wrong = on_the_wrong_side(said, truth)
        rows = groups[seen.parts.flatten()[valid].long()]
        sums.index_add_(0, rows, torch.stack([torch.ones_like(error), error, wrong.float()], 1))
        means.append(float(error.mean()))
        sys.stderr.write(f"\r{done + 1} of {photos}")
    sys.stderr.write("\n")
    return sums, means


@torch.inference_mode()
def taken_for_a_body(pipeline: Pipeline, photos: int) -> tuple[float, float]:
    """Shares of things' pixels and of people's that become opaque."""
    generator, opaque = torch.Generator().manual_seed(43), torch.zeros(2, 2)
    for _ in range(photos):
        batch = make_batch(
            generator, 1, 1, SIZE, held_out=True, frontal=0.0, truncated=False, difficulty=0.0, things=1.0, uv_size=32
        )
        masks, valid = batch.masks[0, 0], batch.valid[0, 0]
        thing = (masks > 0.5) & (batch.clean_masks[0, 0] < 0.5)
        opacities = pipeline.network(batch.images[0], batch.masks[0], pipeline.template).image.opacities
        for row, pixels in enumerate((thing, valid)):
            of_these = opacities.view_as(masks)[pixels]
            opaque[row] += torch.tensor([float((of_these > 0.5).sum()), len(of_these)])
    things, people = (opaque[:, 0] / opaque[:, 1]).tolist()
    return things, people


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Measure the open model's error part by part.")
    parser.add_argument("--model", default="open")
    parser.add_argument("--photos", type=int, default=100)
    args = parser.parse_args()
    pipeline = Pipeline.load(args.model, "cpu")
    print("| poses | part | share of pixels | error, cm | adds to the mean | on the wrong side |")
    print("|---|---|---|---|---|---|")
    for name, bent in (("everyday", 0.0), ("arms", 1.0)):
        sums, means = measure(pipeline, args.photos, bent)
        print(f"| {name} | all | 100 % | {sum(means) / len(means):.2f} | | |")
        total = sums[:, 0].sum()
        for part, (pixels, error, wrong) in zip(GROUPS, sums.tolist(), strict=True):
            each = max(pixels, 1)
            print(
                f"| | {part} | {100 * pixels / total:.1f} % | {error / each:.1f} | {error / total:.2f} "
                f"| {100 * wrong / each:.1f} % |"
            )
    things, people = taken_for_a_body(pipeline, args.photos)
    print(f"\nOpaque: {100 * things:.0f} % of what is before people, {100 * people:.1f} % of people.")


if __name__ == "__main__":
    main()
