"""Rendering: one function, several rasterizers, the same picture."""

from nopo.render.facade import render
from nopo.render.settings import Rendering

__all__ = ["Rendering", "render"]
