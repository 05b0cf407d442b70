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
from instseg.core.outlines import Loop, exact_loops, rounded_loops, simplified_outlines, svg_path
from instseg.files.image import MAX_PIXELS, read_image
from instseg.files.results import coco_annotations
from instseg.report.components import PREDICTION, Layer, Photo
from instseg.report.thumbnails import photo_jpeg, thumbnail_scale, thumbnail_webp

SHOWN_PX = 1600  # of the longer side of an opened photo, on a large screen
THUMBNAIL_TOLERANCE_PX = 0.7


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
    sizes = [layer.instances.size_hw for layer in photo.layers]
    image, problem = _pixels(photo, sizes)
    height, width = image.shape[:2] if image is not None else (sizes or [(1, 1)])[0]
    tolerance_px = max(0.3, 0.5 * max(height, width) / SHOWN_PX)
    outlines = [outlines_of(layer.instances.masks, tolerance_px) for layer in photo.layers]
    entry = {"name": photo.name, "width": width, "height": height, **_entry(photo, outlines)}
    lines = [*photo.lines, problem] if problem else list(photo.lines)
    layers = [
        _layer(layer, loops, category_ids)
        for layer, loops in zip(photo.layers, outlines, strict=True)
    ]
    return PhotoData(
        entry=entry | ({"lost": True} if problem else {}),
        record={"layers": layers, "lines": lines},
        thumbnail=None if image is None else thumbnail_webp(image),
        picture=photo_jpeg(image) if with_picture and image is not None else None,
        problem=problem,
    )


def main_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer whose instances are counted: that of predictions, or else the first."""
    named = [layer for layer in layers if layer.name == PREDICTION]
    return next(iter(named or layers), None)


def outlines_of(masks: Masks, tolerance_px: float) -> list[list[Loop]]:
    """The outline of each mask, at most this far from that along the pixels, and half a pixel."""
    places = masks.offsets_yx.tolist()
    exact = [exact_loops(crop, (y, x)) for crop, (y, x) in zip(masks.crops, places, strict=True)]
    return simplified_outlines([rounded_loops(loops) for loops in exact], tolerance_px)


def _pixels(photo: Photo, sizes: Sequence[tuple[int, int]]) -> tuple[NDArray[np.uint8] | None, str]:
    """A photo of which all layers have the size, or what is wrong with it."""
    if isinstance(photo.image, Path):
        try:
            image = read_image(photo.image, max_pixels=MAX_PIXELS)
        except InputError as problem:
            return None, str(problem)
        except MemoryError:
            return None, f"{photo.image}: is too large for the memory"
    else:
        image = photo.image
    height, width = image.shape[:2]
    other = [size for size in sizes if size != (height, width)]
    if other:
        masks = f"its masks are of {other[0][1]} x {other[0][0]}"
        return None, f"{photo.name}: is a photo of {width} x {height} pixels, but {masks}"
    return image, ""


def _entry(photo: Photo, outlines: Sequence[list[list[Loop]]]) -> Json:
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
        loops = next(
            each for layer, each in zip(photo.layers, outlines, strict=True) if layer is main
        )
        scale = thumbnail_scale(instances.size_hw)
        entry["classes"] = instances.class_ids.tolist()
        entry["scores"] = [float(str(score)) for score in instances.scores]
        entry["areas"] = instances.masks.areas().tolist()
        small = simplified_outlines(loops, THUMBNAIL_TOLERANCE_PX / scale)
        entry["paths"] = [svg_path([loop * scale for loop in each]) for each in small]
    return entry


def _layer(layer: Layer, outlines: list[list[Loop]], category_ids: Sequence[int]) -> Json:
    instances = layer.instances
    digits = 1 if max(instances.size_hw) <= SHOWN_PX else 0
    annotations = coco_annotations(instances, category_ids)
    objects = [
        {
            "class": class_id,
            "score": annotation["score"],
            "box": annotation["bbox"],
            "area": annotation["area"],
            "path": svg_path(loops, digits),
            "rle": annotation["segmentation"]["counts"],
        }
        for class_id, annotation, loops in zip(
            instances.class_ids.tolist(), annotations, outlines, strict=True
        )
    ]
    for name, values in (("mark", layer.marks), ("note", layer.notes), ("key", layer.keys)):
        if values:
            for each, value in zip(objects, values, strict=True):
                if value != "":
                    each[name] = value
    return {"name": layer.name, "objects": objects}
