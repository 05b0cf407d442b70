"""COCO datasets: one JSON of images, categories and annotations, and a folder of photos."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg.coco_json import Annotation, Dataset, Image, leads_out, read_dataset
from instseg.errors import InputError
from instseg.image import read_image
from instseg.instances import Instances, Masks

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CocoData:
    """A COCO dataset. Category ids of the file become class ids 1..K here and nowhere else.

    Attributes:
        folder: Where the photos are.
        dataset: The file's records.
        annotations: For each image id its annotations, crowds included.
        class_names: In the order of the file's category ids, after "BG".
        category_ids: The dataset id of each class, after 0.
    """

    folder: Path
    dataset: Dataset
    annotations: Mapping[int, Sequence[Annotation]]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]

    @classmethod
    def read(cls, coco_json: Path, folder: Path) -> CocoData:
        """Read the JSON; photos and outlines are read when they are asked for.

        Raises:
            InputError: when it is not a COCO dataset.
        """
        dataset = read_dataset(coco_json)
        annotations: dict[int, list[Annotation]] = {image.id: [] for image in dataset.images}
        for each in dataset.annotations:
            if each.image_id not in annotations:
                raise InputError(
                    f"{coco_json}: annotation {each.id} is of image {each.image_id}, which is not "
                    "among its own images; `instseg doctor --fix` leaves it out"
                )
            annotations[each.image_id].append(each)
        ordered = sorted(dataset.categories, key=lambda category: category.id)
        return cls(
            folder=folder,
            dataset=dataset,
            annotations=annotations,
            class_names=("BG", *(category.name for category in ordered)),
            category_ids=(0, *(category.id for category in ordered)),
        )

    @property
    def images(self) -> Sequence[Image]:
        """The file's image records, in its order."""
        return self.dataset.images

    @cached_property
    def _class_of(self) -> dict[int, int]:
        return {category: i for i, category in enumerate(self.category_ids)}

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int) -> tuple[NDArray[np.uint8], Instances]:
        """A photo, uint8 RGB (H, W, 3), and its objects without crowds.

        Raises:
            InputError: when the photo cannot be read or is not of the size the file states, or an
                annotation is broken.
        """
        return self.photo(index), self.objects(index)

    def photo(self, index: int) -> NDArray[np.uint8]:
        """A photo, uint8 RGB (H, W, 3), turned as its annotations are.

        Where the stated size fits only the photo as it is stored, without its EXIF orientation,
        it is taken so, with a warning in the log.

        Raises:
            InputError: when it cannot be read or is not of the size the file states.
        """
        record = self.images[index]
        path = self.folder / record.file_name
        if leads_out(record.file_name):
            raise InputError(f"{record.file_name}: leads out of {self.folder}, and is not opened")
        image = read_image(path)
        stated = (record.height, record.width)
        if image.shape[:2] == stated:
            return image
        stored = read_image(path, upright=False)
        if stored.shape[:2] != stated:
            raise InputError(
                f"{path}: is {image.shape[1]} x {image.shape[0]} pixels, its annotations are for "
                f"{stated[1]} x {stated[0]}; correct the size in the JSON, or the photo"
            )
        log.warning(
            "%s: annotated without its EXIF orientation, and so taken without it; remove the "
            "orientation from the photo, or others will see it turned",
            path,
        )
        return stored

    def objects(self, index: int) -> Instances:
        """The objects of a photo, without crowds.

        Raises:
            InputError: when an annotation is broken.
        """
        record = self.images[index]
        size_hw = (record.height, record.width)
        parts, class_ids = [Masks.empty(size_hw)], []
        for each in self.annotations[record.id]:
            if not each.iscrowd:
                parts.append(self._masks(each, record))
                class_ids.append(self._class_of[each.category_id])
        masks = Masks.concatenate(parts)
        return Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.array(class_ids, dtype=np.int64),
            scores=np.ones(len(class_ids), dtype=np.float32),
            masks=masks,
            class_names=self.class_names,
        )

    def document(self) -> dict[str, Any]:
        """The dataset as plain dicts with every outline decoded, as evaluators take it.

        A box or an area that the file does not state is that of the outline.

        Raises:
            InputError: when an annotation is broken.
        """
        return {
            "images": [msgspec.structs.asdict(image) for image in self.images],
            "categories": [msgspec.structs.asdict(c) for c in self.dataset.categories],
            "annotations": [
                self._complete(each, image)
                for image in self.images
                for each in self.annotations[image.id]
            ],
        }

    def _complete(self, annotation: Annotation, image: Image) -> dict[str, Any]:
        record = msgspec.structs.asdict(annotation) | {"segmentation": annotation.outline()}
        if annotation.bbox is None or annotation.area is None:
            masks = self._masks(annotation, image)
            left, top, right, bottom = masks.boxes_xyxy()[0].tolist()
            stated = {key: value for key, value in record.items() if value is not None}
            record |= {"bbox": [left, top, right - left, bottom - top]}
            record |= {"area": int(masks.areas()[0])} | stated
        return record

    def _masks(self, annotation: Annotation, image: Image) -> Masks:
        """The one mask of an annotation."""
        size_hw = (image.height, image.width)
        outline = annotation.outline()
        try:
            if annotation.category_id not in self._class_of:
                raise ValueError(f"of category {annotation.category_id}, which is not listed")
            if isinstance(outline, dict):
                return Masks.from_rle([outline], size_hw)
            if isinstance(outline, list):
                return Masks.from_polygons([outline], size_hw)
            raise ValueError("has no segmentation")
        except (KeyError, TypeError, ValueError) as error:
            problem = f"has no {error}" if isinstance(error, KeyError) else error
            raise InputError(
                f"{self.folder / image.file_name}: annotation {annotation.id}: {problem}; "
                "`instseg doctor --fix` mends the file"
            ) from error
