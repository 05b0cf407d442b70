"""Photos, objects and detections that are made up, as dense, large and rare as COCO's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instseg.core.events import OnEvent, ignore, told
from instseg.system.atomic import replacing

PHOTO_HW = (480, 640)
CLASSES = 80
OBJECTS_PER_IMAGE = 7.3
VERTICES = (30, 60)
CROWDS = 0.012
DETECTIONS = 100
KINDS = ("bbox", "segm")


class Objects(NamedTuple):
    """N objects or detections of one image."""

    outlines_xy: NDArray[np.float64]  # (N, vertices, 2), pixels
    class_ids: NDArray[np.int64]  # (N,), 1..80


def write_evaluation(folder: Path, images: int, seed: int, *, on_event: OnEvent = ignore) -> None:
    """Write truth.json, bbox.json and segm.json: objects of made-up photos, and what was found."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    truth: list[dict[str, Any]] = []
    for image_id in told(range(1, images + 1), on_event, "making up detections"):
        objects = draw_objects(rng)
        truth += to_annotations(rng, objects, image_id, len(truth) + 1)
        detections, scores = detect(rng, objects)
        rles, boxes_xywh, _ = rasterise(detections.outlines_xy)
        rows = zip(detections.class_ids.tolist(), scores.tolist(), boxes_xywh, rles, strict=True)
        for class_id, score, box_xywh, rle in rows:
            record = {"image_id": image_id, "category_id": class_id, "score": score}
            found["bbox"].append({**record, "bbox": box_xywh})
            found["segm"].append({**record, "segmentation": rle})
    documents: dict[str, Any] = {"truth": {**headings(images), "annotations": truth}, **found}
    for name, document in documents.items():
        with replacing(folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(document))


def write_instances(path: Path, images: int, seed: int, *, on_event: OnEvent = ignore) -> int:
    """Write a COCO dataset; returns how many annotations it holds.

    100,000 images have as many as COCO's 118,287 training photos, with outlines as long.
    """
    rng = np.random.default_rng(seed)
    count = 0
    with replacing(path) as temporary, temporary.open("w") as file:
        file.write(json.dumps(headings(images))[:-1] + ', "annotations": [')
        for image_id in told(range(1, images + 1), on_event, "making up annotations"):
            objects = draw_objects(rng, mean=8.6, vertices=(15, 40))
            for record in to_annotations(rng, objects, image_id, count + 1):
                file.write((", " if count else "") + json.dumps(record))
                count += 1
        file.write("]}")
    return count


def headings(images: int) -> dict[str, Any]:
    """A COCO document, still without annotations."""
    height, width = PHOTO_HW
    return {
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "height": height, "width": width}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)],
    }


def draw_objects(
    rng: np.random.Generator,
    mean: float = OBJECTS_PER_IMAGE,
    vertices: tuple[int, int] = VERTICES,
) -> Objects:
    """Objects of one image, of a few classes; one image in a hundred has none."""
    count = rng.geometric(1 / mean) if rng.random() > 0.01 else 0
    here = rare_classes(rng, 1 + rng.poisson(2))
    return Objects(
        blobs(rng, count, int(rng.integers(*vertices, endpoint=True))), rng.choice(here, count)
    )


def rare_classes(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Class ids, each as frequent as one part in its rank, as in COCO nearly."""
    weights = 1 / np.arange(1, CLASSES + 1)
    return rng.choice(CLASSES, count, p=weights / weights.sum()) + 1


def blobs(rng: np.random.Generator, count: int, vertices: int) -> NDArray[np.float64]:
    """Outlines (count, vertices, 2): 41% of COCO's objects are small, 34% medium, 24% large."""
    size_xy = PHOTO_HW[::-1]
    side = np.exp(rng.normal(3.85, 1.15, (count, 1))) * np.exp(rng.normal(0, 0.25, (count, 2)))
    side_xy = np.clip(side, 6, size_xy)
    centre_xy = side_xy / 2 + rng.random((count, 2)) * (size_xy - side_xy)
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    waves = np.arange(2, 8)[:, None]
    phase = rng.uniform(0, 2 * np.pi, (count, len(waves), 1))
    height = rng.normal(0, 0.35, (count, len(waves), 1)) / waves
    radius = 1 + (height * np.cos(waves * angle + phase)).sum(axis=1)  # (count, vertices)
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    outlines = centre_xy[:, None] + side_xy[:, None] / 2 * radius[..., None] * turn
    return np.clip(outlines, 0, size_xy).round(2)


def to_annotations(
    rng: np.random.Generator, objects: Objects, image_id: int, first_id: int
) -> list[dict[str, Any]]:
    """COCO annotations; a crowd is an RLE."""
    rles, boxes_xywh, areas = rasterise(objects.outlines_xy)
    crowds = (rng.random(len(rles)) < CROWDS).tolist()
    return [
        {
            "segmentation": rles[i] if crowds[i] else [objects.outlines_xy[i].ravel().tolist()],
            "area": areas[i],
            "iscrowd": int(crowds[i]),
            "image_id": image_id,
            "bbox": boxes_xywh[i],
            "category_id": int(objects.class_ids[i]),
            "id": first_id + i,
        }
        for i in range(len(rles))
    ]


def detect(rng: np.random.Generator, objects: Objects) -> tuple[Objects, NDArray[np.float64]]:
    """What a fair detector gives: each object twice, more or less well, the rest false.

    Half of the false ones are of a class that is in the image. Scores are rounded to 0.001, so
    that some are equal.
    """
    outlines, count = objects.outlines_xy, len(objects.class_ids)
    hits = np.tile(np.arange(count), 2)[:DETECTIONS]
    centre, side = outlines.mean(axis=1, keepdims=True), np.ptp(outlines, axis=1, keepdims=True)
    off = np.abs(rng.normal(0, 0.2, (len(hits), 1, 1)))  # how badly each is placed
    grown = 1 + off * rng.normal(0, 1, (len(hits), 1, 2))
    shift = side[hits] * off * rng.normal(0, 0.7, (len(hits), 1, 2))
    rough = side[hits] * rng.normal(0, 0.015, (len(hits), outlines.shape[1], 2))
    moved = centre[hits] + (outlines[hits] - centre[hits]) * grown + shift + rough
    false = DETECTIONS - len(hits)
    invented = blobs(rng, false, outlines.shape[1])
    other = rare_classes(rng, false)
    if count:
        other = np.where(rng.random(false) < 0.5, rng.choice(objects.class_ids, false), other)
    score = np.append(
        np.clip(0.9 - 2 * off.ravel() + rng.normal(0, 0.15, len(hits)), 0.05, 1),
        rng.beta(1, 6, false),
    )
    found = np.clip(np.concatenate([moved, invented]), 0, PHOTO_HW[::-1])
    return Objects(found, np.append(objects.class_ids[hits], other)), score.round(3)


def rasterise(
    outlines_xy: NDArray[np.float64],
) -> tuple[list[dict[str, Any]], list[list[float]], list[int]]:
    """RLEs, boxes (x, y, width, height) and areas of polygons (N, vertices, 2)."""
    from pycocotools import mask as coco_mask

    if not len(outlines_xy):
        return [], [], []
    rles = coco_mask.frPyObjects(list(outlines_xy.reshape(len(outlines_xy), -1)), *PHOTO_HW)
    areas, boxes_xywh = coco_mask.area(rles).tolist(), coco_mask.toBbox(rles).tolist()
    written = [{"size": list(PHOTO_HW), "counts": rle["counts"].decode()} for rle in rles]
    return written, boxes_xywh, areas
