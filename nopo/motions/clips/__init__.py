"""The built-in loops, one module a family; see `nopo.motions.CLIPS` for the list."""
