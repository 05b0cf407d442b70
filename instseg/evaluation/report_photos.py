"""The photos of a report, with what is right and wrong on them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, Progress, Warned
from instseg.core.wording import count, some
from instseg.data.coco import CocoData
from instseg.evaluation.judged import Judged
from instseg.evaluation.photo_notes import detection_note, object_note
from instseg.evaluation.record_instances import Record, instances_of
from instseg.evaluation.suggestions import SUGGESTION, TAG, Suggested
from instseg.files.coco_json import leads_out
from instseg.files.image import MAX_PIXELS, read_image
from instseg.report.components import PREDICTION, TRUTH, Gallery, Layer, Mark, Photo

MOST_PHOTOS = 300  # in a report; of more, some of the worst, median and best
EACH = 100
OTHER = "other prediction"
BACKGROUND = "background"
WORDS: dict[Mark, str] = {  # of wrong detections, in the plural
    "false positive": "false positives",
    "wrong class": "wrong classes",
    "badly placed": "badly placed",
    "duplicate": "duplicates",
}
TAGS: dict[Mark, str] = {
    "miss": "with missed objects",
    "false positive": "with false positives",
    "wrong class": "with wrong classes",
    "badly placed": "with badly placed detections",
    "duplicate": "with duplicates",
}
_GREY = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Marked:
    """Results with what is right and wrong in them."""

    results: Sequence[Record]
    judged: Judged


@dataclass(frozen=True, kw_only=True, eq=False)
class Photos:
    """The photos of an evaluation.

    Attributes:
        data: The dataset, with its photos.
        truth: It as a document.
        found: The results.
        other: The results that they are compared with, if any.
        suggested: Likely label errors, if any are asked for.
        on_event: Called with warnings about photos that cannot be read.
    """

    data: CocoData
    truth: Mapping[str, Any]
    found: Marked
    other: Marked | None
    suggested: Suggested | None
    on_event: OnEvent

    def gallery(self) -> Gallery:
        """All photos, the worst first, or if there are many the worst, median and best."""
        return Gallery(
            photos=self.photos(),
            class_names=self.data.class_names,
            category_ids=self.data.category_ids,
            title="Truth and predictions",
            sort="F1",
            suggestions=self.suggested.suggestions(self.names) if self.suggested else (),
            dataset=self.suggested.dataset() if self.suggested else None,
        )

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of the photos in the report by image id; they are unique."""
        names = Counter(image.file_name for image in self.data.images)
        return {
            image.id: image.file_name + (f" ({image.id})" if names[image.file_name] > 1 else "")
            for image in self.data.images
        }

    @cached_property
    def missing(self) -> list[str]:
        """Names of photos that are not there."""
        names = [image.file_name for image in self.data.images]
        return [n for n in names if leads_out(n) or not (self.data.folder / n).is_file()]

    @cached_property
    def chosen(self) -> dict[int, list[str]]:
        """Rows of the photos in the report, the worst first, with tags that say why they are."""
        judged, total = self.found.judged, len(self.data)
        rows = np.arange(total)
        mistakes = judged.false + judged.misses
        ranked = np.lexsort((rows, -mistakes, judged.f1)).tolist()
        suspect = self.suggested.image_ids if self.suggested else set()
        suspects = [row for row in ranked if self.data.images[row].id in suspect]
        if total <= MOST_PHOTOS:
            return {row: [TAG] if self.data.images[row].id in suspect else [] for row in ranked}
        middle = (total - EACH) // 2
        groups = {
            "worst": ranked[:EACH],
            "median": ranked[middle : middle + EACH],
            "best": ranked[-EACH:],
        }
        if self.other:
            gains = np.argsort(judged.f1 - self.other.judged.f1, kind="stable").tolist()
            groups |= {"most lost": gains[: EACH // 2], "most gained": gains[-EACH // 2 :]}
        groups[TAG] = suspects
        tags = defaultdict(list)
        for tag, members in groups.items():
            for row in members:
                tags[row].append(tag)
        return {row: tags[row] for row in ranked if row in tags}

    def photos(self) -> Iterator[Photo]:
        """The chosen photos, one after the other."""
        if self.missing:
            text = (
                f"{self.data.folder}: {len(self.missing)} of {count(len(self.data), 'photo')} are "
                f"not there; the report has their instances without them: {some(self.missing)}"
            )
            self.on_event(Warned(text=text))
        for done, (row, tags) in enumerate(self.chosen.items()):
            progress = Progress(task="writing the report", done=done, total=len(self.chosen))
            self.on_event(progress)
            record = self.data.images[row]
            name = self.names[record.id]
            if record.height * record.width > MAX_PIXELS:
                self.on_event(Warned(text=f"{name}: is too large for the report"))
                continue
            yield self._photo(row, name, tags)
        total = len(self.chosen)
        self.on_event(Progress(task="writing the report", done=total, total=total))

    def _photo(self, row: int, name: str, tags: Sequence[str]) -> Photo:
        """A photo with its layers."""
        image, problem = self._image(row)
        record = self.data.images[row]
        size_hw = _at_least_one((record.height, record.width))
        if not isinstance(image, Path):
            size_hw = (image.shape[0], image.shape[1])
        layers = [self._truth_layer(row, size_hw), self._layer(self.found, row, size_hw)]
        values = self._values(row, layers)
        if self.other:
            layers.append(self._layer(self.other, row, size_hw, OTHER))
        if self.suggested:
            layers += self._suggested_layer(self.suggested, row, size_hw)
        return Photo(
            name=name,
            image=image,
            layers=layers,
            values=values,
            tags=[*tags, *self._mistakes(layers), *self._cells[row]],
            lines=[*self._lines(row, layers), *([problem] if problem else [])],
            image_id=record.id,
        )

    def _image(self, row: int) -> tuple[NDArray[np.uint8] | Path, str]:
        """The photo, or its file if it cannot be read; a grey one if it does not fit.

        Also says why it does not fit, in a line.
        """
        record = self.data.images[row]
        path, size_hw = self.data.folder / record.file_name, (record.height, record.width)
        try:
            if min(size_hw) > 0:
                return self.data.photo(row), ""
            if leads_out(record.file_name):
                raise InputError(f"{record.file_name}: leads out of {self.data.folder}")
            return read_image(path), ""  # boxes of photos without sizes
        except InputError as error:
            if record.file_name not in self.missing:
                self.on_event(Warned(text=f"{error}; the report has its instances without it"))
            if not leads_out(record.file_name) and not _can_be_read(path):
                return path, ""  # the gallery says why
            return np.full((*_at_least_one(size_hw), 3), _GREY, dtype=np.uint8), str(error)

    def _values(self, row: int, layers: Sequence[Layer]) -> dict[str, float]:
        judged = self.found.judged
        values = {
            "F1": round(float(judged.f1[row]), 3),
            "mistakes": float(judged.false[row] + judged.misses[row]),
            "objects": float(judged.hits[row] + judged.misses[row]),
            "predictions": float(len(layers[1].instances)),
        }
        if self.other:
            difference = float(judged.f1[row] - self.other.judged.f1[row])
            values["difference"] = round(difference, 3)
        return values

    def _lines(self, row: int, layers: Sequence[Layer]) -> Iterator[str]:
        judged = self.found.judged
        marks = Counter(layers[1].marks)
        objects = int(judged.hits[row] + judged.misses[row])
        found = f"{judged.hits[row]} of {count(objects, 'object')} found"
        yield ", ".join([found, *(in_words(marks[mark], mark) for mark in WORDS if marks[mark])])
        if self.other:
            yield f"F1 {judged.f1[row]:.3f}, of the others {self.other.judged.f1[row]:.3f}"

    def _mistakes(self, layers: Sequence[Layer]) -> Iterator[str]:
        """Tags of the kinds of mistakes on a photo."""
        marks = {mark for layer in layers[:2] for mark in layer.marks} - {"", "hit"}
        yield from (tag for mark, tag in TAGS.items() if mark in marks)
        if not marks:
            yield "without mistakes"

    @cached_property
    def _cells(self) -> dict[int, list[str]]:
        """Tags of the cells of the confusion matrix in which a photo is counted, by row."""
        judged, labels = self.found.judged, [BACKGROUND, *self.data.class_names[1:]]
        cells = judged.confusions
        photos = np.append(judged.detection_photos, 0)[cells.detections]
        by_object = np.append(judged.object_photos, 0)[cells.objects]
        photos = np.where(cells.detections >= 0, photos, by_object)
        tags = defaultdict(list)
        places = np.stack([photos, cells.rows, cells.columns], axis=1)
        for row, true, predicted in np.unique(places, axis=0).tolist():
            tags[row].append(f"cell:{labels[true]}:{labels[predicted]}")
        return tags

    @cached_property
    def _crowds(self) -> dict[int, list[int]]:
        """Indices of the crowd annotations by image id."""
        crowds = defaultdict(list)
        for i, annotation in enumerate(self.truth["annotations"]):
            if annotation["iscrowd"]:
                crowds[annotation["image_id"]].append(i)
        return crowds

    @cached_property
    def _annotation_ids(self) -> list[int]:
        """Ids in the file; the document numbers its annotations anew."""
        images = self.data.images
        return [each.id for image in images for each in self.data.annotations[image.id]]

    def _truth_layer(self, row: int, size_hw: tuple[int, int]) -> Layer:
        judged, annotations = self.found.judged, self.truth["annotations"]
        objects = range(*np.searchsorted(judged.object_photos, (row, row + 1)).tolist())
        crowds = self._crowds[self.data.images[row].id]
        members = [*judged.overlaps.annotations[objects.start : objects.stop].tolist(), *crowds]
        marks: list[Mark] = [judged.object_mark(i) for i in objects]
        notes = [object_note(judged, i, self.data.class_names) for i in objects]
        return Layer(
            name=TRUTH,
            instances=instances_of([annotations[i] for i in members], self.data, size_hw),
            marks=marks + [""] * len(crowds),
            notes=[*notes, *("crowd" for _ in crowds)],
            keys=[self._annotation_ids[i] for i in members],
        )

    def _layer(
        self, marked: Marked, row: int, size_hw: tuple[int, int], name: str = PREDICTION
    ) -> Layer:
        judged, results = marked.judged, marked.results
        found = range(*np.searchsorted(judged.detection_photos, (row, row + 1)).tolist())
        members = judged.overlaps.results[found.start : found.stop].tolist()
        return Layer(
            name=name,
            instances=instances_of([results[i] for i in members], self.data, size_hw),
            marks=[judged.detection_mark(i) for i in found],
            notes=[detection_note(judged, i, self.data.class_names) for i in found],
        )

    def _suggested_layer(
        self, suggested: Suggested, row: int, size_hw: tuple[int, int]
    ) -> list[Layer]:
        shown = suggested.shown.get(self.data.images[row].id, ())
        if not shown:
            return []
        instances = instances_of([record for _, record in shown], self.data, size_hw)
        return [Layer(name=SUGGESTION, instances=instances, keys=[key for key, _ in shown])]


def in_words(number: int, mark: Mark) -> str:
    """`1 false positive`, `2 duplicates`."""
    return f"{number:,} {mark if number == 1 else WORDS[mark]}"


def _can_be_read(path: Path) -> bool:
    try:
        read_image(path)
    except InputError:
        return False
    return True


def _at_least_one(size_hw: tuple[int, int]) -> tuple[int, int]:
    return (max(size_hw[0], 1), max(size_hw[1], 1))
