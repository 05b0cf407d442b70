"""Reads results, and converts them to the ids of the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.json_types import Json
from instseg.core.rle import to_rle
from instseg.core.wording import count, some
from instseg.evaluation.records import broken
from instseg.files.coco_forms import whole
from instseg.files.coco_json import match_image_ids, read_results
from instseg.files.coco_records import ImageName

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.evaluation.coco_ap import Kind

NOTHING = {"size": [1, 1], "counts": [1]}  # placeholder for a mask in an unknown image


def results_of(
    results: str | Path | Sequence[Mapping[str, Any]],
    data: CocoData,
    *,
    name: str,
    on_event: OnEvent = ignore,
) -> list[Json]:
    """Results of a file or a list, in the ids of the dataset, masks as RLE.

    In a document, photos are matched by file name and classes by name. Ids of a list may be 5.0 or
    text, as tables write them.

    Args:
        results: A file, or COCO results.
        data: The dataset.
        name: Name of the results in messages.
        on_event: Called with notices of missing classes and photos.

    Raises:
        InputError: They are broken, or not of this dataset.
    """
    if isinstance(results, str | Path):
        found = _read_file(Path(results), data, on_event)
    else:
        found = [dict(each) for each in results]
    for each in found:  # as tables write them: 5.0 beside missing values, and text
        for key in ("image_id", "category_id"):
            if type(each.get(key)) in (float, str):
                each[key] = whole(each[key])
    return _with_rles(found, data, name)


def shared_classes(
    found: Sequence[str], wanted: Sequence[str], source: str, on_event: OnEvent = ignore
) -> list[str]:
    """Names that both have; reports further ones of the dataset.

    Raises:
        InputError: There are none.
    """
    shared = [name for name in found if name in wanted]
    missing = [name for name in wanted if name not in found]
    if not shared:
        raise InputError(
            f"{source}: knows none of the dataset's classes: it knows {some(found)}, the dataset "
            f"has {some(wanted)}; classes are matched by name, so rename the categories, or "
            "fine-tune on the dataset"
        )
    if missing:
        text = (
            f"{source}: does not know {len(missing)} of the dataset's {len(wanted)} classes, which "
            f"count as never found: {some(missing)}"
        )
        on_event(Warned(text=text))
    return shared


def _read_file(path: Path, data: CocoData, on_event: OnEvent) -> list[Json]:
    found = read_results(path)
    if found.images is None or found.categories is None:
        return found.results
    if lines := [*broken(found.results, "annotations", ("image_id", "category_id", "score"))]:
        raise InputError(f"{path}: {lines[0]}")
    shared_classes([c.name for c in found.categories], data.class_names[1:], str(path), on_event)
    names = _file_names(path, found.images)
    ids = [image.id for image in data.images]
    by_name = match_image_ids(
        dict(zip(_file_names(data.coco_json, data.images), ids, strict=True)), names
    )
    if not by_name:
        raise InputError(
            f"{path}: has none of the dataset's photos; they are matched by file name, and it has "
            f"{some(names)}"
        )
    if len(by_name) < len(data.images):
        text = (
            f"{path}: has {len(by_name)} of the dataset's {len(data.images)} photos, by their file "
            "names; in the others all objects count as missed"
        )
        on_event(Warned(text=text))
    classes = dict(zip(data.class_names, data.category_ids, strict=True))
    image_ids = {i.id: by_name[i.file_name] for i in found.images if i.file_name in by_name}
    category_ids = {c.id: classes[c.name] for c in found.categories if c.name in classes}
    return [
        {**r, "image_id": image_ids[r["image_id"]], "category_id": category_ids[r["category_id"]]}
        for r in found.results
        if r["image_id"] in image_ids and r["category_id"] in category_ids
    ]


def _file_names(path: Path, images: Sequence[ImageName]) -> list[str]:
    names = [image.file_name for image in images]
    if again := len(names) - len(set(names)):
        raise InputError(
            f"{path}: {count(again, 'photo')} with the file name of another one, or none, so that "
            "they cannot be matched by name; give a bare list of results, with the dataset's ids"
        )
    return names


def _with_rles(results: list[Json], data: CocoData, name: str) -> list[Json]:
    """The results with polygons rasterised; those without segmentation as boxes.

    Raises:
        InputError: A polygon is broken.
    """
    outlines = [each.get("segmentation") for each in results]
    if not any(isinstance(outline, list) or outline is None for outline in outlines):
        return results
    if not any(outlines):  # written by box detectors
        for each in results:
            each.pop("segmentation", None)
        return results
    sizes_hw = {image.id: (image.height, image.width) for image in data.images}
    for index, outline in enumerate(outlines):
        if not isinstance(outline, list):
            continue
        image_id = results[index].get("image_id")
        try:
            size_hw = sizes_hw.get(image_id) if isinstance(image_id, int) else None
            drawn = to_rle(outline, size_hw) if size_hw else NOTHING
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: results[{index}]: {error}; see what wrote it") from error
        results[index] = {**results[index], "segmentation": drawn}
    return results


def measurable_kinds(
    truth: Json, results: Sequence[Json], *, boundary: bool, coco_json: Path, name: str
) -> list[Kind]:
    """Boxes and masks, if truth and results have them, and boundaries on request.

    Args:
        truth: The dataset as a document.
        results: Results in its ids.
        boundary: Whether boundaries are requested.
        coco_json: Name of the dataset in messages.
        name: Name of the results in messages.

    Raises:
        InputError: One has only boxes and the other only masks, or some annotations have none.
    """
    boxes, masks = (any(key in r for r in results) for key in ("bbox", "segmentation"))
    without = [a for a in truth["annotations"] if not a["segmentation"]]
    if masks and 0 < len(without) < len(truth["annotations"]):
        raise InputError(
            f"{coco_json}: {count(len(without), 'annotation')} without an outline, for example "
            f"of image {without[0]['image_id']}, while the others have one; "
            "`instseg doctor --fix` drops them"
        )
    if masks and without and not boxes:
        raise InputError(
            f"{name}: has masks only, and {coco_json} has boxes only; write results with boxes"
        )
    masks = masks and not without
    if boundary and results and not masks:
        raise ArgumentError("{boundary} needs masks, in the dataset and in the results")
    kinds: list[Kind] = ["bbox"] if boxes or not masks else []
    kinds += ["segm"] if masks else []
    return [*kinds, "boundary"] if masks and boundary else kinds
