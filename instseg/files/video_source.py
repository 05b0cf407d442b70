"""Video files, streams and cameras: told from photos by their names, and opened."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.errors import ArgumentError, InputError
from instseg.system.regular import require_regular_file

if TYPE_CHECKING:
    from av.container import InputContainer

Source = str | Path | int

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".ts", ".mts", ".m2ts", ".vob", ".wmv", ".asf", ".flv", ".ogv", ".mxf", ".y4m", ".ivf"),
    *(".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265", ".hevc"),
)
LIVE = ("rtsp", "rtsps", "rtmp", "rtp", "udp", "srt")  # what is not read in time is lost
NEEDS_PYAV = "videos need PyAV; pip install 'instseg[video]'"
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
SCHEMES = (*LIVE, "http", "https")
OPEN_S, READ_S = 20.0, 10.0  # how long a stream may take to begin, and be silent

# A file may name others: only what it holds itself is read, and nothing of this machine is read
# because a stream says so.
FILE_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,live_flv,ogg,mxf,"
    "yuv4mpegpipe,ivf,mjpeg,h264,hevc,m4v,obu,nut,dv",
}
_STREAM_OPTIONS = {
    "protocol_whitelist": "http,https,tcp,tls,udp,rtp,srtp,rtsp,rtsps,rtmp,srt,crypto,httpproxy",
    "rtsp_transport": "tcp",
}
_CAMERAS = {"linux": ("video4linux2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none")}


def is_video(source: object) -> bool:
    """Whether this is a video: a file with a suffix of videos, a stream, or a camera.

    Args:
        source: A path or URL; the number of a camera, also as text if no file has this name.
    """
    if isinstance(source, bool) or not isinstance(source, str | Path | int):
        return False
    if is_stream(source) or camera_of(source) is not None:
        return True
    return Path(str(source)).suffix.lower() in VIDEO_SUFFIXES


def is_stream(source: Source) -> bool:
    """Whether this is the URL of a stream."""
    scheme = _URL.match(source) if isinstance(source, str) else None
    return scheme is not None and scheme[1].lower() in SCHEMES


def is_live(source: Source) -> bool:
    """Whether frames that are not read in time are lost."""
    if camera_of(source) is not None:
        return True
    return is_stream(source) and str(source).split(":")[0].lower() in LIVE


def camera_of(source: Source) -> int | None:
    """The number of a camera; None for anything else."""
    if isinstance(source, int):
        return source
    if not isinstance(source, str) or not source.isascii() or not source.isdecimal():
        return None
    return int(source) if len(source) <= 3 and not Path(source).exists() else None


def shown(source: Source) -> str:
    """The source as messages and results name it; passwords of URLs are left out."""
    camera = camera_of(source)
    if camera is not None:
        return f"camera {camera}"
    if not is_stream(source):
        return str(source)
    return re.sub(r"(?<=://)[^/@\s]*@", "", str(source).partition("?")[0])


def open_source(source: Source) -> InputContainer:
    """Open a video with PyAV.

    Raises:
        InputError: PyAV is not installed, or it cannot be opened.
        ArgumentError: The number of a camera is negative.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(f"{shown(source)}: {NEEDS_PYAV}") from error
    camera = camera_of(source)
    try:
        if camera is not None:
            kind, name = _camera(camera)
            return av.open(name.format(camera), format=kind, timeout=(OPEN_S, READ_S))
        if is_stream(source):
            return av.open(str(source), options=_STREAM_OPTIONS, timeout=(OPEN_S, READ_S))
        path = Path(str(source))
        require_regular_file(path)
        if path.is_dir():
            raise InputError(f"{source}: is a folder; give a video file in it")
        return av.open(f"file:{source}", options=FILE_OPTIONS)
    except (av.error.FFmpegError, OSError, UnicodeError) as error:
        raise InputError(f"{shown(source)}: {_why(source, error)}") from error


def _camera(number: int) -> tuple[str, str]:
    if number < 0:
        raise ArgumentError("{source} must be at least 0 for a camera", source=number)
    if sys.platform not in _CAMERAS:
        raise InputError(f"camera {number}: cameras are read on Linux and macOS; give a stream")
    return _CAMERAS[sys.platform]


def _why(source: Source, error: Exception) -> str:
    if camera_of(source) is not None:
        return f"cannot be opened ({words_of(error)}); check that it is there and free"
    if is_stream(source):
        return f"cannot be opened ({words_of(error)}); check the address and the network"
    if isinstance(error, FileNotFoundError):
        return "no such file; check the name"
    if isinstance(error, PermissionError):
        return "cannot be opened (Permission denied); check its permissions"
    return f"is damaged or no video ({words_of(error)}); copy it again or save it as MP4"


def words_of(error: BaseException) -> str:
    """What FFmpeg says of an error, without the name of the function."""
    if type(error).__name__ == "ExitError":  # of PyAV's timeout
        return "nothing came in time"
    return " ".join(str(getattr(error, "strerror", None) or error).split())
