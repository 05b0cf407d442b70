"""What the gallery's script needs to know of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.json_types import Json
from instseg.core.masks import Masks
from instseg.core.outlines import exact_loops, rounded_loops, simplified_loops, svg_path
from instseg.files.image import read_image
from instseg.files.results import coco_annotations
from instseg.report.components import Layer, Photo
from instseg.report.thumbnails import photo_jpeg, thumbnail_scale, thumbnail_webp

SHOWN_PX = 1600  # of the longer side of an opened photo, on a large screen
MAIN = "prediction"


@dataclass(frozen=True, kw_only=True)
class PhotoData:
    """A photo as the gallery's script takes it.

    Attributes:
        entry: For the index of all photos: name, size, classes, scores, areas and small outlines
            of the instances of its main layer, classes of others, values and tags.
        record: For its view: layers with all that is known of each instance, and texts.
        thumbnail: WebP; None if the photo cannot be read.
        picture: JPEG; None if the photo cannot be read or is not wanted.
        problem: Why it cannot be read, in a line; "" if it can.
    """

    entry: Json
    record: Json
    thumbnail: bytes | None
    picture: bytes | None
    problem: str = ""


def photo_data(photo: Photo, category_ids: Sequence[int], *, with_picture: bool) -> PhotoData:
    """Prepare a photo; safe in threads.

    Args:
        photo: If it cannot be read, its instances remain.
        category_ids: Dataset ids by class id.
        with_picture: Also make a picture of full size.
    """
    image, problem = _pixels(photo)
    sizes = [layer.instances.size_hw for layer in photo.layers]
    size_hw = image.shape[:2] if image is not None else (sizes or [(1, 1)])[0]
    if image is not None and any(size != size_hw for size in sizes):
        expected = f"{size_hw[1]} x {size_hw[0]}"
        raise ValueError(f"{photo.name}: the photo is {expected}, its masks are of another size")
    lines = [*photo.lines, problem] if problem else list(photo.lines)
    return PhotoData(
        entry={"name": photo.name, "width": size_hw[1], "height": size_hw[0], **_entry(photo)}
        | ({"lost": True} if problem else {}),
        record={"layers": [_layer(layer, category_ids) for layer in photo.layers], "lines": lines},
        thumbnail=None if image is None else thumbnail_webp(image),
        picture=photo_jpeg(image) if with_picture and image is not None else None,
        problem=problem,
    )


def main_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer whose instances are counted: that of predictions, or else the first."""
    named = [layer for layer in layers if layer.name == MAIN]
    return (named or list(layers) or [None])[0]


def outline_paths(masks: Masks, scale: float, tolerance_px: float, digits: int) -> list[str]:
    """The outline of each mask as an SVG path.

    Args:
        masks: N masks.
        scale: Of the path's coordinates.
        tolerance_px: How far it may lie from the outline along the pixels, in pixels of the photo.
        digits: Decimals of coordinates.
    """
    found = []
    for crop, (y, x) in zip(masks.crops, masks.offsets_yx.tolist(), strict=True):
        loops = rounded_loops(exact_loops(crop, (y, x)))
        simple = simplified_loops(loops, tolerance_px)
        found.append(svg_path([loop * scale for loop in simple], digits))
    return found


def _pixels(photo: Photo) -> tuple[NDArray[np.uint8] | None, str]:
    if not isinstance(photo.image, Path):
        return photo.image, ""
    try:
        return read_image(photo.image), ""
    except InputError as problem:
        return None, str(problem)
    except MemoryError:
        return None, f"{photo.image}: is too large for the memory"


def _entry(photo: Photo) -> Json:
    main = main_layer(photo.layers)
    others = {
        class_id
        for layer in photo.layers
        if layer is not main
        for class_id in layer.instances.class_ids.tolist()
    }
    entry: Json = {
        "others": sorted(others),
        "values": {
            name: float(value) for name, value in photo.values.items() if np.isfinite(value)
        },
        "tags": list(photo.tags),
        "classes": [],
        "scores": [],
        "areas": [],
        "paths": [],
    }
    if photo.image_id is not None:
        entry["id"] = photo.image_id
    if main is not None:
        instances = main.instances
        scale = thumbnail_scale(instances.size_hw)
        entry["classes"] = instances.class_ids.tolist()
        entry["scores"] = [float(str(score)) for score in instances.scores]
        entry["areas"] = instances.masks.areas().tolist()
        entry["paths"] = outline_paths(instances.masks, scale, 0.7 / scale, 0)
    return entry


def _layer(layer: Layer, category_ids: Sequence[int]) -> Json:
    instances = layer.instances
    longest = max(instances.size_hw)
    tolerance_px = max(0.3, 0.5 * longest / SHOWN_PX)
    paths = outline_paths(instances.masks, 1, tolerance_px, 1 if longest <= SHOWN_PX else 0)
    annotations = coco_annotations(instances, category_ids)
    objects = [
        {
            "class": class_id,
            "score": annotation["score"],
            "box": annotation["bbox"],
            "area": annotation["area"],
            "path": path,
            "rle": annotation["segmentation"]["counts"],
        }
        for class_id, annotation, path in zip(
            instances.class_ids.tolist(), annotations, paths, strict=True
        )
    ]
    for name, values in (("mark", layer.marks), ("note", layer.notes), ("key", layer.keys)):
        if values:
            for each, value in zip(objects, values, strict=True):
                if value != "":
                    each[name] = value
    return {"name": layer.name, "objects": objects}
