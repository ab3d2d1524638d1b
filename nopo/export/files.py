"""The old name of `nopo.files`, for the two modules that still use it: the sheets of `synthetic` and `evaluate`."""

from nopo.files import partial_file, writing

__all__ = ["partial_file", "writing"]
