"""What becomes of the instances of each frame, one after the other: ids, rows, trails, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.files.instances_csv import centroids_xy
from instseg.video.counts import Counter as TrackCounter
from instseg.video.overlay import Mark, Trail, Trails, colors_of
from instseg.video.replay import TIME_DIGITS, as_stored
from instseg.video.tracking import Tracker
from instseg.video.tracks_csv import TracksCsv
from instseg.visualize.instance_colors import ColorBy


@dataclass(frozen=True, eq=False)
class Followed:
    """The instances of a frame and their tracks.

    Attributes:
        found: N instances.
        track_ids: int64 (N,), -1 for those without a confirmed track.
        trails: Where the tracks came from.
        colors: Of each instance.
        marks: The lines and zones that are counted, points (P, 2) and the text of each.
    """

    found: Instances
    track_ids: NDArray[np.int64]
    trails: list[Trail]
    colors: list[tuple[int, int, int]]
    marks: list[Mark]


class FrameResults:
    """Takes the frames of a video in order.

    Args:
        out: Folder of tracks.csv, which is written anew.
        rate: Mean frames per second; None follows none of them, so that no instance has an id.
        count_line: Lines whose crossings are counted; see `counts.Counter`.
        zone: Zones in which tracks are counted. With a line or a zone, counts.json is written.

    Attributes:
        frames: How many were taken.
        last_s: The time of the last one.
        counts: Instances by class name.
    """

    def __init__(
        self,
        out: Path,
        rate: float | None,
        *,
        count_line: Sequence[str] = (),
        zone: Sequence[str] = (),
    ) -> None:
        self._counter = TrackCounter(count_line, zone)
        self._counts_json = out / "counts.json" if count_line or zone else None
        self._tracker = None
        if rate is not None:
            self._tracker = Tracker(frame_rate=rate)
        self._table = TracksCsv(out / "tracks.csv")
        self._trails = Trails()
        self.frames, self.last_s = 0, 0.0
        self.counts: Counter[str] = Counter()

    @property
    def tracks_them(self) -> bool:
        """Whether instances get ids."""
        return self._tracker is not None

    @property
    def tracks(self) -> dict[str, int]:
        """Number of tracks by class name."""
        return dict(self._counter.result().tracks)

    def take(self, index: int, time_s: float, found: Instances, color_by: ColorBy) -> Followed:
        """The next frame.

        Args:
            index: Its number.
            time_s: Its time.
            found: Its instances.
            color_by: What colours stand for.
        """
        stored = as_stored(found)
        track_ids = np.full(len(found), -1, np.int64)
        if self._tracker is not None:
            track_ids = self._tracker.update(stored, time_s=round(time_s, TIME_DIGITS))
        centroids = centroids_xy(stored)
        self._table.add(index, time_s, stored, track_ids, centroids)
        self._trails.add(track_ids, centroids)
        self.frames, self.last_s = self.frames + 1, time_s
        self.counts.update(found.names)
        self._counter.update(stored, track_ids)
        shapes, texts = self._counter.shapes(found.size_hw), self._counter.result().texts()
        marks = list(zip(shapes, texts, strict=True))
        colors = colors_of(found, track_ids, color_by)
        trails = self._trails.current(dict(zip(track_ids.tolist(), colors, strict=True)))
        return Followed(found, track_ids, trails, colors, marks)

    def __enter__(self) -> FrameResults:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        if self._counts_json:
            self._counter.result().write(self._counts_json)
