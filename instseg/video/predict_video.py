"""`predict_video`: the instances of each frame of a video, followed from frame to frame."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, ignore
from instseg.core.json_types import Json
from instseg.core.options import checks_types
from instseg.files.results import PredictionWriter
from instseg.files.video import USUAL_RATE, Frame, Video
from instseg.files.video_source import Source, is_live, is_stream
from instseg.predict.folder_run import made_by
from instseg.predict.predictor import Predictor
from instseg.system.atomic import sweep
from instseg.system.lock import only_run_in
from instseg.video.counts import Counter, Counts
from instseg.video.frame_results import FrameResults
from instseg.video.output import OverlayOutput
from instseg.video.pipeline import Pipeline
from instseg.video.tracking import Tracker
from instseg.visualize.instance_colors import ColorBy

LEAST_SCORE = 0.5  # that starts a track


@dataclass(frozen=True, kw_only=True)
class PredictedVideo:
    """The result of a run over a video.

    Attributes:
        folder: The output folder.
        frames: Number of frames that this run has finished.
        skipped: Number of frames that an earlier run has finished.
        video_s: Length of the video up to its last frame, in seconds.
        instances: Number of instances in all frames, by class name.
        counts: Number of tracks by class name, across each line and in each zone.
        problem: Why the video has ended before its end; None if it has not.
        seconds: Duration of the run.
        busy: Share of this time, 0..1, that the threads of the network have worked.
    """

    folder: Path
    frames: int
    skipped: int
    video_s: float
    instances: Mapping[str, int]
    counts: Counts
    problem: str | None
    seconds: float
    busy: float


@checks_types
def predict_video(
    predictor: Predictor,
    source: Source,
    out: str | Path,
    *,
    every: int = 1,
    track: bool = True,
    count_line: str | Sequence[str] = (),
    zone: str | Sequence[str] = (),
    overlay: bool = True,
    color_by: ColorBy = "instance",
    polygons: bool = False,
    resume: bool = False,
    on_event: OnEvent = ignore,
) -> PredictedVideo:
    """Find and follow the instances in a video, and write them into a folder.

    Writes predictions.json (COCO, one image for each frame), tracks.csv (one row for each instance
    of each frame), counts.json (tracks by class, line and zone) and overlay.mp4 (H.264, with the
    times and the sound of the video). Threads read, predict and draw a few frames ahead; memory use
    does not grow with the number of frames, but for the name of each.

    What is finished is kept if the run ends early. After a kill, the overlay is in
    `overlay.NUMBER.part.mp4`, which can be played.

    Args:
        predictor: The model.
        source: A path, a URL (rtsp, rtmp, udp, srt, http, https), or the number of a camera. A
            camera or a live stream is read until it ends, or the program is interrupted; frames
            that come while the network works are left out.
        out: Output folder; only one run at a time may write there.
        every: Only each Nth frame.
        track: Give the instances of one object the same id in all frames.
        count_line: A line, or several, `x1,y1,x2,y2` in pixels or percent: the tracks that cross it
            are counted, in each direction.
        zone: A zone, or several, `x1,y1,x2,y2,x3,y3,...`: the tracks inside are counted.
        overlay: Write overlay.mp4.
        color_by: Colours in the overlay: "instance" (one for each track) or "class".
        polygons: Write masks without holes as polygons; see `coco_annotations`.
        resume: Continue after the last frame that an earlier run with the same folder has finished.
            Ids and results are those of one run without a pause. Only for files.
        on_event: Called with the progress, and with a warning if something is damaged or missing.

    Raises:
        ArgumentError: `resume` with a stream or camera, or a line or zone that is not one.
        InputError: The video cannot be read or has no frame, frames are too large, another run
            writes into the folder, or the earlier run cannot be resumed.
    """
    out = Path(out)
    if resume and (is_live(source) or is_stream(source)):
        raise ArgumentError("{resume} needs a file: a stream or camera cannot be read again")
    if (count_line or zone) and not track:
        raise ArgumentError("{count_line} and {zone} need {track}")
    counter = Counter(_several(count_line), _several(zone))
    written, given = out / "overlay.mp4", Path(str(source))
    if overlay and written.exists() and given.exists() and given.samefile(written):
        raise ArgumentError(f"{written}: is the input; choose another {{out}}")
    begin_s = time.monotonic()
    with ExitStack() as stack:
        video = stack.enter_context(closing(Video(source, every=every, on_event=on_event)))
        stack.enter_context(only_run_in(out))
        sweep(out)
        tracker = _tracker(predictor, video) if track else None  # before anything is written
        output = OverlayOutput(written, video, on_event) if overlay else None
        frames = stack.enter_context(closing(video.frames(sound=output.hear if output else None)))
        first = next(frames, None)
        if first is None:
            raise InputError(f"{video.name}: has no frame that can be decoded; copy it again")
        height, width = first.image.shape[:2]  # too large ones are told before anything is written
        predictor.plan.require(video.name, predictor.plan.need((height, width), decoder=0))
        predictions = stack.enter_context(
            PredictionWriter(
                out,
                predictor.class_names,
                predictor.category_ids,
                resume=resume,
                polygons=polygons,
                made_by=made_by(predictor) | {"tracked": track},
                videos=[_record(video, first)],
            )
        )
        if output:
            output.begin(keep=len(predictions.done))
            stack.enter_context(output)
        results = stack.enter_context(FrameResults(out, tracker, counter))
        pipeline = Pipeline(predictor, video, results, predictions, output, color_by, on_event)
        skipped = pipeline.run(chain([first], frames))
    seconds = time.monotonic() - begin_s
    return PredictedVideo(
        folder=out,
        frames=results.frames - skipped,
        skipped=skipped,
        video_s=results.last_s,
        instances=dict(results.counts.most_common()),
        counts=counter.result(),
        problem=video.problem,
        seconds=seconds,
        busy=pipeline.worked.seconds / seconds,
    )


def _tracker(predictor: Predictor, video: Video) -> Tracker:
    """A tracker; where each class has a stored threshold, their median is enough for a track."""
    least = LEAST_SCORE
    if predictor.uses_stored_thresholds:
        least = min(least, float(np.median(predictor.score_thresholds[1:])))
    return Tracker(frame_rate=(video.rate or USUAL_RATE) / video.every, least_score=least)


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _record(video: Video, first: Frame) -> Json:
    height, width = first.image.shape[:2]
    name = Path(video.name).name or video.name
    return {
        "id": 1,
        "name": name,
        "width": width,
        "height": height,
        "every": video.every,
        # Tells videos of one name apart; their sizes would not: a file may have become whole.
        "first_frame_crc32": zlib.crc32(first.image.tobytes()),
    }
