"""Writes a video, H.264 in MP4, that can be played also after a kill."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.system.atomic import naming_file

ENCODERS = ("libx264", "h264")  # the second is what this build of FFmpeg has, if not the first
BEGIN = "comment"  # metadata: when the first frame is shown; in fragmented files it is always at 0
# No frame waits for later ones, so parts can be joined; a killed part can be played to the last
# fragment, which begins with a key frame.
CODER = {"preset": "veryfast", "crf": "20", "bf": "0"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
KEY_FRAME_S = 2.0
BT709, LIMITED_RANGE = 1, 1


class VideoWriter:
    """Writes frames to an MP4 file in fragments, which begins with the first frame.

    Args:
        path: The file; overwritten.
        time_base: Unit of its timestamps in seconds; times are rounded to it.
        rate: Mean frames per second.
    """

    def __init__(self, path: Path, *, time_base: Fraction, rate: float) -> None:
        self._path, self._time_base, self._rate = path, time_base, rate
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Write a frame.

        Args:
            image: uint8 RGB (H, W, 3), of one size for all frames; the last row or column is
                repeated where a side is odd, which H.264 does not allow.
            time_s: When it is shown; frames whose time does not grow follow at once.

        Raises:
            InputError: The file cannot be written.
        """
        import av

        with naming_file(self._path):
            image = _even(image)
            self._last = max(round(time_s / self._time_base), self._last + 1)
            if self._container is None:
                self._begin(*image.shape[:2])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = self._last, self._time_base
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left. Nothing can be added afterwards."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with naming_file(self._path):
            try:
                container.mux(self._stream.encode(None))
            finally:
                container.close()

    def _begin(self, height: int, width: int) -> None:
        import av

        self._container = av.open(
            str(self._path), "w", format="mp4", container_options=dict(FRAGMENTS)
        )
        self._container.metadata[BEGIN] = str(self._last * self._time_base)
        rate = Fraction(self._rate).limit_denominator(1001)
        self._stream = self._container.add_stream(_encoder(), rate=rate, options=dict(CODER))
        coder = self._stream.codec_context
        self._stream.time_base = coder.time_base = self._time_base
        coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
        coder.gop_size = max(round(self._rate * KEY_FRAME_S), 1)
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        coder.color_range = LIMITED_RANGE


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    odd = [(0, side % 2) for side in image.shape[:2]]
    padded = np.pad(image, [*odd, (0, 0)], mode="edge") if any(map(any, odd)) else image
    return np.ascontiguousarray(padded)


def _encoder() -> str:
    import av

    for name in ENCODERS:
        try:
            av.Codec(name, "w")
        except av.error.FFmpegError:
            continue
        return name
    raise InputError("this build of PyAV has no H.264 encoder; pip install --force-reinstall av")
