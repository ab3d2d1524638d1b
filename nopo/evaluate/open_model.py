"""`nopo evaluate open`: the figures of a checkpoint on held-out synthetic people."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from nopo.articulate import Articulator
from nopo.avatar import Avatar
from nopo.encode.prediction import Prediction
from nopo.evaluate.metrics import iou, psnr, ssim
from nopo.evaluate.protocol import Subject, Target, held_out_subjects
from nopo.pipeline import Pipeline, in_own_proportions
from nopo.progress import Progress, silent
from nopo.render import render

LOGGER = logging.getLogger(__name__)

SIDE_METRES = 0.05  # nearer to the plane of symmetry, a point has no left or right
Figures: TypeAlias = dict[str, float | dict[str, float]]
Predict: TypeAlias = Callable[[Pipeline, Subject, int], tuple[Prediction, Avatar]]


def evaluate_open(
    model: str | Path = "open",
    subjects: int = 200,
    seed: int = 0,
    device: str = "auto",
    *,
    photos: Iterable[int] = (1, 3),
    frontal: bool = False,
    progress: Progress = silent,
) -> dict[str, Figures]:
    """Measure a checkpoint of the open model.

    Args:
        model: a name that `nopo info` lists, or a checkpoint.
        subjects: how many held-out people.
        seed: of the people; 0 is the one that is reported.
        device: of the network, see `Pipeline.load`.
        photos: numbers of photos to give.
        frontal: take the first photo from the front (±45°); by default all yaws are equally likely.
        progress: told after each person.

    Returns:
        For every number of photos, as "photos_3": canonical_mean_cm, canonical_median_cm, within_5cm, swaps,
        rest_joints_cm, facing_deg (mean error of the direction that it finds, if it looks for one), and for novel_view
        and novel_pose: psnr, psnr_mask, ssim, iou.
    """
    pipeline = Pipeline.load(model, device)
    counts = sorted(set(photos))
    rows: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    progress("evaluate", 0, subjects)
    for done, subject in enumerate(held_out_subjects(subjects, seed, max(counts), float(frontal))):
        for count in counts:
            rows[count].append(measure(pipeline, subject, count))
        progress("evaluate", done + 1, subjects)
    return {f"photos_{count}": summary(rows[count]) for count in counts}


def predict(pipeline: Pipeline, subject: Subject, count: int) -> tuple[Prediction, Avatar]:
    """What the network says of the first `count` photos, and the avatar in the subject's proportions; on the CPU."""
    images, masks = (photos[0, :count].to(pipeline.device) for photos in (subject.photos.images, subject.photos.masks))
    prediction = pipeline.network(images, masks, pipeline.template)
    avatar = in_own_proportions(prediction.avatar(), prediction.rest_joints)
    return prediction.to("cpu"), avatar.to("cpu")


@torch.inference_mode()
def measure(pipeline: Pipeline, subject: Subject, count: int, ask: Predict = predict) -> dict[str, float]:
    """The figures of one person from the first `count` photos.

    Args:
        pipeline: of the open model.
        subject: who.
        count: how many photos the network gets.
        ask: how it is asked.
    """
    prediction, avatar = ask(pipeline, subject, count)
    batch = subject.photos
    valid = batch.valid[0, :count].flatten()
    truth = batch.canonical[0, :count].permute(0, 2, 3, 1).reshape(-1, 3)[valid]  # [K, 3]
    found = prediction.image.means[valid]
    error = (found - truth).norm(dim=-1)
    row = {
        "canonical_mean_cm": 100 * float(error.mean()),
        "canonical_median_cm": 100 * float(error.median()),
        "within_5cm": float((error < 0.05).float().mean()),
        "swaps": float(on_the_wrong_side(found, truth).float().mean()),
        "rest_joints_cm": 100 * float((avatar.rest_joints - batch.rest_joints[0]).norm(dim=-1).mean()),
    }
    if prediction.facing is not None:
        angle = torch.cosine_similarity(prediction.facing, batch.facing[0, :count], dim=-1).clamp(-1, 1).acos()
        row["facing_deg"] = math.degrees(float(angle.mean()))
    person = Articulator(avatar)
    for kind, targets in (("novel_view", subject.novel_view), ("novel_pose", subject.novel_pose)):
        for name, value in _picture_figures(person, targets).items():
            row[f"{kind}.{name}"] = value
    return row


def on_the_wrong_side(found: Tensor, truth: Tensor) -> Tensor:
    """[K] bool: places [K, 3] of the T-pose, metres, that are left and should be right, or the other way round."""
    sided = (found[:, 0].abs() > SIDE_METRES) & (truth[:, 0].abs() > SIDE_METRES)
    return sided & (found[:, 0].sign() != truth[:, 0].sign())


def picture(person: Articulator, target: Target) -> tuple[Tensor, Tensor]:
    """The person where the target shows them: rgb (H, W, 3) on white, alpha (H, W)."""
    drawn = render(person.pose(target.pose), target.camera, (1.0, 1.0, 1.0))
    return drawn.rgb[0].clamp(0, 1), drawn.alpha[0, ..., 0]


def _picture_figures(person: Articulator, targets: list[Target]) -> dict[str, float]:
    drawn = [picture(person, target) for target in targets]
    rgb, alpha = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    truth, mask = torch.stack([t.rgb for t in targets]), torch.stack([t.alpha for t in targets])
    return {
        "psnr": float(psnr(rgb, truth).mean()),
        "psnr_mask": float(psnr(rgb, truth, mask).mean()),
        "ssim": float(ssim(rgb, truth).mean()),
        "iou": float(iou(alpha, mask).mean()),
    }


def summary(rows: list[dict[str, float]]) -> Figures:
    """Means over the people; "kind.name" becomes a name inside a kind."""
    summary: Figures = {}
    for key in rows[0]:
        value = sum(row[key] for row in rows) / len(rows)
        kind, _, name = key.rpartition(".")
        if kind:
            group = summary.setdefault(kind, {})
            assert isinstance(group, dict)
            group[name] = value
        else:
            summary[key] = value
    return summary


def as_text(table: dict[str, Figures]) -> str:
    """The result as lines for people to read."""
    lines = []
    for photos, figures in table.items():
        groups = {"canonical": {k: v for k, v in figures.items() if isinstance(v, float)}}
        groups |= {k: v for k, v in figures.items() if isinstance(v, dict)}
        lines.append(photos.replace("photos_", "photos: "))
        for kind, group in groups.items():
            lines.append(f"  {kind:<12}" + "  ".join(f"{name} {value:.3f}" for name, value in group.items()))
    return "\n".join(lines)
