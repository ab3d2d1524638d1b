"""Training of the open model on synthetic people."""
