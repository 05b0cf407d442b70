"""Photos in, instances out."""

__version__ = "0.1.0"
