"""Sizes and switches of the network; a copy is saved inside every checkpoint of our own."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from nopo.body.skeleton import NUM_BONES, NUM_JOINTS
from nopo.errors import CheckpointError

PATCH = 16
"""Side of the image patch behind one token, pixels."""

LEVELS = 4
"""Of the U-Net: down to cells of 16×16 pixels."""

HEAD_WIDTH = 64
"""Channels of one attention head: half of them turn with the row, half with the column."""


@dataclass(frozen=True)
class ModelConfig:
    """One architecture, two presets: `vitl` is the original network, `open` is small and has a few extras.

    The extras default to off, so that the original's definition reads from the defaults.
    """

    name: str
    """What avatars say made them."""
    template_size: int
    """Side S of the square template maps, texels, a multiple of 16."""

    # Transformer
    encoder_width: int = 1024
    encoder_layers: int = 24
    decoder_width: int = 768
    decoder_layers: int = 12
    mlp_ratio: int = 4
    hooks: tuple[int, int, int, int] = (0, 6, 9, 12)
    """Features the heads read, finest level first: 0 is the encoder's output, i the output of decoder layer i."""

    # Dense heads
    dpt_levels: tuple[int, int, int, int] = (96, 192, 384, 768)
    """Channels of the four levels before they enter the trunk."""
    dpt_trunk: int = 256
    points_hidden: int = 128
    merge_width: int = 256
    """Channels at full resolution in the Gaussian head, where the image is merged in."""
    merge_kernel: int = 7
    template_merge_kernel: int = 7
    dropout: float = 0.1
    """In the Gaussian head, while training."""

    # Image entry
    unet: tuple[int, int, int, int] | None = None
    """Channels at 1/2, 1/4, 1/8 and 1/16 of a U-Net, in place of transformer and dense heads (see `unet`); the
    template's surface is then said as principal components, see `shape_components`."""
    unet_blocks: tuple[int, int, int, int] = (1, 1, 2, 2)
    """Residual blocks of its levels on the way down; half as many, rounded up, on the way up."""
    mask_input: bool = False
    """The matte is a fourth input channel."""
    windowed: bool = False
    """The network looks at the columns around the person only (see `window`)."""
    both_ways: bool = False
    """Photos are looked at in a mirror as well, except while training (see `both_ways`)."""
    facing: tuple[int, int, int] | None = None
    """Channels of the network that finds which way the person faces; the bottom of the U-Net is told."""

    # Gaussians
    splats: Literal["learned", "tangent"] = "learned"
    """Covariance from predicted scales and quaternions, or spanned by the tangents of the predicted canonical map."""
    sh_degree: int = 4
    image_colour: float | None = None
    """If set, image Gaussians start from their pixel's colour, freed of a background of this grey level in [0, 1]."""
    sees: int | None = None
    """Height in pixels at which the network sees photos. Finer ones are shrunk for it; their Gaussians, colours and
    mattes stay as fine (see `detail`)."""
    initial_opacity: float = 0.5
    uncertainty: bool = False
    """The points head also predicts the log of its error's scale, for the training loss."""

    # Proportions and completion
    shape_components: int = 0
    """Predict the subject's own rest joints, and how they and their clothes differ from the template's surface in this
    number of principal components (see `shape`)."""
    complete: bool = False
    """When an avatar is made, fill the template's unseen texels from seen colours (see `completion`) and settle the
    photos' Gaussians on its surface (see `settle`)."""
    fade_bridges: bool = False
    """Photos' Gaussians that lie between two surfaces become transparent (see `bridges`)."""
    smooth: bool = False
    """Neighbouring pixels' places are averaged on each surface (see `smooth`)."""

    def __post_init__(self) -> None:
        if self.template_size <= 0 or self.template_size % PATCH:
            raise CheckpointError(f"The template size must be a multiple of {PATCH}, not {self.template_size}.")
        if self.encoder_width % HEAD_WIDTH or self.decoder_width % HEAD_WIDTH:
            raise CheckpointError(f"Transformer widths must be multiples of {HEAD_WIDTH}.")
        if self.sees is not None and self.image_colour is None:
            raise CheckpointError("sees needs image_colour: finer Gaussians take their colour from the photo.")
        if self.unet is not None and (len(self.unet), len(self.unet_blocks)) != (LEVELS, LEVELS):
            raise CheckpointError(
                f"The network's U-Net must have {LEVELS} levels; this one is of another version of nopo."
            )
        if self.smooth and self.splats != "tangent":
            raise CheckpointError("smooth needs tangent splats: learned ones do not follow the surface.")
        parts = (
            self.unet is not None, self.shape_components > 0, self.mask_input, self.facing is not None,
            self.image_colour is not None,
        )  # fmt: skip
        if any(parts) and not all(parts):
            raise CheckpointError(
                "unet, shape_components, mask_input, facing and image_colour belong together: each needs the others."
            )

    def seen_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the network sees photos of this size."""
        if self.sees is None or height <= self.sees:
            return height, width
        return self.sees, round(width * self.sees / height)

    @property
    def template_tokens(self) -> int:
        """Tokens of the template stream, row-major over its patch grid."""
        return (self.template_size // PATCH) ** 2

    @property
    def input_channels(self) -> int:
        """RGB, and the matte if it is an input."""
        return 4 if self.mask_input else 3

    @property
    def template_channels(self) -> int:
        """Template position and joint weights, as the template's Gaussian head sees them."""
        return 3 + NUM_JOINTS

    @property
    def gaussian_channels(self) -> dict[str, int]:
        """Channels of the Gaussian head in order, by meaning."""
        quaternion = 4 if self.splats == "learned" else 0
        colours = 3 * (self.sh_degree + 1) ** 2
        return {"opacity": 1, "scales": 3, "quaternion": quaternion, "sh": colours, "bone_logits": NUM_BONES}

    @staticmethod
    def vitl(template_size: int = 1024) -> ModelConfig:
        """The original: ViT-L encoder, 12-layer decoders, SH degree 4 (template 256, 512 or 1024)."""
        return ModelConfig(name="nopo-avatar", template_size=template_size)

    @staticmethod
    def open(template_size: int = 128) -> ModelConfig:
        """The small network that the project trains and ships itself."""
        return ModelConfig(
            name="open",
            template_size=template_size,
            unet=(32, 64, 128, 256),
            mask_input=True,
            windowed=True,
            both_ways=True,
            facing=(16, 32, 64),
            splats="tangent",
            sh_degree=0,
            image_colour=1.0,
            sees=192,
            initial_opacity=0.9,
            uncertainty=True,
            shape_components=32,
            complete=True,
            fade_bridges=True,
            smooth=True,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ModelConfig:
        """What `to_dict` gave, also after a trip through JSON.

        Raises:
            CheckpointError: a field is unknown: the checkpoint is from another version of nopo.
        """
        unknown = set(values) - {field.name for field in fields(ModelConfig)}
        if unknown:
            raise CheckpointError(f"The checkpoint's settings {sorted(unknown)} are unknown to this version of nopo.")
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return ModelConfig(**arguments)
