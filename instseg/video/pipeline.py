"""Reading, the network, tracks, drawing and writing of the frames of a video, in order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, Progress
from instseg.core.instances import Instances
from instseg.files.results import PredictionWriter
from instseg.files.video import Frame, Video
from instseg.predict.memory import WRITERS
from instseg.predict.pipeline import Seen, WorkTime, described, look_within
from instseg.predict.predictor import Predictor
from instseg.system.ahead import Wait, map_ahead, pool_of
from instseg.system.budget import Need
from instseg.video.frame_results import Followed, FrameResults
from instseg.video.output import OverlayOutput
from instseg.video.overlay import draw_tracks
from instseg.video.replay import TIME_DIGITS, StoredFrame, frames_of_records
from instseg.visualize.draw import draw_instances
from instseg.visualize.instance_colors import ColorBy


@dataclass(frozen=True, eq=False)
class Step:
    """A frame on its way.

    Attributes:
        frame: The frame.
        followed: Its instances.
        is_new: Whether an earlier run has not finished it.
    """

    frame: Frame
    followed: Followed
    is_new: bool


@dataclass
class Pipeline:
    """One run over a video."""

    predictor: Predictor
    video: Video
    results: FrameResults
    predictions: PredictionWriter
    output: OverlayOutput | None
    color_by: ColorBy
    on_event: OnEvent
    worked: WorkTime = field(default_factory=WorkTime)
    written: int = 0

    def run(self, frames: Iterator[Frame]) -> int:
        """Write all frames; those of an earlier run are followed and drawn again where needed.

        Args:
            frames: From the first one on.

        Returns:
            How many frames an earlier run has finished.
        """
        done = len(self.predictions.done)
        records = map(
            frames_of_records(self.predictor.class_names, self.predictor.category_ids),
            islice(self.predictions.records(), done),
        )
        kept = min(self.output.kept, done) if self.output else done
        with self.predictions.reading():
            last = self._replay(islice(records, kept))
        if last is not None:
            frames = self.video.frames(after=(last.index, last.time_s))
        self.written = kept
        self._tell()
        workers = self.predictor.workers()
        budget, looks = look_within(
            self.predictor.plan,
            frames,
            self._need,
            self._image,
            self.worked.of(self.predictor.predict_batch, workers.count),
            batch_size=self.predictor.batch_size,
            workers=workers,
        )
        with pool_of(WRITERS) as pool, closing(self._steps(frames, records, looks)) as steps:
            for step, picture in map_ahead(pool, self._draw, steps):
                if step.is_new:
                    budget.release()
                    self._write(step.frame, step.followed)
                if self.output and picture is not None:
                    self.output.add(picture, step.frame.time_s)
                self.written += 1
                self._tell()
        self._tell(ended=True)
        return done

    def _replay(self, records: Iterable[StoredFrame]) -> StoredFrame | None:
        """Follow the frames of an earlier run whose pictures are there; returns the last one."""
        last = None
        for last in records:
            self.results.take(last.index, last.time_s, last.found, self.color_by)
        return last

    def _steps(
        self,
        frames: Iterator[Frame],
        records: Iterator[StoredFrame],
        looks: Generator[Seen[Frame, NDArray[np.uint8], Instances] | Wait],
    ) -> Generator[Step | Wait]:
        """Each frame with its instances: those that are stored, then those of the network."""
        for stored in self._readable(records):
            frame = next(frames, None)
            if frame is None or frame.index != stored.index:
                raise ArgumentError(
                    f"{self.video.name}: is not the video of the earlier run; "
                    "choose another {out} or run without {resume}"
                )
            yield self._step(frame, stored.found, is_new=False)
        with closing(looks):
            for seen in looks:
                if isinstance(seen, Wait):
                    yield seen
                elif isinstance(seen.found, Exception):
                    name = self._name(seen.item)
                    raise InputError(described(name, seen.found)) from seen.found
                else:
                    yield self._step(seen.item, seen.found, is_new=True)

    def _readable(self, records: Iterator[StoredFrame]) -> Iterator[StoredFrame]:
        with self.predictions.reading():
            yield from records

    def _step(self, frame: Frame, found: Instances, *, is_new: bool) -> Step:
        followed = self.results.take(frame.index, frame.time_s, found, self.color_by)
        return Step(frame, followed, is_new)

    def _need(self, frame: Frame) -> Need:
        height, width = frame.image.shape[:2]
        is_drawn = self.output is not None
        return self.predictor.plan.need((height, width), pictures=is_drawn, decoder=0)

    def _image(self, frame: Frame) -> NDArray[np.uint8]:
        height, width = frame.image.shape[:2]
        need = self.predictor.plan.need((height, width), decoder=0)
        self.predictor.plan.require(self._name(frame), need)
        return frame.image

    def _name(self, frame: Frame) -> str:
        return f"{self.video.name}, frame {frame.index}"

    def _draw(self, step: Step) -> tuple[Step, NDArray[np.uint8] | None]:
        if self.output is None:
            return step, None
        image, seen = step.frame.image, step.followed
        if not self.results.tracks_them:
            return step, draw_instances(image, seen.found, color_by=self.color_by)
        drawn = draw_tracks(
            image, seen.found, seen.track_ids, seen.colors, seen.trails, seen.counts
        )
        return step, drawn

    def _write(self, frame: Frame, followed: Followed) -> None:
        stem = Path(self.video.name).stem or "frame"
        self.predictions.add(
            f"{stem}/{frame.index:06}.jpg",
            followed.found.size_hw,
            followed.found,
            about={
                "video_id": 1,
                "frame_index": frame.index,
                "time_s": round(frame.time_s, TIME_DIGITS),
            },
            track_ids=followed.track_ids.tolist(),
        )

    def _tell(self, *, ended: bool = False) -> None:
        expected = self.video.frame_count
        total = None if expected is None else -(-expected // self.video.every)
        if ended or (total is not None and self.written > total):
            total = self.written
        self.on_event(
            Progress(task="finding instances", done=self.written, total=total, unit="frames")
        )
