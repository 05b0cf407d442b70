"""Reads one XML file of CVAT, of images or of a video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import told
from instseg.files.photo_header import photo_size
from instseg.files.xml_file import read_xml
from instseg.formats.cvat_shapes import NO_OBJECTS, SHAPES, CvatShape, Types, along, drawn, parsed
from instseg.formats.drawn import Drawn, add_objects
from instseg.formats.format import Reading
from instseg.formats.found_photos import find_photos, plain_name
from instseg.formats.labels import Builder, Labels
from instseg.formats.splits import split_in

_NO_CLASSES = ("tag", "points", "polyline", "cuboid", "skeleton")
_MOST_FRAMES = 1_000_000

Key = tuple[str, str]
"""Subset and task."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """What the head of a file says of a video.

    Attributes:
        size_wh: Of its frames; None if it is not stated.
        frames: Their numbers; None if they are not stated.
    """

    size_wh: tuple[int, int] | None = None
    frames: range | None = None


@dataclass(kw_only=True)
class _Photo:
    """A photo with its shapes."""

    name: str
    subset: str
    size_wh: tuple[int, int] | None
    shapes: list[CvatShape]


def read_file(file: Path, reading: Reading) -> Labels:
    """Read a file; its photos are beside it, in `images/`, or in the folder that the user gave.

    Raises:
        InputError: It is not CVAT's, or the size of no photo is known.
    """
    root = read_xml(file)
    if root.tag != "annotations":
        raise InputError(f"{file}: not CVAT's XML, which begins with <annotations>; check the path")
    folder = reading.images or file.parent
    builder = Builder()
    types = _declared(root, builder)
    photos = [_image(each, types, builder) for each in root.iterfind("image")]
    photos += _frames(root, types, builder, file)
    wanted = [f"{photo.subset}/{photo.name}" for photo in photos]
    found = find_photos(folder, wanted)
    builder.photos = folder if found else reading.images
    for photo, name in zip(told(photos, reading.on_event, "reading labels"), wanted, strict=True):
        own = found.get(name)
        size = photo.size_wh or (photo_size(folder, own) if own else None)
        if size is None:
            builder.note("photos without a size, or a file: left out", photo.name)
            continue
        split = "" if photo.subset.lower() == "default" else split_in(photo.subset) or photo.subset
        image = builder.image(own or plain_name(photo.name) or name, size, split=split)
        add_objects(builder, image, _drawn(photo.shapes, builder, photo.name), photo.name)
    if photos and not builder.labels().images:
        raise ArgumentError(
            f"{file}: the sizes of its photos are not known; give their folder as {{images}}"
        )
    return builder.labels()


def _drawn(shapes: Iterable[CvatShape], builder: Builder, where: str) -> list[Drawn]:
    found = []
    for shape in shapes:
        try:
            found.append(drawn(shape))
        except ValueError as problem:
            builder.note(f"{problem}: left out", where)
    return found


def _declared(root: Element, builder: Builder) -> Types:
    """Adds the labels of tasks, projects and jobs; gives the types of their attributes."""
    types = {}
    for label in root.iterfind("meta//labels/label"):
        name = (label.findtext("name") or "").strip()
        if not name or label.find("parent") is not None:  # a point of a skeleton
            continue
        if label.findtext("type") not in _NO_CLASSES:
            builder.category(name)
        for attribute in label.iterfind("attributes/attribute"):
            kind = attribute.findtext("input_type") or "text"
            types[name, (attribute.findtext("name") or "").strip()] = kind.strip()
    return types


def _image(element: Element, types: Types, builder: Builder) -> _Photo:
    name = element.get("name") or f"frame_{_whole(element.get('id')) or 0:06d}"
    shapes = [_shape(child, builder, name, types) for child in element]
    size = _whole(element.get("width")), _whole(element.get("height"))
    return _Photo(
        name=name,
        subset=element.get("subset") or "",
        size_wh=size if size[0] and size[1] else None,  # type: ignore[arg-type]
        shapes=[shape for shape in shapes if shape is not None],
    )


def _shape(
    element: Element, builder: Builder, where: str, types: Types, **of_track: str
) -> CvatShape | None:
    """The shape of an element; None, and told, if it is none or broken."""
    if element.tag in NO_OBJECTS:
        builder.note(f"{element.tag} elements, which are no objects: left out", where)
    elif element.tag in SHAPES:
        try:
            return parsed(element, types, **of_track)
        except ValueError as problem:
            builder.note(f"{problem}: left out", where)
    return None


def _frames(root: Element, types: Types, builder: Builder, file: Path) -> list[_Photo]:
    """The frames of videos, with the shapes of tracks."""
    tracks: dict[Key, list[list[CvatShape]]] = {}
    for number, track in enumerate(root.iterfind("track")):
        key = (track.get("subset") or "", track.get("task_id") or "")
        label, group = track.get("label") or "", track.get("group_id") or "0"
        where = f"track {track.get('id') or number}"
        shapes = [
            shape
            for each in track
            if (shape := _shape(each, builder, where, types, label=label, group=group)) is not None
        ]
        own = _whole(track.get("id"))
        more = {"track_id": number if own is None else own}
        marked = [replace(shape, more={**shape.more, **more}) for shape in shapes]
        tracks.setdefault(key, []).append(marked)
    photos: list[_Photo] = []
    for (subset, task), of_task in tracks.items():
        video = _video(root, task)
        frames = video.frames or _seen(of_task)
        if len(frames) > _MOST_FRAMES:
            raise InputError(f"{file}: says that it has {len(frames):,} frames; check it")
        by_frame: dict[int, list[CvatShape]] = {frame: [] for frame in frames}
        for shapes in of_task:
            for shape in along(shapes, frames):
                by_frame[shape.frame].append(shape)
        photos += [
            _Photo(name=f"frame_{n:06d}.PNG", subset=subset, size_wh=video.size_wh, shapes=own)
            for n, own in by_frame.items()
        ]
    return photos


def _seen(tracks: Sequence[Sequence[CvatShape]]) -> range:
    """All frames up to the last that a track names."""
    return range(1 + max((shape.frame for shapes in tracks for shape in shapes), default=-1))


def _video(root: Element, task: str) -> Video:
    """What the head says of a task; of the only one, if the track names none."""
    for each in (*root.iterfind("meta//task"), *root.iterfind("meta/job")):
        if task and each.findtext("id") not in (task, None):
            continue
        size = (
            _whole(each.findtext("original_size/width")),
            _whole(each.findtext("original_size/height")),
        )
        start, stop = _whole(each.findtext("start_frame")), _whole(each.findtext("stop_frame"))
        count = _whole(each.findtext("size"))
        step = re.fullmatch(r"step=([1-9]\d*)", (each.findtext("frame_filter") or "").strip())
        if stop is None and count is not None:
            stop = (start or 0) + (count - 1) * (int(step[1]) if step else 1)
        return Video(
            size_wh=size if size[0] and size[1] else None,  # type: ignore[arg-type]
            frames=None
            if stop is None
            else range(start or 0, stop + 1, int(step[1]) if step else 1),
        )
    return Video()


def _whole(text: Any) -> int | None:
    """A whole number from 0; None for anything else."""
    text = str(text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None
