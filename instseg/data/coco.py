"""COCO datasets: one JSON of images, categories and annotations, and a folder of photos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.errors import InputError
from instseg.image import read_image
from instseg.instances import Instances, Masks


@dataclass(frozen=True, kw_only=True)
class CocoData:
    """A COCO dataset. Category ids of the file become class ids 1..K here and nowhere else.

    Attributes:
        folder: Where the photos are.
        images: The file's image records, in its order.
        annotations: For each image id its annotations, crowds included.
        class_names: In the order of the file's category ids, after "BG".
        category_ids: The dataset id of each class, after 0.
    """

    folder: Path
    images: Sequence[Mapping[str, Any]]
    annotations: Mapping[int, Sequence[Mapping[str, Any]]]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]

    @classmethod
    def read(cls, coco_json: Path, folder: Path) -> CocoData:
        """Read the JSON; photos are read when they are asked for.

        Raises:
            InputError: when it is not a COCO dataset.
        """
        try:
            document = json.loads(coco_json.read_bytes())
            images, categories = document["images"], document["categories"]
            annotations: dict[int, list[Mapping[str, Any]]] = {i["id"]: [] for i in images}
            for annotation in document["annotations"]:
                annotations[annotation["image_id"]].append(annotation)
        except OSError as error:
            raise InputError(f"{coco_json}: {error.strerror}; check --coco-json") from error
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise InputError(f"{coco_json}: not valid JSON: {error.msg} at {where}") from error
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{coco_json}: {error} is missing; a COCO dataset has images, annotations, "
                "categories, and annotations of its own images"
            ) from error
        ordered = sorted(categories, key=lambda category: category["id"])
        return cls(
            folder=folder,
            images=images,
            annotations=annotations,
            class_names=("BG", *(category["name"] for category in ordered)),
            category_ids=(0, *(category["id"] for category in ordered)),
        )

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int) -> tuple[NDArray[np.uint8], Instances]:
        """A photo, uint8 RGB (H, W, 3), and its objects without crowds.

        Raises:
            InputError: when the photo cannot be read or is not of the size the file states, or an
                annotation is broken.
        """
        record = self.images[index]
        path = self.folder / record["file_name"]
        image = read_image(path)
        stated = (record["height"], record["width"])
        if image.shape[:2] != stated:
            raise InputError(
                f"{path}: is {image.shape[1]} x {image.shape[0]} pixels, its annotations are for "
                f"{stated[1]} x {stated[0]}; correct the size in the JSON, or the photo"
            )
        objects = [a for a in self.annotations[record["id"]] if not a.get("iscrowd", 0)]
        return image, self._instances(objects, stated, path)

    def _instances(
        self, objects: Sequence[Mapping[str, Any]], size_hw: tuple[int, int], path: Path
    ) -> Instances:
        class_of = {category: i for i, category in enumerate(self.category_ids)}
        parts, class_ids = [Masks.empty(size_hw)], []
        for each in objects:
            try:
                class_ids.append(class_of[each["category_id"]])
                shape = each["segmentation"]
                if isinstance(shape, Mapping):
                    parts.append(Masks.from_rle([dict(shape)], size_hw))
                else:
                    parts.append(Masks.from_polygons([shape], size_hw))
            except (KeyError, ValueError) as error:
                missing = isinstance(error, KeyError)
                problem = f"no such key, or no such category: {error}" if missing else error
                raise InputError(f"{path}: annotation {each.get('id')}: {problem}") from error
        masks = Masks.concatenate(parts)
        return Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.array(class_ids, dtype=np.int64),
            scores=np.ones(len(objects), dtype=np.float32),
            masks=masks,
            class_names=self.class_names,
        )
