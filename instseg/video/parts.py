"""The parts of an overlay video that runs have written, and their join with the sound."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from instseg.files.video_source import words_of
from instseg.system.atomic import replacing
from instseg.video.sound import Sound, Timed, heard_packets
from instseg.video.writer import BEGIN


@dataclass(frozen=True)
class Part:
    """A piece of a video: frames from a number on.

    Attributes:
        path: The file.
        first: Number of its first frame.
        frames: How many it has.
    """

    path: Path
    first: int
    frames: int


def part_path(video: Path, first: int) -> Path:
    """The file of the part of a video that begins with a frame."""
    return video.with_name(f"{video.stem}.{first:08d}.part{video.suffix}")


def parts_of(video: Path) -> list[Part]:
    """The parts that earlier runs have left, without gaps: the joined ones, and those after."""
    found: list[Part] = []
    files = [(0, video)] if video.exists() else []
    pattern = f"{video.stem}.*.part{video.suffix}"
    later = sorted(path for path in video.parent.glob(pattern) if _number(path) is not None)
    end = 0
    for first, path in [*files, *((_number(path) or 0, path) for path in later)]:
        frames = _frames_in(path)
        if first == end and frames:  # else it was joined before, or something is missing
            found.append(Part(path, first, frames))
            end += frames
    return found if _alike([part.path for part in found]) else []


def remove_parts(video: Path) -> None:
    """Remove all parts, but not what was joined."""
    for path in video.parent.glob(f"{video.stem}.*.part{video.suffix}"):
        if _number(path) is not None:
            path.unlink()


def join_parts(
    parts: Sequence[Part], video: Path, *, frames: int, sound: Sound | None
) -> str | None:
    """Write one video of the first frames of parts, with sound.

    Pictures are copied. Sound is copied if MP4 files have its kind, else coded as AAC.

    Args:
        parts: Without gaps.
        video: The MP4 file, written at once; it may be a part itself.
        frames: How many frames are taken.
        sound: Where the sound comes from.

    Returns:
        Why there is no sound, if that is not as it should be.

    Raises:
        InputError: The file cannot be written.
    """
    import av

    with replacing(video) as path, ExitStack() as stack:
        inputs = [stack.enter_context(av.open(f"file:{part.path}")) for part in parts]
        output: Any = stack.enter_context(
            av.open(str(path), "w", format="mp4", container_options={"movflags": "faststart"})
        )
        pictures = output.add_stream_from_template(inputs[0].streams.video[0])
        heard: Iterator[Timed] = iter(())
        problem = None
        if sound is not None:
            try:
                heard = heard_packets(sound, output, stack)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                problem = words_of(error)
        seen = islice(_seen(inputs, pictures), frames)
        for _, packet in heapq.merge(seen, heard, key=itemgetter(0)):
            output.mux(packet)
    return problem


def _seen(inputs: Sequence[Any], pictures: Any) -> Iterator[Timed]:
    for container in inputs:
        begin = Fraction(container.metadata.get(BEGIN, 0))
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                packet.pts += round(begin / packet.time_base)
                packet.dts = packet.pts
                packet.stream = pictures
                yield float(packet.pts * packet.time_base), packet


def _number(path: Path) -> int | None:
    digits = path.name.split(".")[-3]
    return int(digits) if digits.isdecimal() else None


def _frames_in(path: Path) -> int:
    """How many frames a file has, up to where it is damaged."""
    import av

    frames = 0
    with (
        suppress(av.error.FFmpegError, OSError, IndexError),
        av.open(f"file:{path}") as container,
    ):
        for packet in container.demux(container.streams.video[0]):
            frames += packet.size > 0
    return frames


def _alike(paths: Sequence[Path]) -> bool:
    """Whether the pictures of files can follow one another."""
    import av

    kinds = set()
    for path in paths:
        with av.open(f"file:{path}") as container:
            coder = container.streams.video[0].codec_context
            kinds.add((coder.width, coder.height, coder.extradata))
    return len(kinds) <= 1
