"""The overlay video of a run: parts while it is written, then one file with the sound."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent
from instseg.files.video import USUAL_RATE, Video
from instseg.video.parts import Part, join_parts, part_path, parts_of, remove_parts
from instseg.video.sound import Sound, SoundRecorder
from instseg.video.writer import VideoWriter


class OverlayOutput:
    """Writes overlay.mp4.

    Args:
        path: The file.
        video: What the frames come from.
        on_event: Called with a notice if the sound cannot be kept.

    Attributes:
        kept: Number of frames that earlier runs have written and that are used again.
    """

    def __init__(self, path: Path, video: Video, on_event: OnEvent) -> None:
        self._path, self._video, self._on_event = path, video, on_event
        self._recorder = SoundRecorder(path.with_name(f"{path.stem}.sound.part.nut"))
        self._parts: list[Part] = []
        self._last_s = 0.0
        self._added = 0
        self._writer: VideoWriter | None = None
        self.kept = 0

    @property
    def hear(self) -> Any:
        """What takes the sound of a stream; None for files, which are read again."""
        return None if self._video.can_go_back else self._recorder.add

    def begin(self, keep: int) -> None:
        """Take up what earlier runs have written.

        Args:
            keep: At most so many frames; 0 begins anew.
        """
        if keep:
            self._parts = parts_of(self._path)
            self.kept = min(sum(part.frames for part in self._parts), keep)
        if not self.kept:
            self._parts = []
            remove_parts(self._path)
            self._path.unlink(missing_ok=True)
        elif len(self._parts) > 1 or self.kept < keep:
            join_parts(self._parts, self._path, frames=self.kept, sound=None)
            remove_parts(self._path)
            self._parts = [Part(self._path, 0, self.kept)]
        rate = (self._video.rate or USUAL_RATE) / self._video.every
        self._writer = VideoWriter(
            part_path(self._path, self.kept), time_base=self._video.time_base, rate=rate
        )

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Write the next frame: uint8 RGB (H, W, 3)."""
        assert self._writer is not None
        self._writer.add(image, time_s)
        self._last_s, self._added = time_s, self._added + 1

    def __enter__(self) -> OverlayOutput:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._finish(whole=self._video.problem is None)
            return
        with suppress(InputError, OSError):  # the first problem is the one that is told
            self._finish(whole=False)

    def _finish(self, *, whole: bool) -> None:
        assert self._writer is not None
        self._recorder.close()
        self._writer.close()
        parts = list(self._parts)
        if self._added:
            parts.append(Part(part_path(self._path, self.kept), self.kept, self._added))
        if not parts or (not self._added and not whole):
            return
        path = Path(str(self._video.source)) if self._video.can_go_back else self._recorder.path
        rate = (self._video.rate or USUAL_RATE) / self._video.every
        end_s = math.inf if whole else self._last_s + 1 / rate
        sound = Sound(path, self._video.start_s, end_s) if path.exists() else None
        problem = join_parts(parts, self._path, frames=self.kept + self._added, sound=sound)
        if problem:
            self._on_event(Notice(text=f"{self._path}: has no sound ({problem})"))
        remove_parts(self._path)
        self._recorder.path.unlink(missing_ok=True)
