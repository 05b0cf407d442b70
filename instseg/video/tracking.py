"""Track ids of the instances of a video, by the library `trackers`, with the IoU of masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError, require_between, require_positive
from instseg.core.instances import Instances

if TYPE_CHECKING:
    from instseg.video.one_class import Method, OneClass

UNCONFIRMED = -1


class Tracker:
    """Gives the instances of one video track ids, frame by frame.

    An id belongs to one class. A track is confirmed, and gets its id, when it was found in
    consecutive frames: in two with ByteTrack, in three with OC-SORT. Instances of the same class
    compete by the IoU of their boxes and, unless `masks` is False, of their masks, moved to where
    the track is expected. The same frames give the same ids, in any process.

    Args:
        frame_rate: Frames per second that are given to `update`; fewer than the video's if some
            are skipped.
        method: bytetrack (also follows tracks with detections below `least_score`) or ocsort.
        masks: Compare masks as well as boxes.
        least_score: Detections below never start a track.
        patience_s: For how many seconds without a detection a track waits.

    Raises:
        ArgumentError: A value is out of range.
        InputError: `trackers` is not installed.
    """

    def __init__(
        self,
        *,
        frame_rate: float = 30.0,
        method: Method = "bytetrack",
        masks: bool = True,
        least_score: float = 0.5,
        patience_s: float = 1.0,
    ) -> None:
        require_positive(frame_rate=frame_rate, patience_s=patience_s)
        require_between(0, 1, least_score=least_score)
        if method not in ("bytetrack", "ocsort"):
            raise ArgumentError("{method} must be bytetrack or ocsort", method=method)
        try:
            from instseg.video.one_class import OneClass
        except ModuleNotFoundError as error:
            needed = f"track ids need {error.name}: pip install 'instseg[video]'"
            raise InputError(needed) from None
        self._follow = partial(
            OneClass,
            method=method,
            frame_rate=frame_rate,
            patience_s=patience_s,
            least_score=least_score,
            masks=masks,
        )
        self._by_class: dict[int, OneClass] = {}
        self._ids: dict[tuple[int, int], int] = {}

    def update(self, found: Instances, *, time_s: float | None = None) -> NDArray[np.int64]:
        """Follow the tracks into the next frame.

        Args:
            found: The instances of the frame, all of one image size.
            time_s: When the frame is shown, for videos whose rate varies; give it for every frame
                or for none.

        Returns:
            The track id of each instance, int64 (N,): 1 and on, -1 for instances without a
            confirmed track.
        """
        track_ids = np.full(len(found), UNCONFIRMED, dtype=np.int64)
        for class_id in sorted({*self._by_class, *found.class_ids.tolist()}):
            if class_id not in self._by_class:
                self._by_class[class_id] = self._follow()
            rows = np.flatnonzero(found.class_ids == class_id)
            own = self._by_class[class_id].update(found[rows], time_s)
            for row, number in zip(rows.tolist(), own.tolist(), strict=True):
                if number != UNCONFIRMED:
                    track_ids[row] = self._ids.setdefault((class_id, number), len(self._ids) + 1)
        return track_ids
