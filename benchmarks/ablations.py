"""What each part of the open model is worth: the same checkpoint with one thing changed, on held-out people.

    python benchmarks/ablations.py --subjects 40

What is built into the weights (losses, heads) cannot be taken out afterwards and is not here; docs/OPEN_MODEL.md says
what training without it gave.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from nopo.avatar import Avatar
from nopo.encode import completion
from nopo.encode.activations import tangent_covars
from nopo.encode.branch import Branch
from nopo.encode.completion import complete_template, share_cover
from nopo.encode.detail import shrink
from nopo.encode.network import Network
from nopo.encode.prediction import Prediction
from nopo.encode.settle import settle
from nopo.encode.trim import trim
from nopo.evaluate.open_model import Predict, measure, predict, summary
from nopo.evaluate.protocol import Subject, held_out_subjects
from nopo.pipeline import Pipeline, in_own_proportions


def knowing_pixels(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Every pixel knows where it lies: what the rest of the avatar allows."""
    prediction, _ = predict(pipeline, subject, count)
    batch = subject.photos
    maps = batch.canonical[0, :count].permute(0, 2, 3, 1)  # [V, H, W, 3]
    image = replace(
        prediction.image,
        means=maps.reshape(-1, 3),
        covars=tangent_covars(maps, torch.zeros_like(maps)).reshape(-1, 3, 3),
        opacities=prediction.image.mask * batch.valid[0, :count].flatten(),
    )
    prediction = replace(prediction, image=image)
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


def knowing_all(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The proportions and the unseen surface are known as well: what colours and splats allow."""
    prediction, _ = knowing_pixels(pipeline, subject, count)
    surface = subject.photos.uv_positions[0].flatten(0, 1)
    template = replace(prediction.template, means=surface.to(prediction.template.means))
    prediction = replace(prediction, template=template, rest_joints=subject.photos.rest_joints[0])
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


def knowing_joints(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The proportions alone are known."""
    prediction, _ = predict(pipeline, subject, count)
    prediction = replace(prediction, rest_joints=subject.photos.rest_joints[0])
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


def knowing_body(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The proportions and the surface are known, the pixels' places are not."""
    prediction, _ = knowing_joints(pipeline, subject, count)
    surface = subject.photos.uv_positions[0].flatten(0, 1)
    template = replace(prediction.template, means=surface.to(prediction.template.means))
    prediction = replace(prediction, template=template)
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


@contextmanager
def _configured(network: Network, **changes: Any) -> Iterator[None]:
    """The network with other settings for a while."""
    config = network.config
    network.config = replace(config, **changes)
    try:
        yield
    finally:
        network.config = config


def _completed(prediction: Prediction) -> Branch:
    assert prediction.template_joints is not None
    return trim(complete_template(prediction.template, prediction.image, prediction.template_joints))


def unsettled(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The photos' Gaussians move as the network says, also where that contradicts the surface that they lie on."""
    prediction, _ = predict(pipeline, subject, count)
    image = share_cover(prediction.image)
    avatar = replace(prediction, template=_completed(prediction), image=image).avatar(complete=False)
    return prediction, in_own_proportions(avatar, prediction.rest_joints)


def all_opaque(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Every photo covers as if it were the only one."""
    prediction, _ = predict(pipeline, subject, count)
    image = settle(prediction.template, prediction.image)
    avatar = replace(prediction, template=_completed(prediction), image=image).avatar(complete=False)
    return prediction, in_own_proportions(avatar, prediction.rest_joints)


def uncompleted(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The two branches as the network says them."""
    prediction, _ = predict(pipeline, subject, count)
    return prediction, in_own_proportions(prediction.avatar(complete=False), prediction.rest_joints)


def template_proportions(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Everybody has the template's proportions, as in the original."""
    prediction, _ = predict(pipeline, subject, count)
    return prediction, prediction.avatar()


def coarse(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """One Gaussian a pixel of what the network saw, not of the photo."""
    images, masks = subject.photos.images[0, :count], subject.photos.masks[0, :count]
    coarser = shrink(images, masks, pipeline.network.config.seen_size(*masks.shape[-2:]))
    seen = pipeline.network(*coarser, pipeline.template)
    avatar = in_own_proportions(seen.avatar(), seen.rest_joints)
    return predict(pipeline, subject, count)[0], avatar  # the truth of the pixels is as fine as the photo


def once(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Photos are not looked at in a mirror."""
    with _configured(pipeline.network, both_ways=False):
        return predict(pipeline, subject, count)


def seen_coarser(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The network sees photos at 128²."""
    with _configured(pipeline.network, sees=128):
        return predict(pipeline, subject, count)


def untrimmed(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The template's splats reach beyond the ends of its surface."""
    prediction, _ = predict(pipeline, subject, count)
    joints = prediction.template_joints
    assert joints is not None
    template = complete_template(prediction.template, prediction.image, joints)
    image = share_cover(settle(prediction.template, prediction.image))
    avatar = replace(prediction, template=template, image=image).avatar(complete=False)
    return prediction, in_own_proportions(avatar, prediction.rest_joints)


def round_splats(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Splats as wide as the surface's tangents make them, but balls instead of leaves."""
    prediction, avatar = predict(pipeline, subject, count)
    splats = avatar.gaussians.covars
    width = splats.diagonal(dim1=-2, dim2=-1).sum(-1) / 2  # m², a leaf has two
    gaussians = replace(avatar.gaussians, covars=width[:, None, None] * torch.eye(3))
    return prediction, replace(avatar, gaussians=gaussians)


def credulous(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Gaussians that the network is not sure of give the template their colours too."""
    sure, completion.SURE = completion.SURE, 0.0
    try:
        return predict(pipeline, subject, count)
    finally:
        completion.SURE = sure


def unfaded(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Gaussians that lie between two surfaces stay."""
    with _configured(pipeline.network, fade_bridges=False):
        return predict(pipeline, subject, count)


def sure(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """Every place counts as sure: what lies between limbs or surfaces stays, however the network doubts it."""
    with _configured(pipeline.network, uncertainty=False):
        return predict(pipeline, subject, count)


def told(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The network is told which way the person really faces."""
    batch = subject.photos
    photos = batch.images[0, :count], batch.masks[0, :count]
    prediction = pipeline.network(*photos, pipeline.template, batch.facing[0, :count])
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


def never_told(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """The network takes everybody for a front, as it did before it was taught to look."""
    batch = subject.photos
    photos = batch.images[0, :count], batch.masks[0, :count]
    front = torch.tensor([[0.0, 1.0]]).expand(count, -1)
    prediction = pipeline.network(*photos, pipeline.template, front)
    return prediction, in_own_proportions(prediction.avatar(), prediction.rest_joints)


VARIANTS: dict[str, tuple[int, Predict]] = {
    "as shipped, 1 photo": (1, predict),
    "2 photos": (2, predict),
    "4 photos": (4, predict),
    "8 photos": (8, predict),
    "told where the person faces": (1, told),
    "takes everybody for a front": (1, never_told),
    "not settled on the surface": (1, unsettled),
    "the same, 4 photos": (4, unsettled),
    "every photo opaque, 4 photos": (4, all_opaque),
    "grey template, nothing settled": (1, uncompleted),
    "Gaussians as coarse as what it sees": (1, coarse),
    "looked at once, not in a mirror": (1, once),
    "seen at 128²": (1, seen_coarser),
    "bridges between surfaces stay": (1, unfaded),
    "unsure Gaussians give colours too": (1, credulous),
    "splats reach beyond the surface": (1, untrimmed),
    "round splats": (1, round_splats),
    "sure of every place": (1, sure),
    "everybody in the template's proportions": (1, template_proportions),
    "true proportions": (1, knowing_joints),
    "true proportions and surface": (1, knowing_body),
    "true positions of all pixels, 1 photo": (1, knowing_pixels),
    "true positions, 4 photos": (4, knowing_pixels),
    "true positions, proportions and surface": (1, knowing_all),
    "all three, 4 photos": (4, knowing_all),
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Measure the open model with one part changed.")
    parser.add_argument("--model", default="open")
    parser.add_argument("--subjects", type=int, default=40)
    parser.add_argument("--frontal", action="store_true")
    args = parser.parse_args()
    pipeline = Pipeline.load(args.model, "cpu")
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for done, subject in enumerate(held_out_subjects(args.subjects, 0, 8, float(args.frontal))):
        for name, (count, ask) in VARIANTS.items():
            rows[name].append(measure(pipeline, subject, count, ask))
        sys.stderr.write(f"\r{done + 1} of {args.subjects}")
    sys.stderr.write("\n")
    print("| | error, cm | swaps | novel view PSNR | in the mask | SSIM | IoU |\n|---|---|---|---|---|---|---|")
    for name, measured in rows.items():
        figures = summary(measured)
        view = figures["novel_view"]
        assert isinstance(view, dict)
        swaps = f"{100 * float(figures['swaps']):.1f} %"  # type: ignore[arg-type]
        print(
            f"| {name} | {figures['canonical_mean_cm']:.1f} | {swaps} | {view['psnr']:.2f} | {view['psnr_mask']:.2f} "
            f"| {view['ssim']:.4f} | {view['iou']:.3f} |"
        )


if __name__ == "__main__":
    main()
