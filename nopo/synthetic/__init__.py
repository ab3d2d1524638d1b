"""Synthetic people: clothed, posed, photographed, with exact truth for every pixel. The open model's training data."""
