"""What becomes of the instances of each frame, one after the other: ids, rows, trails, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.colors import Rgb
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
        counts: The lines and zones where tracks are counted, with their counts up to this frame.
    """

    found: Instances
    track_ids: NDArray[np.int64]
    trails: list[Trail]
    colors: list[Rgb]
    counts: list[Mark]


class FrameResults:
    """Takes the frames of a video in order.

    Args:
        out: Folder of tracks.csv and counts.json, which are written anew.
        tracker: Gives ids; None gives none.
        counter: Counts the tracks.

    Attributes:
        frames: How many were taken.
        last_s: The time of the last one.
        counts: Instances by class name.
    """

    def __init__(self, out: Path, tracker: Tracker | None, counter: TrackCounter) -> None:
        self._tracker = tracker
        self._table = TracksCsv(out / "tracks.csv")
        self._trails = Trails()
        self._counter = counter
        self._counts_path = out / "counts.json"
        self.frames, self.last_s = 0, 0.0
        self.counts: Counter[str] = Counter()

    @property
    def tracks_them(self) -> bool:
        """Whether instances get ids."""
        return self._tracker is not None

    @property
    def tracks(self) -> Mapping[str, int]:
        """Number of tracks by class name."""
        return self._counter.result().tracks

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
        colors = colors_of(found, track_ids, color_by)
        trails = self._trails.current(dict(zip(track_ids.tolist(), colors, strict=True)))
        return Followed(found, track_ids, trails, colors, self._marks(found.size_hw))

    def _marks(self, size_hw: tuple[int, int]) -> list[Mark]:
        shapes = self._counter.shapes(size_hw)
        return list(zip(shapes, self._counter.result().texts(), strict=True)) if shapes else []

    def __enter__(self) -> FrameResults:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        if self.tracks_them:
            self._counter.result().write(self._counts_path)
