"""The instances of a video as a CSV table, with their tracks."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import xywh_of
from instseg.core.instances import Instances
from instseg.files.instances_csv import plain_cell
from instseg.system.atomic import naming_file
from instseg.video.replay import TIME_DIGITS


class TracksCsv:
    """Writes a table with one row for each instance of each frame.

    Columns: frame (from 0); time_s; track_id (-1 while it is not confirmed); class; score; box_x,
    box_y, box_w, box_h; area_px; centroid_x, centroid_y. Places are in pixels from the top left
    corner of the frame.

    Args:
        path: The file; overwritten.
    """

    COLUMNS = (
        *("frame", "time_s", "track_id", "class", "score"),
        *("box_x", "box_y", "box_w", "box_h", "area_px", "centroid_x", "centroid_y"),
    )

    def __init__(self, path: Path) -> None:
        self._path = path
        with naming_file(path):
            self._file = path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(self.COLUMNS)

    def add(
        self,
        index: int,
        time_s: float,
        found: Instances,
        track_ids: NDArray[np.int64],
        centroids: NDArray[np.float64],
    ) -> None:
        """Write the rows of one frame.

        Args:
            index: Number of the frame.
            time_s: Its time.
            found: Its N instances.
            track_ids: (N,).
            centroids: (N, 2), x y.
        """
        rows = zip(
            track_ids.tolist(),
            map(plain_cell, found.names),
            found.scores.astype(np.float64).round(4).tolist(),
            xywh_of(found.boxes).round(2).tolist(),
            found.masks.areas().tolist(),
            centroids.round(2).tolist(),
            strict=True,
        )
        with naming_file(self._path):
            csv.writer(self._file).writerows(
                [index, round(time_s, TIME_DIGITS), track_id, name, score, *box, area, *centroid]
                for track_id, name, score, box, area, centroid in rows
            )
            self._file.flush()

    def close(self) -> None:
        """Nothing can be added afterwards."""
        with naming_file(self._path):
            self._file.close()

    def __enter__(self) -> TracksCsv:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
