"""Results as files: videos, sheets of pictures."""
