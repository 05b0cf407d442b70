"""Small video files for tests, written by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from instseg.core.events import Event, Warned

av = pytest.importorskip("av", reason="needs PyAV: pip install 'instseg[video]'")

MS = Fraction(1, 1000)


def moving_squares(frames: int, size_wh: tuple[int, int] = (96, 64)) -> list[NDArray[np.uint8]]:
    """Frames in which a bright square moves to the right, over a row of colours that stays."""
    width, height = size_wh
    background = np.full((height, width, 3), 40, np.uint8)
    background[:8, : width // 2] = (220, 30, 30)  # top left, so that turned frames are told apart
    images = []
    for number in range(frames):
        image = background.copy()
        left = 3 * number % (width - 20)
        image[24:44, left : left + 20] = (60, 200, 90)
        images.append(image)
    return images


def write_video(
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    times_ms: Iterable[int] | None = None,
    rotation: int = 0,
    sound: str | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gop: int = 5,
) -> Path:
    """Write frames, 100 ms each unless times are given; with a tone if a codec of sound is."""
    times = list(times_ms if times_ms is not None else range(0, 100 * len(images), 100))
    with av.open(str(path), "w", container_options=options or {}) as container:
        stream = container.add_stream(codec, rate=10)
        height, width = images[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":  # several are there, as in videos of phones
            stream.codec_context.options = {"bf": "2", "b_strategy": "0"}
        if times_ms is not None:
            stream.time_base = stream.codec_context.time_base = MS
        if rotation:
            stream.set_display_rotation(rotation)
        heard = container.add_stream(sound, rate=16000, layout="mono") if sound else None
        if heard is not None:
            write_tone(container, heard, (times[-1] + 100) / 1000)
        for image, time_ms in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = time_ms, MS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_tone(container, stream, seconds: float) -> None:
    """Write a tone of 440 Hz."""
    samples = np.arange(int(16000 * seconds))
    wave = (8000 * np.sin(2 * np.pi * 440 * samples / 16000)).astype(np.int16)
    resampler = av.AudioResampler(
        format=stream.format.name, layout="mono", rate=16000, frame_size=1024
    )
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
    for each in (*resampler.resample(frame), *resampler.resample(None)):
        container.mux(stream.encode(each))
    container.mux(stream.encode())


def times_of(path: Path) -> list[float]:
    """When each frame of a video is shown, in seconds."""
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(container.streams.video[0])]


def sound_of(path: Path) -> tuple[str, float] | None:
    """The codec of the sound of a video, and its length in seconds."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        return stream.codec_context.name, samples / stream.rate


def overwritten(path: Path, source: Path, share: tuple[float, float]) -> Path:
    """A copy of a file in which a part, given by shares of its length, is noise."""
    content = bytearray(source.read_bytes())
    begin, end = (int(part * len(content)) for part in share)
    content[begin:end] = np.random.default_rng(0).bytes(end - begin)
    path.write_bytes(content)
    return path


class Warnings(list):
    """An `on_event` that keeps the texts of warnings."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.append(event.text)
