"""A random order of names that does not depend on the order in which they are given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in a random order; added names change nothing for the others.

    Args:
        names: Duplicates count once.
        seed: Random seed.
    """
    return sorted(
        set(names),
        key=lambda name: hashlib.sha256(f"{seed} {name}".encode(errors="surrogatepass")).digest(),
    )
