"""Names of photos in a gallery."""

from __future__ import annotations

from itertools import chain, count


def unique_name(name: str, number: str, taken: set[str]) -> str:
    """A name that no earlier photo of a gallery has.

    Args:
        name: Of the photo's file.
        number: What tells photos of one name apart, in brackets behind it, as `image 7`.
        taken: Names of earlier photos, to which this one is added.
    """
    numbered = f"{name} ({number})"
    candidates = chain([name, numbered], (f"{numbered} ({i})" for i in count(2)))
    found = next(each for each in candidates if each not in taken)
    taken.add(found)
    return found
