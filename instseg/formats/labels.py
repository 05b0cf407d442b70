"""Labels between two formats: a COCO document in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instseg.formats.notes import Notes

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels as a COCO document.

    Attributes:
        document: `images` (id, file_name, width, height; `split`, such as "train", where the format
            has splits), `categories` (id, name; `isthing` for panoptic data) and `annotations`:
            id, image_id, category_id, bbox [x, y, width, height], `segmentation` (polygons of
            float coordinates, which are joined, or RLE for what has holes; [] for a box alone),
            iscrowd, area (bbox and area may be missing in what a format reads: the frame adds
            them); score, `attributes` {name: value} and track_id where there are any.
        photos: The folder that each file_name is relative to; None if it is unknown.
        notes: What was found in the files that is not in the document, one line each.
        source_ids: The ids of categories in the files, where they are not those of the document.
    """

    document: Record
    photos: Path | None = None
    notes: tuple[str, ...] = ()
    source_ids: Mapping[int, int] = field(default_factory=dict)

    @property
    def images(self) -> list[Record]:
        """The image records."""
        return self.document["images"]

    @property
    def categories(self) -> list[Record]:
        """The category records."""
        return self.document["categories"]

    @property
    def annotations(self) -> list[Record]:
        """The annotation records."""
        return self.document["annotations"]

    @property
    def splits(self) -> list[str]:
        """The splits that images are in, in order of first appearance; [] without splits."""
        return list(dict.fromkeys(i["split"] for i in self.images if i.get("split")))

    def by_image(self) -> Mapping[int, list[Record]]:
        """The annotations of each image id."""
        found: dict[int, list[Record]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            found[annotation["image_id"]].append(annotation)
        return found

    def class_names(self) -> dict[int, str]:
        """The name of each category id."""
        return {category["id"]: str(category["name"]) for category in self.categories}


@dataclass(kw_only=True)
class Builder:
    """Collects images, classes and objects, and gives ids where the file has none.

    Attributes:
        photos: See `Labels`.
        notes: What cannot be kept.
    """

    photos: Path | None = None
    notes: Notes = field(default_factory=Notes)
    _images: list[Record] = field(default_factory=list)
    _annotations: list[Record] = field(default_factory=list)
    _categories: dict[str, Record] = field(default_factory=dict)

    def image(
        self, file_name: str, size_wh: tuple[int, int], *, split: str = "", **more: Any
    ) -> Record:
        """Add a photo; `more` are further fields of its record."""
        record = {
            "id": len(self._images) + 1,
            "file_name": file_name,
            "width": int(size_wh[0]),
            "height": int(size_wh[1]),
            **({"split": split} if split else {}),
            **more,
        }
        self._images.append(record)
        return record

    def category(self, name: str, number: int | None = None, **more: Any) -> int:
        """The id of a class, which is added if it is new.

        Args:
            name: Of the class.
            number: Its id; None for the next one, from 1.
            more: Further fields of its record.
        """
        if name not in self._categories:
            used = [each["id"] for each in self._categories.values()]
            if number is None or number in used:
                number = max([0, *used]) + 1
            self._categories[name] = {"id": number, "name": name, **more}
        return int(self._categories[name]["id"])

    def annotation(
        self,
        image: Mapping[str, Any],
        category_id: int,
        *,
        segmentation: Any = None,
        bbox: list[float] | None = None,
        iscrowd: int = 0,
        **more: Any,
    ) -> Record:
        """Add an object; `more` are further fields, such as score, attributes, track_id."""
        record = {
            "id": len(self._annotations) + 1,
            "image_id": image["id"],
            "category_id": category_id,
            "segmentation": segmentation if segmentation else [],
            "iscrowd": iscrowd,
            **({"bbox": bbox} if bbox is not None else {}),
            **{key: value for key, value in more.items() if value is not None},
        }
        self._annotations.append(record)
        return record

    def note(self, text: str, where: object = "", times: int = 1) -> None:
        """Count what cannot be kept; see `Notes.add`."""
        self.notes.add(text, where, times)

    def labels(self) -> Labels:
        """What was collected."""
        document = {
            "images": self._images,
            "categories": sorted(self._categories.values(), key=lambda each: int(each["id"])),
            "annotations": self._annotations,
        }
        return Labels(document=document, photos=self.photos, notes=self.notes.lines())
