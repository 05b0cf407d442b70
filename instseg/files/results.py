"""Result files, written one image at a time in constant memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg import __version__
from instseg.core.boxes import xywh_of
from instseg.core.classes import palette
from instseg.core.errors import ArgumentError, InputError
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.files.image_writing import write_indexed_png
from instseg.files.journal import Journal, RawRecord
from instseg.system.atomic import naming_file, replacing

UNREADABLE = (ValueError, msgspec.MsgspecError)
FOUND_WITH = ("weights", "architecture", "score_threshold")  # as `info` has them for all images


def coco_annotations(
    instances: Instances, category_ids: Sequence[int], *, polygons: bool = False
) -> list[Json]:
    """Instances as COCO annotations, without id and image_id.

    Args:
        instances: Instances of one image.
        category_ids: Dataset ids by class id.
        polygons: Write the segmentation as polygons, which pycocotools rasterises to the same
            pixels, with the RLE beside it as `rle`. Masks with holes and empty ones stay RLE.

    Returns:
        For each: category_id, segmentation (RLE), area (of the mask), bbox (x, y, width, height,
        to a thousandth of a pixel), score (the shortest decimal that reads back as the same
        float32) and iscrowd 0.
    """
    rows = zip(
        instances.class_ids.tolist(),
        instances.masks.to_rle(),
        instances.masks.areas().tolist(),
        xywh_of(instances.boxes).round(3).tolist(),
        instances.scores,
        strict=True,
    )
    records: list[Json] = [
        {
            "category_id": category_ids[class_id],
            "segmentation": rle,
            "area": area,
            "bbox": box_xywh,
            "score": float(str(score)),
            "iscrowd": 0,
        }
        for class_id, rle, area, box_xywh, score in rows
    ]
    if polygons:
        for record, parts in zip(records, instances.masks.to_polygons(), strict=True):
            if parts is not None:
                record["segmentation"], record["rle"] = parts, record["segmentation"]
    return records


class PredictionWriter:
    """Writes instances as a COCO document that is complete at any time.

    Each image is appended to the journal `predictions.jsonl`: a line with the categories, then a
    line per image. `predictions.json` (info, categories, images, annotations) is made from the
    journal at the end, also after an error, and occasionally in between. It is absent or valid even
    if the process is killed, and `resume` continues after the last complete line.

    Annotations hold id, image_id and what `coco_annotations` gives.

    Args:
        folder: Folder of both files; made if it is missing.
        class_names: Names by class id, [0] is "BG".
        category_ids: Dataset ids by class id.
        resume: Continue the journal in `folder`, if there is one; else it is overwritten.
        polygons: See `coco_annotations`.
        made_by: What the instances were found with, for the field `info`: `weights` (their name),
            `architecture`, `score_threshold`.
        videos: Records of the videos whose frames the images are, for the field `videos`.

    Attributes:
        done: The `file_name` of every image in the journal.
        class_names: Names by class id.
        category_ids: Dataset ids by class id.

    Raises:
        InputError: The journal is damaged, or was made with other classes, weights or
            score threshold.
    """

    def __init__(
        self,
        folder: Path,
        class_names: Sequence[str],
        category_ids: Sequence[int],
        *,
        resume: bool = False,
        polygons: bool = False,
        made_by: Json | None = None,
        videos: Sequence[Json] = (),
    ) -> None:
        self.done: set[str] = set()
        self._polygons = polygons
        self._document = folder / "predictions.json"
        self._journal_path = folder / "predictions.jsonl"
        self.class_names, self.category_ids = tuple(class_names), tuple(category_ids)
        self._next_image_id = self._next_annotation_id = 1
        named = list(zip(category_ids, class_names, strict=True))
        self._header: Json = {
            "info": {
                "description": "instances found by instseg",
                "version": __version__,
                **(made_by or {}),
            },
            "categories": [{"id": number, "name": name} for number, name in named[1:]],
            **({"videos": list(videos)} if videos else {}),
        }
        folder.mkdir(parents=True, exist_ok=True)
        if not (resume and self._take_up()):
            self._document.unlink(missing_ok=True)
            with (
                naming_file(self._journal_path),
                self._journal_path.open("w", encoding="utf-8") as journal,
            ):
                _write_line(journal, self._header)
        self._journal = self._journal_path.open("a", encoding="utf-8")
        self._assembled_s, self._cost_s = time.monotonic(), 0.0

    def add(
        self,
        file_name: str,
        size_hw: tuple[int, int],
        instances: Instances,
        image_id: int | None = None,
        *,
        about: Json | None = None,
        track_ids: Sequence[int] | None = None,
    ) -> None:
        """Write the instances of one image.

        Args:
            file_name: Its name in the document; unique.
            size_hw: Height and width in pixels.
            instances: Its instances, of the writer's classes.
            image_id: Its id; unique. None numbers images from 1.
            about: Further fields of its record, such as `video_id`.
            track_ids: The field `track_id` of each instance.
        """
        if image_id is None:
            image_id = self._next_image_id
        height, width = size_hw
        image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
        image |= about or {}
        annotations = list(self._annotations(image_id, instances))
        for annotation, track_id in zip(annotations, track_ids or (), strict=False):
            annotation["track_id"] = track_id
        with naming_file(self._journal_path):
            _write_line(self._journal, {"image": image, "annotations": annotations})
        self._count(image, annotations)
        if time.monotonic() - self._assembled_s > max(10.0, 20 * self._cost_s):
            self._assemble()

    def journal(self) -> Journal:
        """All that was written, read again when it is asked for."""
        return Journal(self._journal_path)

    def records(self) -> Iterator[Json]:
        """What was written of each image: `image` and `annotations`, as in the document."""
        return islice(self._lines(), 1, None)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While records are used: errors that come of a damaged one name the journal.

        Raises:
            ArgumentError: A record is damaged.
        """
        try:
            yield
        except InputError:
            raise
        except (*UNREADABLE, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ArgumentError(
                f"{self._journal_path}: is damaged; remove it or run without {{resume}}"
            ) from error

    def close(self) -> None:
        """Write the document. Nothing can be added afterwards."""
        if not self._journal.closed:
            with naming_file(self._journal_path):
                self._journal.close()
            self._assemble()

    def __enter__(self) -> PredictionWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _annotations(self, image_id: int, instances: Instances) -> Iterator[Json]:
        records = coco_annotations(instances, self.category_ids, polygons=self._polygons)
        for number, record in enumerate(records, start=self._next_annotation_id):
            yield {"id": number, "image_id": image_id, **record}

    def _count(self, image: Json, annotations: Sequence[Json]) -> None:
        self.done.add(image["file_name"])
        self._next_image_id = max(self._next_image_id, image["id"] + 1)
        self._next_annotation_id += len(annotations)

    def _take_up(self) -> bool:
        """Read the journal of an earlier run; False if there is none."""
        if not self._journal_path.exists():
            return False
        with self._journal_path.open("rb+") as journal:
            whole_bytes = sum(len(line) for line in journal if line.endswith(b"\n"))
            journal.truncate(whole_bytes)
        if not whole_bytes:
            return False
        with self.reading():
            lines = self._lines()
            header = next(lines)
            categories, info = header["categories"], dict(header["info"])
            videos = header.get("videos")
            for record in lines:
                self._count(record["image"], record["annotations"])
        if videos != self._header.get("videos"):
            raise ArgumentError(
                f"{self._journal_path}: was made of another video, or with other options; "
                "choose another {out} or run without {resume}"
            )
        if categories != self._header["categories"]:
            raise ArgumentError(
                f"{self._journal_path}: was made with other classes; "
                "choose another {out} or run without {resume}"
            )
        for key in FOUND_WITH:
            before, present = info.get(key), self._header["info"].get(key)
            if None not in (before, present) and before != present:
                raise ArgumentError(
                    f"{self._journal_path}: was made with the {key.replace('_', ' ')} {before}, "
                    f"not {present}; choose another {{out}} or run without {{resume}}"
                )
        return True

    def _lines(self) -> Iterator[Json]:
        with self._journal_path.open(encoding="utf-8") as journal:
            yield from (json.loads(line) for line in journal if line.endswith("\n"))

    def _raw_records(self) -> Iterator[RawRecord]:
        decode = msgspec.json.Decoder(RawRecord).decode
        with self.reading(), self._journal_path.open("rb") as journal:
            yield from (decode(line) for line in islice(journal, 1, None) if line.endswith(b"\n"))

    def _assemble(self) -> None:
        begin_s = time.monotonic()
        images = (record.image for record in self._raw_records())
        annotations = (each for record in self._raw_records() for each in record.annotations)
        with replacing(self._document) as path, path.open("wb") as file:
            file.write(json.dumps(self._header)[:-1].encode())
            for key, items in ((b"images", images), (b"annotations", annotations)):
                file.write(b',\n"%s": [' % key)
                for number, item in enumerate(items):
                    file.write((b",\n" if number else b"\n") + bytes(item))
                file.write(b"]")
            file.write(b"}\n")
        self._assembled_s = time.monotonic()
        self._cost_s = self._assembled_s - begin_s


def write_semantic_map(path: Path, labels: NDArray[np.uint8], class_names: Sequence[str]) -> None:
    """Write class ids as a PNG whose palette holds the classes' colours.

    Args:
        path: The .png file; folders are made as needed.
        labels: uint8 (H, W), 0..K, or 255 for pixels to be ignored, which are white.
        class_names: Names by class id.
    """
    write_indexed_png(path, labels, palette(class_names))


def write_class_names(path: Path, class_names: Sequence[str]) -> None:
    """Write the names of the labels in semantic maps as JSON: `{"0": "BG", "1": "person", ...}`.

    Args:
        path: The .json file; folders are made as needed.
        class_names: Names by class id.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(dict(enumerate(class_names)), indent=1) + "\n")


def _write_line(file: TextIO, record: Json) -> None:
    file.write(json.dumps(record) + "\n")
    file.flush()
