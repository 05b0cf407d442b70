"""Measurements of instances as a CSV table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.system.atomic import naming_file, replacing


class CsvWriter:
    """Writes a table of measurements, one row per instance.

    Columns: file_name; instance (0, 1, ... within the image); class; category_id (the dataset's);
    score; area_px; box_x1, box_y1, box_x2, box_y2; centroid_x, centroid_y. Places are in pixels
    from the photo's top left corner, so the centre of its first pixel is at 0.5, 0.5. Names are
    written as `plain_cell` has them.

    Args:
        path: The file; overwritten.
        category_ids: Dataset ids by class id.
        keep: Rows of these file names are kept from the existing file.
    """

    COLUMNS = (
        *("file_name", "instance", "class", "category_id", "score", "area_px"),
        *("box_x1", "box_y1", "box_x2", "box_y2", "centroid_x", "centroid_y"),
    )

    def __init__(
        self, path: Path, category_ids: Sequence[int], *, keep: Iterable[str] = ()
    ) -> None:
        self._category_ids = category_ids
        self._kept: set[str] = set()
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as new:
            rows = csv.writer(new)
            rows.writerow(self.COLUMNS)
            if path.exists():
                with path.open(encoding="utf-8", newline="") as old:
                    kept = {plain_cell(name) for name in keep}
                    for row in csv.reader(old):
                        if row and row[0] in kept:
                            self._kept.add(row[0])
                            rows.writerow(row)
        self._path = path
        self._file = path.open("a", encoding="utf-8", newline="")

    def has(self, file_name: str) -> bool:
        """Whether rows of this image were kept."""
        return plain_cell(file_name) in self._kept

    def add(self, file_name: str, instances: Instances) -> None:
        """Write the rows of one image."""
        places = np.hstack([instances.boxes, centroids_xy(instances)]).astype(np.float64)
        rows = zip(
            range(len(instances)),
            map(plain_cell, instances.names),
            [self._category_ids[i] for i in instances.class_ids],
            instances.scores.astype(np.float64).round(4).tolist(),
            instances.masks.areas().tolist(),
            places.round(2).tolist(),
            strict=True,
        )
        name = plain_cell(file_name)
        with naming_file(self._path):
            csv.writer(self._file).writerows([name, *row[:-1], *row[-1]] for row in rows)
            self._file.flush()

    def close(self) -> None:
        """Nothing can be added afterwards."""
        with naming_file(self._path):
            self._file.close()

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def plain_cell(text: str) -> str:
    """Text for a CSV cell: a quote is put before text that spreadsheets would run as a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def centroids_xy(instances: Instances) -> NDArray[np.float64]:
    """The centroid of each mask, or of the box if the mask is empty: (N, 2), in pixels."""
    boxes = instances.boxes.astype(np.float64)
    centroids: NDArray[np.float64] = (boxes[:, :2] + boxes[:, 2:]) / 2
    for i, crop in enumerate(instances.masks.crops):
        rows, columns = crop.nonzero()
        if len(rows):
            y, x = instances.masks.offsets_yx[i]
            centroids[i] = x + columns.mean() + 0.5, y + rows.mean() + 0.5
    return centroids
