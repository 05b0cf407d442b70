"""Photos that belong together: of one video or folder, and copies of each other."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from pathlib import PurePosixPath

from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent
from instseg.core.wording import count, printable
from instseg.doctor.photo_checks import copies
from instseg.doctor.photos import PhotoFacts, inspect_photos
from instseg.formats.labels import Labels, Record


def keys_of(
    images: Sequence[Record],
    by: str,
    *,
    field: str | None = None,
    pattern: str | None = None,
    on_event: OnEvent,
) -> list[Hashable]:
    """The group of each photo; None for one that is alone.

    Args:
        images: The records.
        by: photo, group or video; see `SplitOptions`.
        field: See `SplitOptions.group_field`.
        pattern: See `SplitOptions.group_pattern`.
        on_event: Told of photos that are in no group.

    Raises:
        ArgumentError: No photo is in a group.
    """
    if by == "photo":
        return [None] * len(images)
    if pattern is not None:
        what, keys = "a name that {group_pattern} matches", _by_pattern(images, re.compile(pattern))
    elif by == "video" or field is not None:
        what = f"the field {field or 'video_id'}"
        keys = [_key(image.get(field or "video_id")) for image in images]
    else:
        what = "a folder"
        keys = [PurePosixPath(image["file_name"]).parent.as_posix() for image in images]
    alone = sum(key is None for key in keys)
    if alone == len(images):
        raise ArgumentError(
            f"no photo has {what}, neither {images[0]['file_name']}; {{group_pattern}} groups by "
            "file names, {group_field} by other fields, {by} group alone by folders"
        )
    if alone:
        text = f"{count(alone, 'photo')} in no {by}, each by itself"
        on_event(Notice(text=text))
    return keys


def _by_pattern(images: Iterable[Record], pattern: re.Pattern[str]) -> list[Hashable]:
    found = (pattern.search(image["file_name"]) for image in images)
    return [each and (each.groups() or each[0]) for each in found]


def _key(value: object) -> Hashable:
    return None if value is None else str(value)


def copies_in(labels: Labels, on_event: OnEvent) -> list[tuple[int, int]]:
    """Pairs of places of images that have the same photo, or photos that look alike."""
    photos = facts_of(labels, on_event)
    same, alike = copies(photos)
    return same + alike


def facts_of(labels: Labels, on_event: OnEvent) -> list[PhotoFacts | None]:
    """What the photo of each image shows, to find copies; None, and told, where there is none."""
    names = [image["file_name"] for image in labels.images]
    found = {}
    if labels.photos is not None:
        found = inspect_photos(labels.photos, names, decode=True, on_event=on_event)
    missing = [name for name in names if name not in found]
    if missing:
        text = f"{count(len(missing), 'photo')} not found, such as {missing[0]}: not compared"
        on_event(Notice(text=printable(text)))
    return [found.get(name) for name in names]


def joined_groups(keys: Sequence[Hashable], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Places of photos that stay together.

    Args:
        keys: The group of each photo; None for one that is alone.
        pairs: Places of photos that stay together as well, and so do their groups.
    """
    root = list(range(len(keys)))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    first: dict[Hashable, int] = {}
    of_keys = [(first.setdefault(key, at), at) for at, key in enumerate(keys) if key is not None]
    for one, other in [*of_keys, *pairs]:
        root[find(other)] = find(one)
    groups: dict[int, list[int]] = {}
    for place in range(len(keys)):
        groups.setdefault(find(place), []).append(place)
    return list(groups.values())
