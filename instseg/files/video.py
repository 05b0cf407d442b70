"""Videos, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError, require_between
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.wording import count
from instseg.files.display_matrix import matrix_of, turned
from instseg.files.image import MAX_PIXELS
from instseg.files.video_source import Source, is_live, is_stream, open_source, shown, words_of
from instseg.system.newest import newest

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

    Timed = Generator[tuple[int, float, VideoFrame]]

DECODER_THREADS = 2
MOST_FAILURES = 1000  # of a file, one after the other, before it is given up
END_MISSING = "its end is missing"
MISSING_S = 1.0  # shorter than announced by more than this: the end is missing
MISSING = 0.05  # likewise, as a share
USUAL_RATE = 25.0  # frames per second, where nothing tells it
CODING = 1_000_000  # time base of frames without one


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        index: Its number, from 0; frames that are left out count.
        time_s: Seconds since the first frame.
        image: uint8 RGB (H, W, 3), upright.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


class Video:
    """A video file, a stream or a camera; iterating gives its frames, uint8 RGB (H, W, 3).

    Frames are upright, as the display matrix of phone videos has it. Damaged parts are skipped with
    a warning. A stream or camera that goes away, and a file whose end is missing, end with a
    warning. A camera and live streams, such as rtsp, do not wait: frames that come while all others
    are in work are left out. A file can be iterated several times.

    Args:
        source: A path, a URL (rtsp, rtmp, udp, srt, http, https), or the number of a camera.
        every: Only each Nth frame.
        max_pixels: Refuse a video whose frames have more.
        on_event: Called with a warning if something is damaged or missing.

    Attributes:
        name: The source, without passwords.
        live: Whether frames that are not read in time are lost.
        rate: Mean frames per second; None if it is not known.
        time_base: Unit of the timestamps, in seconds.
        duration_s: As announced; None for streams.
        frame_count: Number of frames, with those left out, as announced; None if it is not known.
        start_s: When the first frame is shown, on the clock of the container.
        damaged: Number of damaged parts that the last iteration has skipped.
        problem: Why it has ended before its end; None if it has not.

    Raises:
        InputError: PyAV is not installed, the video cannot be opened, has no pictures, or these are
            too large.
    """

    def __init__(
        self,
        source: Source,
        *,
        every: int = 1,
        max_pixels: int = MAX_PIXELS,
        on_event: OnEvent = ignore,
    ) -> None:
        require_between(1, every=every)
        self.source, self.every, self.name = source, every, shown(source)
        self.live = is_live(source)
        self.problem: str | None = None
        self.damaged = 0
        self._max_pixels, self._on_event = max_pixels, on_event
        self._container = self._open()
        stream = self._container.streams.video[0]
        self.time_base = stream.time_base or Fraction(1, CODING)
        self.start_s = float((stream.start_time or 0) * self.time_base)
        rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        self.duration_s = self._announced_s(stream)
        expected = round(self.duration_s * self.rate) if self.duration_s and self.rate else None
        self.frame_count = stream.frames or expected
        self._used = False
        self._size_hw = stream.codec_context.height, stream.codec_context.width
        self._last_s = 0.0

    def __repr__(self) -> str:
        return f"Video({self.name})"

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, stream or camera."""
        self._container.close()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (frame.image for frame in self.frames())

    @property
    def can_go_back(self) -> bool:
        """Whether the frames can be read again."""
        return not self.live and not is_stream(self.source)

    def frames(
        self,
        after: tuple[int, float] | None = None,
        *,
        sound: Callable[[Packet[Any]], None] | None = None,
    ) -> Generator[Frame]:
        """The frames with their numbers and times.

        Args:
            after: Number and time of a frame of this file; those after it are given. The file is
                read from the last key frame before it where it allows that.
            sound: Called with the packets of the best audio stream.
        """
        if self._used and self.can_go_back:
            self._open_again()
        self._used, self._sound, self.problem = True, sound, None
        self.damaged, self._last_s = 0, 0.0
        decoded = self._numbered(after)
        if self.live:
            decoded = newest(decoded)
        with closing(decoded):
            for index, time_s, frame in decoded:
                if index % self.every == 0:
                    yield Frame(index, time_s, self._upright(frame))
        self._tell_end()

    def _open_again(self) -> None:
        self._container.close()
        self._container = self._open()

    def _open(self) -> Any:
        container = open_source(self.source)
        try:
            self._require_pictures(container)
        except BaseException:
            container.close()
            raise
        return container

    def _require_pictures(self, container: Any) -> None:
        import av

        if not container.streams.video:
            raise InputError(f"{self.name}: has no pictures; give a video")
        codec = container.streams.video[0].codec_context
        if codec is None:
            raise InputError(f"{self.name}: its pictures cannot be decoded; save it as MP4 (H.264)")
        width, height = codec.width, codec.height
        if width * height > self._max_pixels:
            raise InputError(
                f"{self.name}: {width} x {height} pixels are more than the limit of "
                f"{self._max_pixels:,}; make the video smaller"
            )
        codec.thread_count, codec.thread_type = DECODER_THREADS, "AUTO"
        codec.options = {"max_pixels": str(self._max_pixels)}  # frames may be larger than announced
        try:
            codec.open(strict=False)
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self.name}: is damaged or no video ({words_of(error)}); "
                "copy it again or save it as MP4"
            ) from error

    def _announced_s(self, stream: Any) -> float | None:
        if self.live:
            return None
        if stream.duration:
            return float(stream.duration * self.time_base)
        whole = self._container.duration  # in microseconds
        return whole / 1e6 if whole and whole > 0 else None

    def _numbered(self, after: tuple[int, float] | None) -> Timed:
        """Every frame after one, with its number and time."""
        skipped = -1
        if after is not None:
            skipped, time_s = after
            found = self._sought(skipped, time_s)
            if found is not None:
                yield from found
                return
            self._open_again()
        yield from (each for each in self._timed(0, self._decoded()) if each[0] > skipped)

    def _sought(self, index: int, time_s: float) -> Timed | None:
        """The frames after one that a jump has found exactly; None if it has not."""
        import av

        stream = self._container.streams.video[0]
        if stream.start_time is None or is_stream(self.source):
            return None
        target = stream.start_time + round(time_s / self.time_base)
        try:
            self._container.seek(target, stream=stream)
        except (av.error.FFmpegError, OSError):
            return None
        decoded = self._decoded()
        for frame in decoded:
            if frame.pts is None or frame.pts > target:
                return None
            if frame.pts == target:
                return self._timed(index + 1, decoded)
        return None

    def _timed(self, first: int, decoded: Iterator[VideoFrame]) -> Timed:
        start = self._container.streams.video[0].start_time
        for index, frame in enumerate(decoded, first):
            stamp = frame.pts if frame.pts is not None else frame.dts
            if stamp is None:
                self._last_s = index / (self.rate or USUAL_RATE)
            else:
                unit = frame.time_base or self.time_base
                if start is None:
                    start, self.start_s = stamp, float(stamp * unit)
                self._last_s = float((stamp - start) * unit)
            yield index, self._last_s, frame

    def _decoded(self) -> Generator[VideoFrame]:
        """What can be decoded, in order."""
        import av

        damage = av.error.InvalidDataError
        stream = self._container.streams.video[0]
        chosen = [stream, *self._container.streams.audio[: 1 if self._sound else 0]]
        packets = self._container.demux(chosen)
        failures = 0
        while failures < MOST_FAILURES:
            frames = []
            try:
                packet = next(packets)
                if packet.stream is stream:
                    frames = packet.decode()
            except StopIteration:
                return
            except damage:  # of a packet, or between two, where the container finds the next one
                self.damaged, failures = self.damaged + 1, failures + 1
                packets = self._container.demux(chosen)
                continue
            except (av.error.FFmpegError, OSError) as error:
                ended = isinstance(error, av.error.EOFError)
                self.problem = END_MISSING if ended else words_of(error)
                break
            failures = 0
            yield from frames
            if self._sound and packet.stream is not stream and packet.pts is not None:
                self._sound(packet)
        with suppress(av.error.FFmpegError):  # what the decoder still holds
            yield from stream.codec_context.decode(None)

    def _upright(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The pixels of a frame, in the size of the header also where the size changes."""
        if not all(self._size_hw):
            self._size_hw = frame.height, frame.width
        height, width = self._size_hw
        image: NDArray[Any] = frame.to_ndarray(format="rgb24", height=height, width=width)
        matrix = matrix_of(frame)
        return image if matrix is None else turned(image, matrix)

    def _tell_end(self) -> None:
        """Warn of what is damaged or missing, in one line."""
        whole_s = self.duration_s or 0.0
        if self.problem is None and whole_s - self._last_s > max(MISSING_S, MISSING * whole_s):
            self.problem = END_MISSING
        parts = f"{count(self.damaged, 'damaged part')} skipped" if self.damaged else ""
        if self.problem:
            of = f" of {whole_s:.1f} s" if whole_s else ""
            why = f"{self.problem}; {parts}" if parts else self.problem
            text = f"ended after {self._last_s:.1f} s{of} ({why}); what came before is kept"
        elif parts:
            text = f"{parts}; frames are missing there"
        else:
            return
        self._on_event(Warned(text=f"{self.name}: {text}"))
