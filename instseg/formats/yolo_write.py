"""Writes YOLO datasets in the layout of Ultralytics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import yaml  # type: ignore[import-untyped]

from instseg.core.events import told
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.photo_names import photo_names, place_photo
from instseg.formats.shaped import shaped
from instseg.formats.shapes import box_of, has_mask, ring_of, size_of

_FOLDERS = ("images", "labels")  # tools find labels by the last folder `images` of a photo's path

Shape = Callable[[Record, tuple[int, int], float], list[float] | None]
"""The numbers of an object, in pixels: x, y in turns; None for an empty mask."""


def write(labels: Labels, folder: Path, writing: Writing, shape: Shape) -> dict[int, int]:
    """Write data.yaml, images/SPLIT/ and labels/SPLIT/; without splits, all is train.

    Args:
        labels: The labels.
        folder: An empty one.
        writing: How.
        shape: The numbers of an object; ValueError for a broken one.

    Returns:
        The class number, from 0, of each category id.
    """
    ordered = sorted(labels.categories, key=lambda each: int(each["id"]))
    numbers = {each["id"]: number for number, each in enumerate(ordered)}
    names = photo_names(labels, without=_FOLDERS)
    objects, notes = labels.by_image(), writing.notes
    for image in told(labels.images, writing.on_event, "writing labels"):
        name = PurePosixPath(image.get("split") or "train", names[image["id"]])
        lines = _lines(image, objects[image["id"]], numbers, writing, shape, notes)
        file = folder / "labels" / name.with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if not place_photo(labels, image, folder / "images" / name, copy=writing.copy_photos):
            notes.add("photos that are not there, so that only labels were written", name)
    _write_yaml(folder / "data.yaml", labels, [each["name"] for each in ordered])
    return numbers


def box_numbers(annotation: Record, size_hw: tuple[int, int], _: float) -> list[float] | None:
    """x, y of the center, width, height, in pixels."""
    box = box_of(annotation, size_hw)
    return box and [box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3]]


def ring_numbers(
    annotation: Record, size_hw: tuple[int, int], tolerance: float
) -> list[float] | None:
    """x, y of each corner, in pixels; of the box of an object without a mask."""
    if not has_mask(annotation):
        box = box_of(annotation, size_hw)
        if box is None:
            return None
        x0, y0, x1, y1 = box[0], box[1], box[0] + box[2], box[1] + box[3]
        return [x0, y0, x1, y0, x1, y1, x0, y1]
    ring = ring_of(annotation, size_hw, tolerance)
    return None if ring is None else [float(value) for value in ring.ravel()]


def _lines(
    image: Record,
    annotations: Iterable[Record],
    numbers: dict[int, int],
    writing: Writing,
    shape: Shape,
    notes: Notes,
) -> list[str]:
    size_hw = size_of(image)
    found = shaped(annotations, lambda each: shape(each, size_hw, writing.tolerance), notes)
    return [f"{numbers[each['category_id']]} {_shares(values, size_hw)}" for each, values in found]


def _shares(values: list[float], size_hw: tuple[int, int]) -> str:
    height, width = size_hw
    shares = (np.array(values).reshape(-1, 2) / (width, height)).clip(0, 1)
    different, which = np.unique(shares, return_inverse=True)  # stairs repeat each value often
    texts = [f"{value:.7f}".rstrip("0").rstrip(".") for value in different.tolist()]
    return " ".join([texts[i] for i in which.ravel().tolist()])


def _write_yaml(path: Path, labels: Labels, names: list[str]) -> None:
    splits = labels.splits
    if not splits or any(not image.get("split") for image in labels.images):
        splits = ["train", *(split for split in splits if split != "train")]
    places = {split: f"images/{split}" for split in splits}
    places.setdefault("train", f"images/{splits[0]}")
    lines = ["# Labels and photos in the layout of Ultralytics."]
    if "val" not in places:
        places["val"] = places["train"]
        lines.append("# There is no validation set: `val` repeats `train`.")
    content = {**places, "names": dict(enumerate(names))}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text("\n".join([*lines, text]), encoding="utf-8")
