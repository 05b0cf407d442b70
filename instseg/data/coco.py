"""COCO datasets: one JSON of images, categories and annotations, and a folder of photos."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.core.options import checks_types
from instseg.core.windows import Window, whole_window
from instseg.core.wording import count
from instseg.data.coco_annotations import annotation_record, annotation_rle
from instseg.data.coco_checks import annotations_by_image, check_images_and_categories
from instseg.files.coco_json import leads_out, parse_dataset, read_boxes, read_content
from instseg.files.coco_records import Annotation, Dataset, ImageRecord
from instseg.files.image import read_image
from instseg.files.photo_header import photo_size, read_header
from instseg.files.windows import TiffWindows, is_tiff

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, repr=False)
class CocoData:
    """A COCO dataset, read by `CocoData.read("train.json", "photos/")`.

    Category ids of the file are converted to class ids 1..K only here.

    Attributes:
        coco_json: The file.
        folder: Folder of the photos.
        dataset: The records of the file.
        annotations: For each image id its annotations, crowds included.
        class_names: In the order of the file's category ids, after "BG".
        category_ids: The dataset id of each class, after 0.
    """

    coco_json: Path
    folder: Path
    dataset: Dataset
    annotations: Mapping[int, Sequence[Annotation]]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]

    @classmethod
    @checks_types
    def read(
        cls,
        coco_json: str | Path,
        folder: str | Path,
        *,
        boxes_only: bool = False,
        content: bytes | None = None,
    ) -> CocoData:
        """Read the JSON; photos and segmentations are read when they are used.

        Images without width and height get those of their photos.

        Args:
            coco_json: The file.
            folder: Folder of the photos.
            boxes_only: Leave out segmentations, and the sizes of photos.
            content: Content of the file, if it has already been read.

        Raises:
            InputError: It is not a COCO dataset.
        """
        coco_json, folder = Path(coco_json), Path(folder)
        if boxes_only:
            dataset = read_boxes(coco_json)
        else:
            content = read_content(coco_json) if content is None else content
            dataset = parse_dataset(content, coco_json, lambda name: photo_size(folder, name))
        check_images_and_categories(coco_json, dataset)
        ordered = sorted(dataset.categories, key=lambda category: category.id)
        return cls(
            coco_json=coco_json,
            folder=folder,
            dataset=dataset,
            annotations=annotations_by_image(coco_json, dataset),
            class_names=("BG", *(category.name for category in ordered)),
            category_ids=(0, *(category.id for category in ordered)),
        )

    @property
    def images(self) -> Sequence[ImageRecord]:
        """The image records, in the order of the file."""
        return self.dataset.images

    @cached_property
    def _class_of(self) -> dict[int, int]:
        return {category: i for i, category in enumerate(self.category_ids)}

    def __len__(self) -> int:
        return len(self.images)

    def __fspath__(self) -> str:
        """The file, so that `examine` and whatever else takes its path takes the dataset too."""
        return str(self.coco_json)

    def __repr__(self) -> str:
        objects, classes = len(self.dataset.annotations), len(self.class_names) - 1
        return (
            f"CocoData({str(self.coco_json)!r}: {count(len(self), 'image')}, "
            f"{count(objects, 'annotation')}, {count(classes, 'class')})"
        )

    def require_photos(self) -> None:
        """Raise InputError if a photo is missing, before a long run."""
        missing = [i.file_name for i in self.images if not (self.folder / i.file_name).is_file()]
        if missing:
            raise InputError(
                f"{self.folder}: {len(missing)} of {len(self)} photos are not there, the first is "
                f"{missing[0]}; `instseg doctor` lists them"
            )

    def require_objects(self) -> None:
        """Raise InputError if there are no training data: no class, no annotation, only crowds."""
        annotations = self.dataset.annotations
        if not self.category_ids[1:]:
            problem = "has no categories, so no classes to train on; export it again"
        elif not annotations:
            problem = "has no annotations to train on; annotate some objects, or export it again"
        elif all(each.iscrowd for each in annotations):
            problem = (
                f"has only crowds to train on ({len(annotations)} annotations with iscrowd 1); "
                "`instseg doctor --fix F --clear-crowds` makes objects of them"
            )
        else:
            return
        raise InputError(f"{self.coco_json}: {problem}")

    def without_boxes(self) -> CocoData:
        """The dataset without annotations that have a box and no mask."""
        kept = [each for each in self.dataset.annotations if not each.is_box_only]
        dataset = msgspec.structs.replace(self.dataset, annotations=kept)
        return replace(
            self, dataset=dataset, annotations=annotations_by_image(self.coco_json, dataset)
        )

    def load(self, index: int) -> tuple[NDArray[np.uint8], Instances]:
        """A photo, uint8 RGB (H, W, 3), and its objects without crowds.

        Raises:
            InputError: The photo cannot be read or has another size than the file states, or an
                annotation is broken.
        """
        return self.photo(index), self.objects(index)

    def photo(self, index: int) -> NDArray[np.uint8]:
        """A photo, uint8 RGB (H, W, 3), in the orientation of its annotations.

        If the stated size only fits the photo without its EXIF orientation, the orientation is
        ignored, with a warning in the log. The same holds for photos whose EXIF orientation does
        not change the size, unless other photos of the dataset contradict it.

        Raises:
            InputError: It cannot be read or has another size than the file states.
        """
        record = self.images[index]
        path = self.folder / record.file_name
        if leads_out(record.file_name):
            raise InputError(f"{record.file_name}: leads out of {self.folder}, and is not opened")
        image = read_image(path)
        stated = (record.height, record.width)
        if image.shape[:2] == stated and not self._is_drawn_unturned(record):
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

    def _is_drawn_unturned(self, record: ImageRecord) -> bool:
        """Whether annotations ignore an EXIF orientation that does not change the photo's size."""
        try:
            header = read_header(self.folder / record.file_name)
        except ValueError:
            return False
        same = header.stored_wh == header.upright_wh
        return header.orientation > 1 and same and self._ignores_exif

    @cached_property
    def _ignores_exif(self) -> bool:
        """Whether all photos that EXIF rotates by 90 degrees are stated with their stored size."""
        found = False
        for record in self.images:
            path, stated = self.folder / record.file_name, (record.width, record.height)
            if leads_out(record.file_name) or not path.is_file():
                continue
            try:
                header = read_header(path)
            except ValueError:
                continue
            if header.orientation > 1 and header.stored_wh != header.upright_wh:
                if header.upright_wh == stated:
                    return False
                found |= header.stored_wh == stated
        return found

    def objects(self, index: int) -> Instances:
        """The objects of a photo, without crowds.

        Raises:
            InputError: An annotation is broken.
        """
        found = self.annotations[self.images[index].id]
        return self.instances_of([each for each in found if not each.iscrowd], index)

    def window(self, index: int, window: Window) -> NDArray[np.uint8]:
        """A part of a photo, uint8 RGB, of a TIFF read alone; raises InputError as `photo` does.

        Args:
            index: The photo.
            window: Its rows and columns, inside the photo.
        """
        record = self.images[index]
        path, size_hw = self.folder / record.file_name, (record.height, record.width)
        if window != whole_window(size_hw) and not leads_out(record.file_name) and is_tiff(path):
            with suppress(InputError):  # other kinds of TIFF, and damaged ones
                windows = TiffWindows(path)
                if windows.size_hw == size_hw:
                    return windows.read(window)
        return np.ascontiguousarray(self.photo(index)[window])

    def crowds(self, index: int) -> Masks:
        """The crowd regions of a photo.

        Raises:
            InputError: An annotation is broken.
        """
        found = self.annotations[self.images[index].id]
        return self.instances_of([each for each in found if each.iscrowd], index).masks

    def class_id(self, category_id: int) -> int:
        """The class id, 1..K, of a category of the file."""
        return self._class_of[category_id]

    def instances_of(self, annotations: Sequence[Annotation], index: int) -> Instances:
        """Some annotations of a photo as instances, crowds or not.

        Args:
            annotations: Of this photo, each with a segmentation.
            index: The photo.

        Raises:
            InputError: An annotation is broken.
        """
        record = self.images[index]
        coded = [annotation_rle(each, record, self.coco_json) for each in annotations]
        parts = [Masks.from_rle([each]) for each in coded]
        masks = Masks.concatenate([Masks.empty((record.height, record.width)), *parts])
        class_ids = [self._class_of[each.category_id] for each in annotations]
        return Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.array(class_ids, dtype=np.int64),
            scores=np.ones(len(class_ids), dtype=np.float32),
            masks=masks,
            class_names=self.class_names,
        )

    def document(self) -> dict[str, Any]:
        """The dataset as plain dicts, for evaluators.

        Segmentations are compressed RLE or None. A missing box or area is computed from the
        segmentation, or from the box if there is none. Annotations are numbered from 1, because
        evaluators use the id 0 for "not found".

        Raises:
            InputError: when an annotation is broken.
        """
        pairs = [(a, image) for image in self.images for a in self.annotations[image.id]]
        return {
            "images": [_given(image) for image in self.images],
            "categories": [msgspec.structs.asdict(c) for c in self.dataset.categories],
            "annotations": [
                {"id": number, **annotation_record(annotation, image, self.coco_json)}
                for number, (annotation, image) in enumerate(pairs, start=1)
            ],
        }


def _given(image: ImageRecord) -> dict[str, Any]:
    """The fields of a record that have a value."""
    fields = msgspec.structs.asdict(image)
    return {key: value for key, value in fields.items() if value is not None}
