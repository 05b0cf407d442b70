"""COCO panoptic: JSON of segments, and a PNG of their ids for each photo; things and stuff."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.coco_json import leads_out, read_document
from instseg.files.image import MAX_PIXELS
from instseg.files.image_writing import write_image
from instseg.files.photo_header import open_photo
from instseg.files.quiet import quiet_decoders
from instseg.formats.coco import image_names, is_coco
from instseg.formats.coco_files import coco_files, photos_of, split_of
from instseg.formats.format import Format, Reading, Writing
from instseg.formats.joined import joined
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.painting import Region, painted, regions
from instseg.formats.photo_names import copy_photos, photo_names
from instseg.formats.shapes import size_of

_MOST_IDS = 2**24
_WEIGHTS = np.array([1, 256, 65536])  # of red, green and blue


def recognises(path: Path) -> bool:
    """Whether a file, or a file in a folder, has photos with segments."""
    return bool(coco_files(path, _is_panoptic))


def _is_panoptic(file: Path) -> bool:
    return is_coco(file, panoptic=True)


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or all files of a folder, whose names then tell the splits."""
    files = [path] if path.is_file() else list(filter(_is_panoptic, coco_files(path, _is_panoptic)))
    if not files:
        raise InputError(f"{path}: has no COCO panoptic file; give the .json file")
    parts = [_read_file(file, reading) for file in files]
    return joined(parts, [split_of(path, file) for file in files])


def _read_file(file: Path, reading: Reading) -> Labels:
    document = read_document(file)
    try:
        images = {
            int(i["id"]): {**i, "id": int(i["id"]), "file_name": str(i["file_name"])}
            for i in document["images"]
        }
        names = {
            int(c["id"]): {**c, "id": int(c["id"]), "name": str(c["name"])}
            for c in document["categories"]
        }
        masks = {int(each["image_id"]): each for each in document["annotations"]}
        sizes = {number: size_of(image) for number, image in images.items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file}: not of COCO's panoptic form ({error!r}); export it again"
        ) from error
    notes = Notes()
    folder = _folder_of(file, [str(each.get("file_name", "")) for each in masks.values()])
    found: list[Record] = []
    for number, each in told(list(masks.items()), reading.on_event, "reading segments"):
        if number not in images:
            notes.add("photos of segments that are not in the list of photos: left out", number)
            continue
        try:
            ids = _read_ids(folder, str(each.get("file_name", "")), sizes[number])
        except ValueError as error:
            notes.add(f"PNG files {error}: their objects are left out", each.get("file_name"))
            continue
        found += _segments(ids, each.get("segments_info"), number, names, notes)
    if len({each["id"] for each in found}) < len(found):  # COCO's are unique in a photo only
        found = [{**each, "id": n} for n, each in enumerate(found, start=1)]
    content = {
        "images": [*images.values()],
        "categories": [*names.values()],
        "annotations": found,
    }
    photos = photos_of(file, image_names(document["images"]), reading.images)
    return Labels(document=content, photos=photos, notes=notes.lines())


def _folder_of(file: Path, names: Sequence[str]) -> Path:
    """The folder of the PNG files: named like the JSON, as COCO's, or one that has them."""
    usual = file.with_suffix("")
    others = [file.parent, *sorted(each for each in file.parent.iterdir() if each.is_dir())]
    tried = [name for name in names[:20] if not leads_out(name)]
    return max([usual, *others], key=lambda f: sum((f / name).is_file() for name in tried))


def _read_ids(folder: Path, name: str, size_hw: tuple[int, int]) -> NDArray[np.int64]:
    """The segment of each pixel: (H, W).

    Raises:
        ValueError: There is no such PNG, in the plural.
    """
    if not name or leads_out(name) or not (folder / name).is_file():
        raise ValueError("that are not there")
    try:
        with (folder / name).open("rb") as stream, quiet_decoders, open_photo(stream) as image:
            size_wh, mode = image.size, image.mode
            if size_wh[0] * size_wh[1] > MAX_PIXELS:
                raise ValueError("too many pixels")
            pixels = np.array(image)
    except Exception as error:  # decoders raise all kinds of errors on damaged data
        raise ValueError("that cannot be read") from error
    if mode not in ("RGB", "RGBA"):
        raise ValueError("that are not RGB, so that they hold no ids of segments")
    if size_wh != size_hw[::-1]:
        raise ValueError("of another size than their photo")
    return (pixels[..., :3] * _WEIGHTS).sum(axis=2)


def _segments(
    ids: NDArray[np.int64],
    infos: Any,
    image_id: int,
    categories: Mapping[int, Record],
    notes: Notes,
) -> Iterator[Record]:
    """The objects of a photo."""
    found = dict(regions(ids))
    for info in infos if isinstance(infos, list) else []:
        number = info.get("id") if isinstance(info, dict) else None
        category = info.get("category_id") if isinstance(info, dict) else None
        if type(number) is not int or type(category) is not int or category not in categories:
            notes.add("segments of no known class: left out", f"photo {image_id}")
            continue
        region = found.pop(number, None)
        if region is None:
            notes.add("segments without pixels: left out", f"photo {image_id}, segment {number}")
            continue
        yield {
            **{key: value for key, value in info.items() if key != "isthing"},
            "image_id": image_id,
            "iscrowd": 1 if info.get("iscrowd") == 1 else 0,
            **region.record((ids.shape[0], ids.shape[1])),
        }
    notes.add("colours that are no segment: left out", f"photo {image_id}", len(found))


def write(labels: Labels, folder: Path, writing: Writing) -> None:
    """Write `panoptic.json` and `panoptic/`, or `panoptic_SPLIT` of each split.

    Where masks overlap, the smaller one is in front, and stuff and crowds are at the back.
    """
    names, objects = photo_names(labels), labels.by_image()
    stuff = {each["id"] for each in labels.categories if each.get("isthing", 1) == 0}
    notes = writing.notes
    records: dict[str, list[Record]] = {}
    images: dict[str, list[Record]] = {}
    all_images = copy_photos(labels, folder, writing) if writing.copy_photos else labels.images
    for image in told(all_images, writing.on_event, "writing segments"):
        split = image.get("split")
        title = f"panoptic_{split}" if split else "panoptic"
        mask = PurePosixPath(names[image["id"]]).with_suffix(".png").as_posix()
        ids, infos = _painted(objects[image["id"]], size_of(image), stuff, notes)
        write_image(folder / title / mask, _colours(ids))
        record = {"image_id": image["id"], "file_name": mask, "segments_info": infos}
        records.setdefault(title, []).append(record)
        images.setdefault(title, []).append(image)
    categories = [{"isthing": 1, **each} for each in labels.categories]
    for title, own in images.items() or {"panoptic": []}.items():
        content = {"images": own, "categories": categories, "annotations": records.get(title, [])}
        text = json.dumps({**labels.document, **content})
        (folder / f"{title}.json").write_text(text, encoding="utf-8")


def _painted(
    annotations: Sequence[Record], size_hw: tuple[int, int], stuff: set[int], notes: Notes
) -> tuple[NDArray[Any], list[Record]]:
    """The segment of each pixel, and the segments that are left."""
    seen = painted(annotations, size_hw, notes, stuff=stuff)
    used: set[int] = set()
    numbers, infos = [], []
    for each, region in zip(annotations, seen.regions, strict=True):
        number = each["id"] if 0 < each["id"] < _MOST_IDS and each["id"] not in used else 0
        number = number or next(n for n in range(1, _MOST_IDS) if n not in used)
        numbers.append(number)
        if region is not None:
            used.add(number)
            infos.append(_info(each, number, region))
    return seen.numbered(numbers), infos


def _info(annotation: Record, number: int, region: Region) -> Record:
    return {
        "id": number,
        "category_id": annotation["category_id"],
        "iscrowd": annotation["iscrowd"],
        "bbox": [int(value) for value in region.box],
        "area": region.area,
    }


def _colours(ids: NDArray[Any]) -> NDArray[np.uint8]:
    return (ids[..., None] // _WEIGHTS % 256).astype(np.uint8)


FORMAT = Format(
    name="coco-panoptic",
    title="COCO panoptic",
    recognises=recognises,
    read=read,
    write=write,
    loses={
        "boxes": "left out",
        "scores": "not written",
        "attributes": "not written",
        "tracks": "not written",
    },
)
