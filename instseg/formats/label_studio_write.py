"""Writes tasks for Label Studio, and the labeling configuration of their project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from instseg.core.classes import class_color
from instseg.core.events import Notice, told
from instseg.formats.brush_rle import encode_brush
from instseg.formats.format import Writing
from instseg.formats.label_studio_read import CONFIG
from instseg.formats.labels import Labels, Record
from instseg.formats.photo_names import copy_photos
from instseg.formats.shaped import shaped
from instseg.formats.shapes import box_of, has_mask, mask_of, parts_of, polygons_of, size_of

TASKS = "tasks.json"
_TAGS = {"polygon": "PolygonLabels", "brush": "BrushLabels", "rectangle": "RectangleLabels"}
_DIGITS = 10  # of percent

Size = tuple[int, int]


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write tasks.json and label_config.xml; with copied photos in `images/`.

    A mask of one part without holes is a polygon, if it was one or may be simplified; others are
    brush masks, which are exact. Objects with scores are predictions, others annotations.

    Returns:
        The number, from 1, of each category in label_config.xml.
    """
    copied = writing.copy_photos
    images = copy_photos(labels, folder, writing) if copied else labels.images
    photos = "images" if copied or labels.photos is None else labels.photos.resolve().name
    tasks = _Tasks(labels, photos, writing)
    objects = labels.by_image()
    with (folder / TASKS).open("w", encoding="utf-8") as file:
        for number, image in enumerate(told(images, writing.on_event, "writing labels")):
            file.write(",\n" if number else "[\n")
            file.write(json.dumps(tasks.task(image, objects[image["id"]]), separators=(",", ":")))
        file.write("\n]\n" if images else "[]\n")
    ordered = sorted(labels.class_names().items())
    config = _config([name for _, name in ordered], tasks.tools)
    (folder / CONFIG).write_text(config, encoding="utf-8")
    if labels.photos is not None and not copied:
        root = labels.photos.resolve().parent
        text = f"Label Studio finds the photos if LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is {root}"
        writing.on_event(Notice(text=text))
    return {number: place for place, (number, _) in enumerate(ordered, start=1)}


class _Tasks:
    """Makes tasks.

    Attributes:
        tools: The tools that were needed.
    """

    def __init__(self, labels: Labels, photos: str, writing: Writing) -> None:
        self.tools = {"polygon"}
        self._names = labels.class_names()
        self._photos, self._tolerance, self._notes = photos, writing.tolerance, writing.notes
        self._predicted = any(each.get("score") is not None for each in labels.annotations)
        info = labels.document.get("info")
        self._model = str(info.get("weights") or "instseg") if isinstance(info, dict) else "instseg"

    def task(self, image: Record, annotations: Sequence[Record]) -> Record:
        """The task of a photo."""
        path = quote(str(PurePosixPath(self._photos, image["file_name"].replace("\\", "/"))))
        data = {"image": f"/data/local-files/?d={path}"}
        data |= {key: image[key] for key in ("width", "height", "split") if image.get(key)}
        size_hw = size_of(image)
        regions = [
            self._region(annotation, size_hw, *found)
            for annotation, found in shaped(
                annotations, lambda each: self._shape(each, size_hw), self._notes
            )
        ]
        if not self._predicted:
            return {"data": data, "annotations": [{"result": regions}]}
        scores = [region["score"] for region in regions if "score" in region]
        mean = {"score": round(float(np.mean(scores)), 6)} if scores else {}
        prediction = {"model_version": self._model, **mean, "result": regions}
        return {"data": data, "predictions": [prediction]}

    def _region(self, annotation: Record, size_hw: Size, tool: str, value: Record) -> Record:
        self.tools.add(tool)
        kind = f"{tool}labels"
        scored = annotation.get("score") is not None
        return {
            "id": str(annotation["id"]),
            "type": kind,
            "from_name": tool,
            "to_name": "image",
            "original_width": size_hw[1],
            "original_height": size_hw[0],
            "image_rotation": 0,
            "value": {**value, kind: [self._names[annotation["category_id"]]]},
            **({"score": annotation["score"]} if scored else {}),
        }

    def _shape(self, annotation: Record, size_hw: Size) -> tuple[str, dict[str, Any]] | None:
        """The tool of an object, and its shape in percent of the photo's sides."""
        percent = 100 / np.array(size_hw[::-1])
        if not has_mask(annotation):
            box = box_of(annotation, size_hw)
            if box is None:
                return None
            sides = (np.reshape(box, (2, 2)) * percent).round(_DIGITS).ravel().tolist()
            keys = ("x", "y", "width", "height")
            return "rectangle", {**dict(zip(keys, sides, strict=True)), "rotation": 0}
        if self._tolerance or len(polygons_of(annotation)) == 1:
            parts = parts_of(annotation, size_hw, self._tolerance)
            if len(parts) == 1 and not parts[0].holes:
                points = (parts[0].outer * percent).round(_DIGITS).tolist()
                return "polygon", {"points": points, "closed": True}
        mask = mask_of(annotation, size_hw)
        if not mask.crops[0].size:
            return None
        top, left = mask.offsets_yx[0].tolist()
        packed = encode_brush(mask.crops[0], (top, left), size_hw)
        return "brush", {"format": "rle", "rle": packed}


def _config(names: Sequence[str], tools: set[str]) -> str:
    """The labeling configuration of a project: the photo, and the labels of each tool."""
    labels = "".join(
        '    <Label value={} background="#{:02x}{:02x}{:02x}"/>\n'.format(
            quoteattr(name), *class_color(name)
        )
        for name in names
    )
    lists = "".join(
        f'  <{tag} name="{tool}" toName="image">\n{labels}  </{tag}>\n'
        for tool, tag in _TAGS.items()
        if tool in tools
    )
    return f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n{lists}</View>\n'
