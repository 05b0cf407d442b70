"""What `instseg evaluate` is given: results, and what of them can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.commands.terminal import error
from instseg.core.errors import InputError
from instseg.files.coco_json import ImageName, match_image_ids, read_results
from instseg.system.processes import process_rank

if TYPE_CHECKING:
    from instseg.commands.evaluate import EvaluateConfig
    from instseg.data.coco import CocoData
    from instseg.evaluation.coco_ap import Kind

Json = dict[str, Any]


def shared_classes(found: Sequence[str], wanted: Sequence[str], source: str) -> list[str]:
    """Names that both have; says which the dataset has beyond them.

    Raises:
        InputError: There is none.
    """
    shared = [name for name in found if name in wanted]
    missing = [name for name in wanted if name not in found]
    if not shared:
        raise InputError(
            f"{source}: knows none of the dataset's classes: it knows {_some(found)}, the dataset "
            f"has {_some(wanted)}; classes are matched by name, so rename the categories, or "
            "fine-tune on the dataset"
        )
    if missing and process_rank() == 0:
        error(
            f"{source}: does not know {len(missing)} of the dataset's {len(wanted)} classes, which "
            f"count as never found: {_some(missing)}"
        )
    return shared


def read(path: Path, data: CocoData) -> list[Json]:
    """Results of a file, in the ids of the dataset.

    A document says what its ids mean: photos are found by file name, classes by name.

    Raises:
        InputError: It is broken, or not of this dataset.
    """
    from instseg.evaluation.records import broken

    found = read_results(path)
    if found.images is None or found.categories is None:
        return found.results
    for line in broken(found.results, "annotations", ("image_id", "category_id", "score")):
        raise InputError(f"{path}: {line}")
    shared_classes([c.name for c in found.categories], data.class_names[1:], str(path))
    names = _file_names(path, found.images)
    ids = [image.id for image in data.images]
    by_name = match_image_ids(
        dict(zip(_file_names(data.coco_json, data.images), ids, strict=True)), names
    )
    if not by_name:
        raise InputError(
            f"{path}: has none of the dataset's photos; they are matched by file name, and it has "
            f"{_some(names)}"
        )
    if len(by_name) < len(data.images):
        error(
            f"{path}: has {len(by_name)} of the dataset's {len(data.images)} photos, by their file "
            "names; in the others all objects count as missed"
        )
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
            f"{path}: {again} photos have the file name of another one, or none, so that photos "
            "cannot be matched by name; give the results as a bare list, with the dataset's ids"
        )
    return names


def held_kinds(config: EvaluateConfig, truth: Json, results: Sequence[Json]) -> list[Kind]:
    """Boxes and masks, where truth and results hold them, and boundaries if they are wanted.

    Raises:
        InputError: One has only boxes and the other only masks, or some annotations have none.
    """
    boxes, masks = (any(key in r for r in results) for key in ("bbox", "segmentation"))
    without = [a for a in truth["annotations"] if not a["segmentation"]]
    if masks and 0 < len(without) < len(truth["annotations"]):
        raise InputError(
            f"{config.coco_json}: {len(without)} annotations have no outline, for example of image "
            f"{without[0]['image_id']}, the others have; `instseg doctor --fix` drops them"
        )
    if masks and without and not boxes:
        raise InputError(
            f"{config.results}: has masks only, and {config.coco_json} has boxes only; write "
            "results with boxes"
        )
    masks = masks and not without
    if config.boundary and results and not masks:
        raise InputError("--boundary needs masks, in the dataset and in the results")
    kinds: list[Kind] = ["bbox"] if boxes or not masks else []
    kinds += ["segm"] if masks else []
    return [*kinds, "boundary"] if masks and config.boundary else kinds


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.40}" for name in names[:6]) + (", ..." if len(names) > 6 else "")
