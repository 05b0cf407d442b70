"""What the annotations of a photo tell a training: masks, boxes, and what nobody looked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.core.windows import Window
from instseg.core.wording import count
from instseg.data.boxes import Boxes
from instseg.data.coco import CocoData
from instseg.files.coco_records import Annotation, ImageRecord

PSEUDO = (0.15, 0.5)
FEW_MASKS = 10  # a class with fewer hardly learns a mask of its own

Use = Literal["object", "ignored", "dropped"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoLabels:
    """The labels of one photo.

    Attributes:
        instances: Objects with masks.
        crowds: Regions that are ignored, with masks.
        boxes: Objects and ignored regions without masks, clipped to the photo.
        unknown: Names of the classes of which the photo may show objects without annotations.
        is_open: Whether what is no object is not background either for the region proposals.
    """

    instances: Instances
    crowds: Masks
    boxes: Boxes
    unknown: frozenset[str]
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class TrainingLabels:
    """How a dataset's annotations are used in training.

    An annotation with a `score` is a detector's finding: an object from `pseudo[1]`, a region that
    is ignored from `pseudo[0]`, below that nothing.

    A photo with `labelled`, a list of class names, was searched by people for these classes only.
    With LVIS' `neg_category_ids` or `not_exhaustive_category_ids`, the classes known are those that
    people have annotated on it and the negative ones, except those that are not exhaustively
    annotated. Otherwise all classes are known. On all photos those classes are known too for which
    a detector has searched them: the classes of the file's `searched`; without it all classes, if
    an annotation with a score is of a class that `labelled` of its photo lacks.

    The region proposals learn all that is no object as background, also on photos of LVIS' form, as
    in Detectron2's federated loss, which concerns the classifier only. Photos with `labelled` and
    unknown classes are left out of that (`is_open`), unless the dataset has no other photos; those
    of which nothing is known are always left out.

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

    def of(self, row: int, *, window: Window | None = None) -> PhotoLabels:
        """The labels of a photo.

        Args:
            row: The photo.
            window: Rows and columns; leaves out annotations whose box does not reach into them.

        Raises:
            InputError: An annotation is broken.
        """
        record = self.data.images[row]
        objects: list[Annotation] = []
        ignored: list[Annotation] = []
        boxed: list[tuple[Annotation, Use]] = []
        for each in self.data.annotations[record.id]:
            use = self.use(each)
            if use == "dropped" or not (window is None or self._reaches(each, row, window)):
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
            is_open=self.is_open(row),
        )

    def places(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The boxes of a photo's objects and ignored regions, and which are objects.

        Returns:
            float64 (N, 4), xyxy, clipped to the photo; those that have no area are left out; and
            bool (N,).
        """
        found = self.data.annotations[self.data.images[row].id]
        used = [(each, use) for each in found if (use := self.use(each)) != "dropped"]
        boxes = np.array([self._place(each, row) for each, _ in used]).reshape(-1, 4)
        there = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return boxes[there], np.array([use == "object" for _, use in used], dtype=np.bool_)[there]

    def classes(self, row: int) -> set[int]:
        """The category ids of a photo's objects."""
        return {each.category_id for each in self._objects(row)}

    def has_masks(self, row: int) -> bool:
        """Whether a photo has an object with a mask, or with labelled points."""
        return any(map(self.has_mask, self._objects(row)))

    def has_mask(self, annotation: Annotation) -> bool:
        """Whether an annotation trains masks: it has one, or labelled points."""
        return annotation.has_points or not annotation.is_box_only

    def unknown(self, row: int) -> frozenset[str]:
        """Names of the classes of which a photo may show objects that are not annotated."""
        record = self.data.images[row]
        unknown = self._unlabelled(record)
        if record.is_federated:
            by_people = [a for a in self.data.annotations[record.id] if a.detector_score is None]
            known = {a.category_id for a in by_people} | set(record.neg_category_ids or ())
            known -= set(record.not_exhaustive_category_ids or ())
            ids = zip(self.data.category_ids[1:], self.data.class_names[1:], strict=True)
            unknown |= {name for number, name in ids if number not in known} - self.searched
        return unknown

    def is_open(self, row: int) -> bool:
        """Whether what is no object may be one on a photo, also for the region proposals."""
        unlabelled = self._unlabelled(self.data.images[row])
        return bool(unlabelled) and (unlabelled == self._names or not self.all_partly_labelled)

    @cached_property
    def all_partly_labelled(self) -> bool:
        """Whether every photo has classes that are unknown because `labelled` lacks them."""
        return all(map(self._unlabelled, self.data.images))

    @cached_property
    def searched(self) -> frozenset[str]:
        """Names of the classes that a detector has looked for on all photos."""
        named = self.data.dataset.searched_classes
        if named is not None:
            return named
        return self._names if self.found_beyond_labelled else frozenset()

    @cached_property
    def found_beyond_labelled(self) -> int:
        """Number of annotations with a score of classes that `labelled` of their photo lacks."""
        names = dict(zip(self.data.category_ids, self.data.class_names, strict=True))
        labelled = [(image.id, image.labelled_classes) for image in self.data.images]
        return sum(
            each.detector_score is not None and names[each.category_id] not in known
            for number, known in labelled
            if known is not None
            for each in self.data.annotations[number]
        )

    def masks_of_classes(self) -> tuple[Counter[int], Counter[int]]:
        """For each category id the number of its objects, and of those with a mask or points."""
        objects, masks = Counter[int](), Counter[int]()
        for each in self.data.dataset.annotations:
            if self.use(each) == "object":
                objects[each.category_id] += 1
                masks[each.category_id] += self.has_mask(each)
        return objects, masks

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.data.class_names[1:])

    def _unlabelled(self, record: ImageRecord) -> frozenset[str]:
        """Classes that nobody has looked for on a photo, by its `labelled`."""
        labelled = record.labelled_classes
        return frozenset() if labelled is None else self._names - labelled - self.searched

    def _objects(self, row: int) -> list[Annotation]:
        found = self.data.annotations[self.data.images[row].id]
        return [each for each in found if self.use(each) == "object"]

    def _place(self, annotation: Annotation, row: int) -> NDArray[np.float64]:
        """The box of an annotation, (4,) xyxy, clipped to the photo; if not given, of its mask."""
        record = self.data.images[row]
        if annotation.bbox is None:
            return self.data.instances_of([annotation], row).boxes[0].astype(np.float64)
        x, y, width, height = annotation.bbox
        corners = np.array([x, y, x + width, y + height])
        return corners.clip(0, (record.width, record.height) * 2)

    def _reaches(self, annotation: Annotation, row: int, window: Window) -> bool:
        left, top, right, bottom = self._place(annotation, row)
        y, x = window
        return bool(left < x.stop and right > x.start and top < y.stop and bottom > y.start)

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
        points = [self._points(each, use) for each, use in annotations]
        clipped = boxes.clip(0, (width, height, width, height)).astype(np.float32)
        return Boxes.of(clipped, np.array(ids, dtype=np.int64), points)

    def _points(self, annotation: Annotation, use: Use) -> NDArray[np.float32]:
        """The labelled points of an object, float32 (P, 3)."""
        try:
            found = annotation.points() if use == "object" else None
        except ValueError as error:
            raise InputError(
                f"{self.data.coco_json}: annotation {annotation.id}, of image "
                f"{annotation.image_id}: {error}; correct its points, or remove them"
            ) from error
        return np.array(found or (), dtype=np.float32).reshape(-1, 3)


def doubtful_truth(data: CocoData) -> list[str]:
    """What makes a dataset a doubtful ground truth: unknown classes, and findings of a detector."""
    labels, found = TrainingLabels(data=data), []
    partly = sum(bool(labels.unknown(row)) for row in range(len(data)))
    if partly:
        found.append(
            f"{count(partly, 'photo')} of {len(data)} labelled with some classes only; AP counts "
            "detections of their other classes as false"
        )
    scored = sum(each.detector_score is not None for each in data.dataset.annotations)
    if scored:
        found.append(
            f"{count(scored, 'annotation')} with a score, a detector's findings, count as ground "
            "truth"
        )
    return found
