"""What the annotations of a photo tell a training: masks, boxes, and what nobody looked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances, Masks
from instseg.data.coco import CocoData
from instseg.files.coco_records import Annotation

PSEUDO = (0.15, 0.5)
FEW_MASKS = 10  # a class with fewer hardly learns a mask of its own

Use = Literal["object", "ignored", "dropped"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Objects without masks, and regions that are neither objects nor background.

    Attributes:
        boxes: float32 (M, 4), xyxy in pixels of the image.
        class_ids: int64 (M,), 1..K; 0 for a region that is ignored.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Boxes:
        """No boxes."""
        return cls(boxes=np.zeros((0, 4), dtype=np.float32), class_ids=np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoLabels:
    """The labels of one photo.

    Attributes:
        instances: Objects with masks.
        crowds: Regions that are ignored, with masks.
        boxes: Objects and ignored regions without masks, clipped to the photo.
        unknown: Names of the classes of which the photo may show objects without annotations.
    """

    instances: Instances
    crowds: Masks
    boxes: Boxes
    unknown: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class TrainingLabels:
    """How a dataset's annotations are used in training.

    An annotation with a `score` is a detector's finding: an object from `pseudo[1]`, a region that
    is ignored from `pseudo[0]`, below that nothing.

    A photo with `labelled`, a list of class names, was searched by people for these classes only.
    Its other classes are known too if a detector has searched all photos for them: the classes of
    the file's `searched`, or all if it has annotations with scores and no such field. With LVIS'
    `neg_category_ids` or `not_exhaustive_category_ids`, the classes known are those that people
    have annotated on it and the negative ones, except those that are not exhaustively annotated,
    and the classes of `searched`. Otherwise all classes are known.

    Attributes:
        data: The dataset.
        pseudo: The two scores, 0..1.
    """

    data: CocoData
    pseudo: tuple[float, float] = PSEUDO

    def use(self, annotation: Annotation) -> Use:
        """What an annotation is in training."""
        score = annotation.detector_score
        if score is not None and score < self.pseudo[0]:
            return "dropped"
        unsure = score is not None and score < self.pseudo[1]
        return "ignored" if annotation.iscrowd or unsure else "object"

    def of(self, row: int) -> PhotoLabels:
        """The labels of a photo.

        Raises:
            InputError: An annotation is broken.
        """
        record = self.data.images[row]
        objects: list[Annotation] = []
        ignored: list[Annotation] = []
        boxed: list[tuple[Annotation, Use]] = []
        for each in self.data.annotations[record.id]:
            use = self.use(each)
            if use == "dropped":
                continue
            if each.is_box_only:
                boxed.append((each, use))
            else:
                (objects if use == "object" else ignored).append(each)
        return PhotoLabels(
            instances=self.data.instances_of(objects, row),
            crowds=self.data.instances_of(ignored, row).masks,
            boxes=self._boxes(boxed, record.width, record.height),
            unknown=self.unknown(row),
        )

    def classes(self, row: int) -> set[int]:
        """The category ids of a photo's objects."""
        return {each.category_id for each in self._objects(row)}

    def has_masks(self, row: int) -> bool:
        """Whether a photo has an object with a mask."""
        return any(not each.is_box_only for each in self._objects(row))

    def unknown(self, row: int) -> frozenset[str]:
        """Names of the classes of which a photo may show objects that are not annotated."""
        record = self.data.images[row]
        unknown: set[str] = set()
        if isinstance(record.labelled, list):
            unknown |= self._names - set(map(str, record.labelled)) - self.searched
        negative, partly = record.neg_category_ids, record.not_exhaustive_category_ids
        if negative is not None or partly is not None:
            by_people = [a for a in self.data.annotations[record.id] if a.detector_score is None]
            known = {each.category_id for each in by_people} | set(negative or ())
            known -= set(partly or ())
            ids = zip(self.data.category_ids[1:], self.data.class_names[1:], strict=True)
            others = {name for number, name in ids if number not in known}
            unknown |= others - set(self.data.dataset.searched or ())
        return frozenset(unknown)

    @cached_property
    def searched(self) -> frozenset[str]:
        """Names of the classes that a detector has looked for on all photos."""
        dataset = self.data.dataset
        if dataset.searched is not None:
            return frozenset(dataset.searched)
        found = any(each.detector_score is not None for each in dataset.annotations)
        return self._names if found else frozenset()

    def masks_of_classes(self) -> tuple[Counter[int], Counter[int]]:
        """For each category id the number of its objects, and of those with a mask."""
        objects, masks = Counter[int](), Counter[int]()
        for each in self.data.dataset.annotations:
            if self.use(each) == "object":
                objects[each.category_id] += 1
                masks[each.category_id] += not each.is_box_only
        return objects, masks

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.data.class_names[1:])

    def _objects(self, row: int) -> list[Annotation]:
        found = self.data.annotations[self.data.images[row].id]
        return [each for each in found if self.use(each) == "object"]

    def _boxes(
        self, annotations: Sequence[tuple[Annotation, Use]], width: int, height: int
    ) -> Boxes:
        if not annotations:
            return Boxes.empty()
        boxes = np.array([each.bbox for each, _ in annotations], dtype=np.float64)
        boxes[:, 2:] += boxes[:, :2]
        ids = [
            self.data.class_id(each.category_id) if use == "object" else 0
            for each, use in annotations
        ]
        return Boxes(
            boxes=boxes.clip(0, (width, height, width, height)).astype(np.float32),
            class_ids=np.array(ids, dtype=np.int64),
        )
