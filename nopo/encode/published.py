"""The original's published checkpoints: which of their names is which of ours, and which are left out and why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from nopo.encode.config import PATCH, ModelConfig
from nopo.errors import CheckpointError

TEMPLATE_KEY = "encoder.backbone.template_embed"

UNUSED: tuple[tuple[str, str], ...] = (
    (r"smplx_model\.", "the licensed body model; nopo reads the user's own SMPL-X files"),
    (r"(losses|decoder|distiller)\.", "only used while training"),
    (r"encoder\.pts3d_(mean|std)$", "buffers that the inference never reads"),
    (r"encoder\.backbone\.mask_token$", "left from the pretraining of the encoder"),
    (r"encoder\.backbone\.intrinsic_encoder\.", "no published model takes camera intrinsics"),
    (r"encoder\.backbone\.patch_embed_smplx?\.", "its result is discarded: the template is a learned embedding"),
    (r"encoder\.\w+\.dpt\.scratch\.refinenet4\.resConfUnit1\.", "the coarsest level has no skip connection"),
    (r"encoder\.\w+\.dpt\.scratch\.layer_rn\.\d\.weight$", "the same tensors as scratch.layer{1..4}_rn"),
    (r"encoder\.gaussian_param_head_template\.dpt\.input_merger_smpl\.", "for SMPL templates; nopo uses SMPL-X"),
)
"""(pattern at the start of a key, why it is left out)."""

_STREAMS = {
    "downstream_head1_template": ("template_heads", "points"),
    "downstream_head2": ("image_heads", "points"),
    "gaussian_param_head_template": ("template_heads", "gaussian"),
    "gaussian_param_head2": ("image_heads", "gaussian"),
}

_BACKBONE = (
    (r"template_embed$", "template_tokens"),
    (r"patch_embed\.proj", "patches.proj"),
    (r"enc_blocks\.", "encoder."),
    (r"dec_blocks\.", "template_decoder."),
    (r"dec_blocks2\.", "image_decoder."),
    (r"enc_norm\.", "encoder_norm."),
    (r"decoder_embed\.", "to_decoder."),
    (r"dec_norm\.", "decoder_norm."),
)

_BLOCK = (
    (r"\.attn\.proj\.", ".attention.out."),
    (r"\.attn\.", ".attention."),
    (r"\.cross_attn\.proj([qkv])\.", r".cross.\1."),
    (r"\.cross_attn\.proj\.", ".cross.out."),
    (r"\.norm_y\.", ".norm_memory."),
)

_TRUNK = (
    (r"act_postprocess\.(\d)\.0\.", lambda m: f"project.{m[1]}."),
    (r"act_postprocess\.(\d)\.1\.", lambda m: f"resize.{m[1]}."),
    (r"scratch\.layer(\d)_rn\.", lambda m: f"levels.{int(m[1]) - 1}."),
    (r"scratch\.refinenet(\d)\.resConfUnit1\.", lambda m: f"fusions.{int(m[1]) - 1}.skip_unit."),
    (r"scratch\.refinenet(\d)\.resConfUnit2\.", lambda m: f"fusions.{int(m[1]) - 1}.unit."),
    (r"scratch\.refinenet(\d)\.out_conv\.", lambda m: f"fusions.{int(m[1]) - 1}.out."),
)

_OUTPUTS = {
    "points": {"head.0.": "points.narrow.", "head.2.": "points.hidden.", "head.4.": "points.out."},
    "gaussian": {"head.0.": "gaussians.hidden.", "head.4.": "gaussians.out.", "input_merger.0.": "gaussians.merge."},
}


def why_unused(key: str) -> str | None:
    """The reason why inference leaves this key of a published checkpoint out, or None."""
    return next((reason for pattern, reason in UNUSED if re.match(pattern, key)), None)


def our_name(key: str) -> str | None:
    """Our parameter for a key of a published checkpoint, or None if the grammar does not know the key."""
    if match := re.match(r"encoder\.backbone\.(.*)", key):
        for pattern, ours in _BACKBONE:
            if re.match(pattern, match[1]):
                name = "backbone." + re.sub("^" + pattern, ours, match[1])
                for inner, replacement in _BLOCK:
                    name = re.sub(inner, replacement, name)
                return name
    if (match := re.match(r"encoder\.(\w+)\.dpt\.(.*)", key)) and match[1] in _STREAMS:
        stream, head = _STREAMS[match[1]]
        for pattern, rename in _TRUNK:
            if inside := re.match(pattern, match[2]):
                return f"{stream}.{head}_trunk.{rename(inside)}{match[2][inside.end() :]}"
        for prefix, ours in _OUTPUTS[head].items():
            if match[2].startswith(prefix):
                return f"{stream}.{ours}{match[2].removeprefix(prefix)}"
    return None


def config_of(state: Mapping[str, Tensor]) -> ModelConfig:
    """The preset of a published checkpoint; its template size follows from the number of learned template tokens.

    Raises:
        CheckpointError: there are none, so it is another project's; or they make no square template. The message is the
            end of a sentence about the file.
    """
    if TEMPLATE_KEY not in state or state[TEMPLATE_KEY].ndim != 2:
        raise CheckpointError("it has no template embedding, so it is not a NoPo-Avatar checkpoint; give one of those.")
    tokens = state[TEMPLATE_KEY].shape[0]
    side = math.isqrt(tokens)
    if side * side != tokens or not tokens:
        raise CheckpointError(
            f"its {tokens} template tokens make no square template whose side is a multiple of {PATCH}; "
            "download the checkpoint again."
        )
    return ModelConfig.vitl(template_size=side * PATCH)


def fit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A published tensor in our shape: 1×1 convolutions are matrices here, and outputs for SMPL (the last) are cut.

    Tensors of any other shape are returned as they are, for the caller to compare.
    """
    if tensor.ndim == 4 and len(shape) == 2 and tensor.shape[2:] == (1, 1):
        tensor = tensor.flatten(1)
    if name.endswith(("gaussians.out.weight", "gaussians.out.bias")) and tensor.shape[0] == 180:
        tensor = tensor[: shape[0]]
    return tensor
