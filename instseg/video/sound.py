"""The sound of a video, copied into another one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instseg.files.video_source import FILE_OPTIONS

COPIED = {"aac", "mp3", "ac3", "eac3", "opus", "alac", "flac"}  # kinds that MP4 files may have
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
AAC_SAMPLES = 1024  # of a frame
Timed = tuple[float, Any]  # seconds, and a packet


@dataclass(frozen=True)
class Sound:
    """Where the sound of a video comes from.

    Attributes:
        path: A file with sound, or without.
        start_s: When the first frame is shown, on its clock.
        end_s: When the sound is cut, after `start_s`.
    """

    path: Path
    start_s: float
    end_s: float = math.inf


class SoundRecorder:
    """Keeps the sound of a stream in a file while its pictures are in work.

    Args:
        path: The file, which is made with the first packet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container: Any = None
        self._stream: Any = None

    def add(self, packet: Any) -> None:
        """Keep one packet."""
        import av

        if self._container is None:
            self._container = av.open(str(self.path), "w", format="nut")
            self._stream = self._container.add_stream_from_template(packet.stream)
        packet.stream = self._stream
        with suppress(av.error.FFmpegError):  # timestamps that do not grow
            self._container.mux(packet)

    def close(self) -> None:
        """Nothing can be added afterwards."""
        if self._container is not None:
            self._container.close()
            self._container = None


def heard_packets(sound: Sound, output: Any, stack: ExitStack) -> Iterator[Timed]:
    """The packets of a sound for a file that is written, and their times.

    They are copied if MP4 files have their kind, else coded as AAC.

    Args:
        sound: Where it comes from; cut at its end.
        output: The container that is written; gets a stream.
        stack: Closes what is opened.

    Raises:
        FFmpegError: The sound cannot be read or coded.
    """
    import av

    source = stack.enter_context(av.open(f"file:{sound.path}", options=FILE_OPTIONS))
    if not source.streams.audio:
        return iter(())
    stream = source.streams.audio[0]
    if stream.codec_context.name.removesuffix("float") in COPIED:
        return _copied(source, stream, output.add_stream_from_template(stream), sound)
    rate = stream.rate if stream.rate in AAC_RATES else AAC_RATES[-1]
    layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
    coder = output.add_stream("aac", rate=rate, layout=layout)
    return _coded(source, stream, coder, sound)


def _copied(source: Any, stream: Any, target: Any, sound: Sound) -> Iterator[Timed]:
    import av

    with suppress(av.error.FFmpegError):  # damaged: what came before is kept
        for packet in source.demux(stream):
            if not packet.size or packet.pts is None:
                continue
            time_s = float(packet.pts * packet.time_base) - sound.start_s
            if time_s > sound.end_s:
                return
            packet.pts -= round(sound.start_s / packet.time_base)
            packet.dts = packet.pts
            packet.stream = target
            yield time_s, packet


def _coded(source: Any, stream: Any, target: Any, sound: Sound) -> Iterator[Timed]:
    import av

    resampler = av.AudioResampler(
        format="fltp", layout=target.layout.name, rate=target.rate, frame_size=AAC_SAMPLES
    )

    def coded(frame: Any) -> Iterator[Timed]:
        for each in resampler.resample(frame):
            for packet in target.encode(each):
                yield float(packet.pts * packet.time_base), packet

    with suppress(av.error.FFmpegError):
        for frame in source.decode(stream):
            if frame.time is None or frame.time - sound.start_s > sound.end_s:
                break
            frame.pts -= round(sound.start_s / frame.time_base)
            yield from coded(frame)
    if not target.codec_context.is_open:  # there was no sound
        return
    yield from coded(None)
    for packet in target.encode(None):
        yield float(packet.pts * packet.time_base), packet
