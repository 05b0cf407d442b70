"""The drawn scenes: a dataset without photos."""
