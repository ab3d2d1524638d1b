"""Rendering: one function, several rasterizers, the same picture."""

from nopo.render.facade import drawing_device, render, warm_up
from nopo.render.settings import Rendering

__all__ = ["Rendering", "drawing_device", "render", "warm_up"]
