"""Evaluation: metrics and the protocols that turn a checkpoint into a table."""
