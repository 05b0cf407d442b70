"""`select`: the photos that are worth labelling next."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Event, Notice, OnEvent, PhotoFailed, download_progress
from instseg.core.html_table import html_table
from instseg.core.options import takes
from instseg.core.wording import count, printable
from instseg.data.any_format import FOR_TRAINING, read_dataset
from instseg.data.coco import CocoData
from instseg.files.listing import list_images
from instseg.models.detections import Glance
from instseg.predict.attempts import attempted
from instseg.predict.photos import name_photos
from instseg.predict.predictor import Predictor
from instseg.selecting.choice import Chosen, Look, choose, reason
from instseg.selecting.options import SelectOptions
from instseg.system.atomic import replacing

LEAST_SCORE = 0.05  # of detections that count
LIST, TABLE, PHOTOS = "selected.txt", "selected.csv", "photos"


@dataclass(frozen=True, kw_only=True)
class SelectedPhoto:
    """A photo to label.

    Attributes:
        path: The file.
        score: Its worth when it was chosen: `uncertainty` times `distance`.
        uncertainty: Sum over its detections, where classes with few objects count more.
        distance: From the most similar photo that is labelled or was chosen before; two random
            photos have a distance of about 1.
        reason: What the model is uncertain of, in words.
    """

    path: Path
    score: float
    uncertainty: float
    distance: float
    reason: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Selection:
    """Photos to label.

    Attributes:
        photos: The most valuable first.
        looked_at: Number of photos that could have been chosen.
        labelled: Number of photos that are labelled already.
        failed: Photos that could not be read.
        list_file: A text file of the paths, for `@list.txt`.
        table: A CSV file of score and reason.
        copies: The folder of copies, if requested.
    """

    photos: tuple[SelectedPhoto, ...]
    looked_at: int
    labelled: int
    failed: tuple[str, ...]
    list_file: Path
    table: Path
    copies: Path | None

    def __repr__(self) -> str:
        return f"Selection({len(self.photos)} of {count(self.looked_at, 'photo')}: {self.table})"

    def _repr_html_(self) -> str:
        rows = [(each.path.name, f"{each.score:.3f}", each.reason) for each in self.photos]
        return html_table(("photo", "score", "reason"), rows, caption=repr(self))


@takes(SelectOptions)
def select(options: SelectOptions) -> Selection:
    """Choose the photos that are worth labelling next, and write their list.

    Raises:
        InputError: There is no photo to choose from, or the labelled data or the weights cannot be
            read.
    """
    failed = dict[str, str]()

    def tell(event: Event) -> None:
        if isinstance(event, PhotoFailed):
            failed[event.name] = event.text
        options.on_event(event)

    given = options.photos
    inputs = given if isinstance(given, list) else [given]
    listed = list_images(inputs, recursive=options.recursive, on_event=tell)
    predictor = Predictor(
        options.weights,
        device=options.device,
        precision=options.precision,
        score_threshold=LEAST_SCORE,
        progress=download_progress(tell),
        on_event=tell,
    )
    labelled = _labelled(options)
    known = [] if labelled is None else [labelled.folder / i.file_name for i in labelled.images]
    paths = _unlabelled(listed, known, tell)
    looks = _looks(predictor, paths, "looking at photos", tell)
    if not looks:
        raise InputError(f"{paths[0]}: as all photos, cannot be read; check the files")
    chosen = choose(
        list(looks.values()),
        options.count,
        classes=len(predictor.class_names) - 1,
        known=list(_looks(predictor, known, "looking at labelled photos", tell).values()),
        objects=None if labelled is None else _objects(labelled, predictor.class_names),
        seed=options.seed,
    )
    if len(chosen) < options.count:
        tell(Notice(text=f"there are only {count(len(chosen), 'photo')}, and all are chosen"))
    photos = tuple(_in_words(each, looks, predictor.class_names) for each in chosen)
    out = Path(options.out)
    _write(photos, out)
    return Selection(
        photos=photos,
        looked_at=len(looks),
        labelled=len(known),
        failed=tuple(failed),
        list_file=out / LIST,
        table=out / TABLE,
        copies=_copied(photos, out / PHOTOS) if options.copy_photos else None,
    )


def _labelled(options: SelectOptions) -> CocoData | None:
    if options.data is not None:
        found = read_dataset(options.data, options.images, on_event=options.on_event)
        split = found.first_of(FOR_TRAINING, options.on_event, "labelled photos are")
        return found.coco(split, None)
    if options.coco_json is None or isinstance(options.coco_json, CocoData):
        return options.coco_json
    assert options.images is not None, "the options were checked"
    return CocoData.read(options.coco_json, options.images, boxes_only=True)


def _unlabelled(listed: Sequence[Path], known: Sequence[Path], on_event: OnEvent) -> list[Path]:
    labelled = {path.resolve() for path in known}
    paths = [path for path in listed if path.resolve() not in labelled]
    if len(paths) < len(listed):
        number = f"{len(listed) - len(paths)} of {count(len(listed), 'photo')}"
        on_event(Notice(text=f"{number} are labelled already, and not chosen"))
    if not paths:
        raise ArgumentError("all photos are labelled already; give others to choose from")
    return paths


def _looks(
    predictor: Predictor, paths: Sequence[Path], task: str, on_event: OnEvent
) -> dict[Path, Look]:
    """What the model finds in each photo that can be read."""
    found = attempted(predictor, paths, predictor.glance, task=task, on_event=on_event)
    return {path: _look(glance) for path, glance in found if glance is not None}


def _look(glance: Glance) -> Look:
    return Look(
        class_ids=glance.class_ids.numpy(),
        scores=glance.scores.numpy(),
        features=glance.features.numpy(),
    )


def _objects(data: CocoData, class_names: Sequence[str]) -> NDArray[np.float64]:
    """The number of labelled objects by class id of the model; others are left out."""
    names = dict(zip(data.category_ids, data.class_names, strict=True))
    ids = {name: number for number, name in enumerate(class_names)}
    objects = [a for a in data.dataset.annotations if not a.iscrowd]
    found = [ids[n] for a in objects if (n := names[a.category_id]) in ids]
    return np.bincount(found, minlength=len(class_names)).astype(np.float64)


def _in_words(chosen: Chosen, looks: dict[Path, Look], class_names: Sequence[str]) -> SelectedPhoto:
    path, look = list(looks.items())[chosen.row]
    return SelectedPhoto(
        path=Path(os.path.abspath(path)),  # noqa: PTH100 (keeps links)
        score=round(chosen.score, 6),
        uncertainty=round(chosen.uncertainty, 6),
        distance=round(chosen.distance, 6),
        reason=reason(look, class_names),
    )


def _write(photos: Sequence[SelectedPhoto], out: Path) -> None:
    with replacing(out / LIST) as temporary:
        temporary.write_text("".join(f"{each.path}\n" for each in photos), encoding="utf-8")
    with (
        replacing(out / TABLE) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["photo", "score", "uncertainty", "distance", "reason"])
        for each in photos:
            rows.writerow(
                [each.path, each.score, each.uncertainty, each.distance, printable(each.reason)]
            )


def _copied(photos: Sequence[SelectedPhoto], folder: Path) -> Path:
    """Copies in a folder, with subfolders as the photos have them."""
    for each in name_photos([photo.path for photo in photos]):
        target = folder / each.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each.path, target)
    return folder
