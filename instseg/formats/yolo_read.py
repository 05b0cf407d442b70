"""Reads YOLO datasets, of boxes, polygons or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.errors import ArgumentError
from instseg.core.events import told
from instseg.files.photo_header import photo_size
from instseg.formats.bridges import unbridged
from instseg.formats.format import Reading
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.shapes import of_rings
from instseg.formats.yolo_layout import Layout, layout_of
from instseg.formats.yolo_lines import Line, read_lines


def read(path: Path, reading: Reading) -> Labels:
    """Read data.yaml, obj.data or a folder. Class n becomes the category n + 1.

    Raises:
        InputError: There are no photos, or data.yaml cannot be read.
    """
    layout = layout_of(path, reading.images)
    builder = Builder(photos=layout.photos)
    for number in sorted(layout.names):
        builder.category(layout.names[number], number + 1)
    category_ids = {n: builder.category(name, n + 1) for n, name in layout.names.items()}
    pairs = [(split, name) for split, names in layout.splits.items() for name in names]
    for split, name in told(pairs, reading.on_event, "reading labels"):
        size = photo_size(layout.photos, name)
        if size is None:
            builder.note("photos that cannot be read: left out with their labels", name)
            continue
        image = builder.image(name, size, split=split)
        label = layout.labels.get(name)
        if label is not None:
            for line in read_lines(layout.root / label, builder.notes, layout.keypoints):
                _add(builder, image, line, category_ids, layout)
    if layout.lonely:
        words = "label files without a photo, whose size is needed: left out"
        builder.note(words, layout.lonely[0], len(layout.lonely))
    if not builder.labels().images:
        raise ArgumentError(
            f"{path}: none of its photos can be read; give their folder as {{images}}"
        )
    labels = builder.labels()
    source_ids = {number: n for n, number in category_ids.items()}
    return Labels(
        document=labels.document, photos=labels.photos, notes=labels.notes, source_ids=source_ids
    )


def _add(
    builder: Builder, image: Record, line: Line, category_ids: dict[int, int], layout: Layout
) -> None:
    """Add the object of a line."""
    if line.class_id not in category_ids:
        name = f"class {line.class_id}"
        if layout.names:
            builder.note("objects of a class without a name, which gets its number", name)
        category_ids[line.class_id] = builder.category(name, line.class_id + 1)
    width, height = image["width"], image["height"]
    more: dict[str, Any] = {"score": line.score, "track_id": line.track}
    category = category_ids[line.class_id]
    if line.box is not None:
        x, y, w, h = line.box
        box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
        builder.annotation(image, category, bbox=[round(v, 4) for v in box], **more)
        return
    points = (line.points * np.array([width, height])).round(4)
    rings = unbridged(points)
    low, high = points.min(axis=0), points.max(axis=0)
    box = [*low.tolist(), *(high - low).tolist()]
    outline = of_rings(rings, (height, width))
    builder.annotation(image, category, bbox=box, segmentation=outline, **more)
