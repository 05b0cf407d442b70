"""The records of COCO datasets as they are read; see `coco_json`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from instseg.files.coco_masks import number_of, outline_of

Id = Annotated[int, Meta(gt=-(2**53), lt=2**53)]  # which every program can hold, also as a float
Side = Annotated[int, Meta(gt=0, lt=2**31)]
Coordinate = Annotated[float, Meta(gt=-1e9, lt=1e9)]

NULL = msgspec.Raw(b"null")
_BLANKS = b' \t\r\n[]{},"'  # a segmentation of these alone is empty


class ImageName(msgspec.Struct, gc=False, kw_only=True):
    """The id and name of a photo; `file_name` may contain folders."""

    id: Id
    file_name: str = ""


class ImageRecord(ImageName, gc=False, kw_only=True, omit_defaults=True):
    """A photo of a dataset.

    Attributes:
        height: In pixels.
        width: In pixels.
        labelled: Names of the classes that people looked for; None for all.
        neg_category_ids: LVIS: categories that the photo does not show.
        not_exhaustive_category_ids: LVIS: categories of which objects may lack annotations.
    """

    height: Side
    width: Side
    labelled: Any = None  # other tools have flags of this name
    neg_category_ids: list[int] | None = None
    not_exhaustive_category_ids: list[int] | None = None

    @property
    def labelled_classes(self) -> frozenset[str] | None:
        """The names in `labelled`; None if it is no list of names."""
        return names_of(self.labelled)

    @property
    def is_federated(self) -> bool:
        """Whether it has LVIS' fields, which tell the classes that are known."""
        return self.neg_category_ids is not None or self.not_exhaustive_category_ids is not None


class Category(msgspec.Struct, gc=False, kw_only=True):
    """A class of a dataset."""

    id: Id
    name: str


class Annotation(msgspec.Struct, gc=False, kw_only=True):
    """An object of an image.

    Its segmentation stays undecoded until it is used: this reads a large dataset many times faster,
    in a third of the memory. Only a detector's findings have a score. Labelled points are those of
    Detectron2's PointSup: `point_coords` [[x, y], ...] and `point_labels` [1, 0, ...].
    """

    id: int = 0
    image_id: Id
    category_id: Id
    segmentation: msgspec.Raw = NULL
    bbox: Annotated[list[Coordinate], Meta(min_length=4, max_length=4)] | None = None
    area: Annotated[float, Meta(ge=0, lt=1e10)] | None = None
    iscrowd: Annotated[int, Meta(ge=0, le=1)] | bool | None = 0
    score: Any = msgspec.UNSET  # other tools write all kinds; not written where it is not given
    point_coords: Any = msgspec.UNSET
    point_labels: Any = msgspec.UNSET

    @property
    def detector_score(self) -> float | None:
        """The score of a detector's finding, 0..1; None for what people annotated."""
        return score_of(self.score)

    @property
    def has_strange_score(self) -> bool:
        """Whether it has a score that is no number in 0..1, which is as if it had none."""
        return self.score not in (None, msgspec.UNSET) and self.detector_score is None

    @property
    def has_outline(self) -> bool:
        """Whether it has a segmentation that is not empty, sound or not."""
        return bytes(self.segmentation).translate(None, _BLANKS) not in (b"", b"null")

    @property
    def is_box_only(self) -> bool:
        """Whether it has a box and no mask."""
        return self.bbox is not None and not self.has_outline

    @property
    def has_points(self) -> bool:
        """Whether it has labelled points, sound or not."""
        return self.point_coords not in (None, msgspec.UNSET, [])

    def points(self) -> list[tuple[float, float, int]]:
        """Its labelled points; see `points_of`."""
        return points_of(self.point_coords, self.point_labels) if self.has_points else []

    def outline(self) -> Any:
        """Polygons (a list of flat [x0, y0, ...]), or RLE (a dict), or None.

        Raises:
            ValueError: It is no JSON, which shows only now.
        """
        try:
            value = msgspec.json.decode(self.segmentation)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ValueError(f"its segmentation is not JSON ({error})") from error
        return outline_of(value, self.bbox)


class Dataset(msgspec.Struct, gc=False, kw_only=True):
    """A COCO dataset.

    Attributes:
        images: Its photos.
        annotations: Its objects, crowds and a detector's findings.
        categories: Its classes.
        searched: Names of the classes that a detector has looked for on all photos.
    """

    images: list[ImageRecord]
    annotations: list[Annotation]
    categories: list[Category]
    searched: Any = None

    @property
    def searched_classes(self) -> frozenset[str] | None:
        """The names in `searched`; None if it is no list of names."""
        return names_of(self.searched)


def names_of(value: Any) -> frozenset[str] | None:
    """The class names of a list, which may be numbers; None for anything else."""
    if type(value) is list and {*map(type, value)} <= {str, int, float}:
        return frozenset(map(str, value))
    return None


def score_of(value: Any) -> float | None:
    """A score, 0..1, also from text; None for anything else."""
    number = number_of(value)
    return float(number) if number is not None and 0 <= number <= 1 else None


def points_of(coords: Any, labels: Any) -> list[tuple[float, float, int]]:
    """Labelled points: x and y in pixels of the image, and 1 on the object or 0 beside it.

    Args:
        coords: `[[x, y], ...]`, any JSON value.
        labels: `[1, 0, ...]`, any JSON value.

    Raises:
        ValueError: They are not of this form, or not equal in number.
    """
    if not isinstance(coords, list) or not isinstance(labels, list):
        raise ValueError("point_coords or point_labels is not a list")
    if len(coords) != len(labels):
        raise ValueError(f"has {len(coords)} point_coords and {len(labels)} point_labels")
    found = []
    for place, label in zip(coords, labels, strict=True):
        pair = [number_of(each) for each in place] if isinstance(place, list) else []
        if len(pair) != 2 or not all(each is not None and abs(each) < 1e9 for each in pair):
            raise ValueError(f"point_coords has {ascii(place)[:40]}, not [x, y]")
        if number_of(label) not in (0, 1):
            raise ValueError(f"point_labels has {ascii(label)[:40]}, not 1 or 0")
        found.append((float(pair[0]), float(pair[1]), int(label)))  # type: ignore[arg-type]
    return found
