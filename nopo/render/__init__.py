"""Rendering: one function, several rasterizers, the same picture."""

from nopo.render.facade import render, warm_up
from nopo.render.settings import Rendering

__all__ = ["Rendering", "render", "warm_up"]
