import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from video_files import Warnings, moving_squares, overwritten, write_video

from instseg import InputError, Video
from instseg.core.errors import ArgumentError
from instseg.files.display_matrix import turned
from instseg.files.video_source import is_video, shown

ROOT = Path(__file__).resolve().parents[2]
FRAMES = moving_squares(20)


def differs(image, other) -> float:
    return float(np.abs(image.astype(int) - other.astype(int)).mean())


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "clip.mp4", FRAMES)


def test_frames_come_with_numbers_times_and_pixels(clip):
    with Video(clip) as video:
        frames = list(video.frames())
        assert [frame.index for frame in frames] == list(range(20))
        assert [frame.time_s for frame in frames] == pytest.approx(np.arange(20) / 10)
        assert all(differs(f.image, image) < 4 for f, image in zip(frames, FRAMES, strict=True))
        assert (video.rate, video.frame_count, video.duration_s) == (10, 20, 2)
        assert len(list(video)) == 20  # again
        assert video.problem is None


def test_every_nth_frame_keeps_its_number(clip):
    with Video(clip, every=6) as video:
        assert [(f.index, round(f.time_s, 3)) for f in video.frames()] == [
            (0, 0),
            (6, 0.6),
            (12, 1.2),
            (18, 1.8),
        ]


def test_variable_rates_keep_their_times(tmp_path):
    times = [0, 40, 140, 141, 900, 1000]
    with Video(write_video(tmp_path / "v.mkv", FRAMES[:6], times_ms=times)) as video:
        assert [f.time_s for f in video.frames()] == pytest.approx(np.array(times) / 1000)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_phone_videos_are_upright(rotation, tmp_path):
    path = write_video(tmp_path / "phone.mp4", FRAMES[:2], rotation=rotation)
    with Video(path) as video:
        frame = next(video.frames())
    upright = np.rot90(FRAMES[0], rotation // 90)  # counterclockwise, as FFmpeg has it
    assert frame.image.shape == upright.shape
    assert differs(frame.image, upright) < 4


@pytest.mark.parametrize(
    "matrix", [(a, b, c, d) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)
               for d in (-1, 0, 1) if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1
               and abs(c) + abs(d) == 1]
)  # fmt: skip
def test_each_display_matrix_moves_pixels_where_it_says(matrix):
    a, b, c, d = matrix
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1], np.int32) << 16
    shown_image = turned(image, numbers)
    places = {(x, y): (a * x + c * y, b * x + d * y) for y in range(2) for x in range(3)}
    left, top = (min(place[k] for place in places.values()) for k in (0, 1))
    for (x, y), (to_x, to_y) in places.items():
        assert (shown_image[to_y - top, to_x - left] == image[y, x]).all()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("v.mp4", "libx264"), ("v.mkv", "libx264"), ("v.ts", "libx264"), ("v.avi", "mpeg4"),
     ("v.webm", "libvpx"), ("v.h264", "libx264")],
)  # fmt: skip
def test_going_on_after_any_frame_gives_the_same_frames(name, codec, tmp_path):
    path = write_video(tmp_path / name, FRAMES, codec=codec)
    with Video(path) as video:
        whole = list(video.frames())
        assert len(whole) == 20
        for last in (whole[0], whole[7], whole[12], whole[19]):
            rest = list(video.frames(after=(last.index, last.time_s)))
            assert [f.index for f in rest] == list(range(last.index + 1, 20))
            for frame, same in zip(rest, whole[last.index + 1 :], strict=True):
                assert frame.time_s == same.time_s
                assert (frame.image == same.image).all()


def test_a_damaged_part_is_skipped_with_one_warning(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(40)]
    whole = write_video(tmp_path / "whole.mp4", noise, options={"movflags": "faststart"})
    warnings = Warnings()
    with Video(overwritten(tmp_path / "d.mp4", whole, (0.4, 0.5)), on_event=warnings) as video:
        indices = [frame.index for frame in video.frames()]
    assert 20 <= len(indices) <= 40
    (text,) = warnings
    assert text.startswith(f"{tmp_path}/d.mp4: ")
    assert "damaged part" in text


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_file_without_its_end_keeps_what_there_is(suffix, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(20)]
    options = {"movflags": "faststart"} if suffix == ".mp4" else None
    times = range(0, 20_000, 1000)
    whole = write_video(tmp_path / f"w{suffix}", noise, options=options, times_ms=times)
    short = tmp_path / f"short{suffix}"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    warnings = Warnings()
    with Video(short, on_event=warnings) as video:
        assert 5 <= len(list(video)) <= 15
    if suffix != ".ts":  # which does not tell how long it is
        assert "of 20.0 s" in warnings[-1] or "of 19" in warnings[-1]
        assert "what came before is kept" in warnings[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged or no video"),
        (b"no video at all " * 100, "is damaged or no video"),
        (b"#EXTM3U\n#EXTINF:10,\n/etc/hostname\n#EXT-X-ENDLIST\n", "is damaged or no video"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "is damaged or no video"),
    ],
)
def test_what_is_no_video_ends_in_one_line(content, words, tmp_path):
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(InputError, match=f"v.mp4: {words}.*; copy it again") as caught:
        Video(tmp_path / "v.mp4")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="no such file; check the name"):
        Video(tmp_path / "gone.mp4")
    with pytest.raises(InputError, match="is a folder"):
        Video(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="is a pipe or a device"):
        Video(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="camera 99: cannot be opened"):
        Video(99)
    with pytest.raises(ArgumentError, match="every=0 must be at least 1"):
        Video(tmp_path / "gone.mp4", every=0)


def test_sound_alone_and_too_large_frames_are_refused(tmp_path, clip):
    with pytest.raises(InputError, match=r"96 x 64 pixels are more than the limit of 1,000"):
        Video(clip, max_pixels=1000)
    import av
    from video_files import write_tone

    with av.open(str(tmp_path / "tone.mp4"), "w") as container:
        write_tone(container, container.add_stream("aac", rate=16000, layout="mono"), 1)
    with pytest.raises(InputError, match="has no pictures"):
        Video(tmp_path / "tone.mp4")


def test_names_with_a_colon_are_files(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("http:clip.mp4").write_bytes(clip.read_bytes())
    with Video("http:clip.mp4") as video:
        assert video.frame_count == 20


def test_what_is_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(map(is_video, ["a.mp4", "A.MOV", Path("b/c.mkv"), "0", 1, "rtsp://host/x"]))
    assert not any(map(is_video, ["a.jpg", "photos", Path("0"), "1234", True, None, "ftp://x/y"]))
    Path("0").touch()
    assert not is_video("0")
    assert shown("rtsp://me:secret@host:554/live?token=1") == "rtsp://host:554/live"


class Breaking(http.server.BaseHTTPRequestHandler):
    """Serves a file, and closes the connection in the middle of it."""

    content = b""
    sent = 1.0

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: int(len(self.content) * self.sent)])

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Serves a share of the content of a file; returns the URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def url(path: Path, sent: float) -> str:
        Breaking.content, Breaking.sent = path.read_bytes(), sent
        return f"http://user:secret@127.0.0.1:{server.server_port}/{path.name}"

    yield url
    server.shutdown()
    server.server_close()


def test_a_stream_that_goes_away_keeps_what_came(serve, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(40)]
    options = {"movflags": "faststart"}
    path = write_video(tmp_path / "v.mp4", noise, options=options, times_ms=range(0, 8000, 200))
    with Video(serve(path, 1.0)) as video:
        assert (len(list(video)), video.problem) == (40, None)
    warnings = Warnings()
    with Video(serve(path, 0.6), on_event=warnings) as video:
        assert 15 <= len(list(video)) <= 30
    (text,) = warnings
    assert text.startswith("http://127.0.0.1:")
    assert " s of 7.9 s (" in text or " s of 8.0 s (" in text
    assert "secret" not in text
    assert video.problem


def test_without_pyav_there_is_one_line(clip, tmp_path):
    (tmp_path / "av.py").write_text("raise ImportError('blocked')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "infer.py"), str(clip), "--weights", "demo"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"instseg: {clip}: videos need PyAV; pip install 'instseg[video]'"
    ]
