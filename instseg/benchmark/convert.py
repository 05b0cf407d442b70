"""Conversion between formats: ours, and supervision's where it is installed."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from instseg.benchmark.made_up_coco import PHOTO_HW, write_instances
from instseg.core.events import OnEvent, ignore, told
from instseg.files.coco_json import read_document
from instseg.files.image_writing import write_image
from instseg.formats.convert import convert
from instseg.formats.registry import FormatName

PEER_FORMAT: FormatName = "yolo-seg"


def measure_conversion(
    images: int,
    repeats: int,
    seed: int,
    folder: Path,
    *,
    to: FormatName = PEER_FORMAT,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds from COCO to another format and back, from files to files, with links to photos.

    supervision, which is compared for YOLO polygons, copies the photos: part of its time.

    Returns:
        `masks`; `ours`, and `peer` where supervision is installed: medians by task; `ratio`.
    """
    source, photos = folder / "convert.json", folder / "photos"
    masks = write_instances(source, images, seed, on_event=on_event)
    _write_photos(photos, read_document(source)["images"])
    sides: dict[str, Callable[[Path], dict[str, float]]] = {
        "ours": lambda out: _ours(source, photos, out, to)
    }
    if to == PEER_FORMAT and importlib.util.find_spec("supervision"):
        sides["peer"] = lambda out: _peer(source, photos, out)
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in told(range(repeats + 1), on_event, "converting", unit="rounds"):
        for name, side in sides.items():
            out = folder / f"converted_{name}"
            shutil.rmtree(out, ignore_errors=True)
            found[name].append(side(out))
    figures: dict[str, Any] = {
        name: {task: statistics.median(run[task] for run in runs[1:]) for task in runs[0]}
        for name, runs in found.items()
    }
    peer = figures.get("peer", {})
    ratio = {task: peer[task] / figures["ours"][task] for task in peer}
    return figures | {"ratio": ratio, "masks": masks}


def _write_photos(folder: Path, records: list[dict[str, Any]]) -> None:
    """Black photos, all the same file: only their size is read."""
    write_image(folder / "black.png", np.zeros((*PHOTO_HW, 3), np.uint8))
    content = (folder / "black.png").read_bytes()
    (folder / "black.png").unlink()
    for record in records:
        (folder / record["file_name"]).write_bytes(content)


def _ours(source: Path, photos: Path, out: Path, to: FormatName) -> dict[str, float]:
    start = time.perf_counter()
    convert(source, out / to, to=to, images=photos)
    middle = time.perf_counter()
    convert(out / to, out / "coco.json", to="coco", from_format=to)
    return {f"to {to}": middle - start, "to coco": time.perf_counter() - middle}


def _peer(source: Path, photos: Path, out: Path) -> dict[str, float]:
    import supervision

    yolo = {
        "images_directory_path": str(out / "yolo" / "images"),
        "annotations_directory_path": str(out / "yolo" / "labels"),
        "data_yaml_path": str(out / "yolo" / "data.yaml"),
    }
    start = time.perf_counter()
    data = supervision.DetectionDataset
    data.from_coco(str(photos), str(source), force_masks=True).as_yolo(**yolo)
    middle = time.perf_counter()
    data.from_yolo(**yolo, force_masks=True).as_coco(annotations_path=str(out / "coco.json"))
    return {"to yolo-seg": middle - start, "to coco": time.perf_counter() - middle}
