"""Tracks of one class by the library `trackers`, whose similarity of boxes can include masks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import BaseIoU, ByteTrackTracker, IoU, OCSORTTracker

from instseg.core.instances import Instances
from instseg.core.masks import Masks

Method: TypeAlias = Literal["bytetrack", "ocsort"]
Boxes: TypeAlias = NDArray[np.float64]

LIBRARY_RATE = 30  # frames per second in which the library counts its patience


class OneClass:
    """A tracker of the library, and the last masks of its tracks.

    Args:
        method: bytetrack or ocsort.
        frame_rate: Frames per second.
        patience_s: For how many seconds without a detection a track waits.
        least_score: Detections below never start a track.
        masks: Compare masks as well as boxes.
    """

    def __init__(
        self,
        *,
        method: Method,
        frame_rate: float,
        patience_s: float,
        least_score: float,
        masks: bool,
    ) -> None:
        self._similarity = _MaskIoU() if masks else None
        options: dict[str, Any] = {
            "frame_rate": frame_rate,
            "lost_track_buffer": max(1, round(patience_s * LIBRARY_RATE)),
            "high_conf_det_threshold": least_score,
            "iou": self._similarity,
        }
        self._tracker: ByteTrackTracker | OCSORTTracker
        if method == "ocsort":
            self._tracker = OCSORTTracker(**options)
        else:
            self._tracker = ByteTrackTracker(track_activation_threshold=least_score, **options)

    def update(self, found: Instances, time_s: float | None = None) -> NDArray[np.int64]:
        """The number of each instance's track, int64 (N,), from 0; -1 while there is none."""
        boxes = found.boxes.astype(np.float64)
        if self._similarity:
            self._similarity.begin(self._tracker.tracks, boxes, found.masks)
        tracked = self._tracker.update(
            sv.Detections(boxes, confidence=found.scores, data={"row": np.arange(len(found))}),
            timestamp=time_s,
        )
        numbers = np.full(len(found), -1, dtype=np.int64)
        if len(tracked):
            numbers[tracked.data["row"]] = tracked.tracker_id
        self._add_resumed(boxes, numbers)
        if self._similarity:
            self._similarity.end(self._tracker.tracks, numbers)
        return numbers

    def _add_resumed(self, boxes: Boxes, numbers: NDArray[np.int64]) -> None:
        """Fill in the numbers that OC-SORT holds back for some frames after a missed one."""
        for track in self._tracker.tracks:
            if hasattr(track, "last_observation") and track.tracker_id >= 0:
                same = (boxes == track.last_observation).all(axis=1) & (numbers < 0)
                if not track.time_since_update and same.any():
                    numbers[same.argmax()] = track.tracker_id


class _MaskIoU(BaseIoU):
    """The mean of the IoU of boxes and that of masks, each track's last mask moved with its box.

    The mean, as measured: masks tell apart objects whose boxes coincide, but those of thin objects
    hardly overlap where a box is expected a little off.

    The library gives boxes alone, those of tracks in the order of its list and those of detections
    in theirs, or a part of them; this finds the masks that belong to them.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[Masks, Boxes]] = {}  # mask and box by the number of the track

    def begin(self, tracks: list[Any], boxes: Boxes, masks: Masks) -> None:
        """Take the detections of a frame and the tracks that they are compared with."""
        self._tracks, self._boxes, self._masks = list(tracks), boxes, masks

    def end(self, tracks: list[Any], numbers: NDArray[np.int64]) -> None:
        """Keep the masks of the tracks that were found, and forget those that have ended."""
        for row, number in enumerate(numbers.tolist()):
            if number >= 0:
                self._last[number] = (self._masks[row], self._boxes[row])
        kept = {track.tracker_id for track in tracks}
        self._last = {number: last for number, last in self._last.items() if number in kept}

    def _compute(self, boxes_1: Boxes, boxes_2: Boxes) -> NDArray[np.float64]:
        by_boxes = IoU().compute(boxes_1, boxes_2).astype(np.float64)
        expected = np.array([track.get_state_bbox() for track in self._tracks])
        rows = _places(boxes_1, expected)
        known = [i for i, row in enumerate(rows) if self._tracks[row].tracker_id in self._last]
        if not known:
            return by_boxes
        moved = [self._moved(self._tracks[rows[i]].tracker_id, boxes_1[i]) for i in known]
        by_masks = Masks.concatenate(moved).iou(self._masks[_places(boxes_2, self._boxes)])
        by_boxes[known] = (by_boxes[known] + by_masks) / 2
        return by_boxes

    def _moved(self, number: int, box: Boxes) -> Masks:
        """The last mask of a track, moved to the middle of its expected box."""
        mask, last = self._last[number]
        x, y = np.rint((box[:2] + box[2:] - last[:2] - last[2:]) / 2).astype(int).tolist()
        return mask.placed((y, x), mask.size_hw)


def _places(some: Boxes, all_boxes: Boxes) -> list[int]:
    """Where the rows of `some` stand in `all_boxes`, of which they are a part in the same order."""
    places, place = [], 0
    for box in some:
        while not (all_boxes[place] == box).all():
            place += 1
        places.append(place)
        place += 1
    return places
