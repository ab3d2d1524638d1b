"""Photos in, `Views` out: decode, matte, frame; all of it in `nopo.preprocess.stage.preprocess`."""
