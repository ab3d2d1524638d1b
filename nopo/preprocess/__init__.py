"""Photos in, `Views` out: decode, matte, frame."""

from nopo.preprocess.load import Photo, Source, load_photo
from nopo.preprocess.stage import Preprocessed, preprocess

__all__ = ["Photo", "Preprocessed", "Source", "load_photo", "preprocess"]
