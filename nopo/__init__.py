"""nopo: a few photos of a person, no camera and no pose given, become an animatable 3D Gaussian avatar."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nopo.avatar import Avatar
    from nopo.motion import Motion
    from nopo.pipeline import Pipeline

__version__ = "0.1.0"
__all__ = ["Avatar", "Motion", "Pipeline"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): `nopo --help` must not wait for torch."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'nopo' has no attribute {name!r}")
    return getattr(import_module(f"nopo.{name.lower()}"), name)
