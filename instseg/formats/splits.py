"""Splits, by the names that people give them."""

from __future__ import annotations

import re

_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}


def split_in(name: str) -> str:
    """The split that a path names, such as "val" for `instances_val2017.json`, or ""."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((_SPLIT_OF[word] for word in reversed(words) if word in _SPLIT_OF), "")
