import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from stand_in import TINY_CARD, stand_in_model
from video_files import (
    Warnings,
    moving_squares,
    sound_of,
    times_of,
    write_video,
)

import instseg
from instseg import InputError, Predictor, predict_video
from instseg.core.errors import ArgumentError
from instseg.core.events import Progress
from instseg.video.parts import Part, join_parts
from instseg.video.sound import Sound
from instseg.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
FRAMES = moving_squares(14)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "stand_in.safetensors"
    stand_in_model(TINY_CARD).save(path)
    return path


@pytest.fixture(scope="module")
def predictor(weights) -> Predictor:
    return Predictor(weights, device="cpu", score_threshold=0.3, max_detections=3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    return write_video(folder / "clip.mp4", FRAMES, sound="aac")


@pytest.fixture(scope="module")
def whole(predictor, clip, tmp_path_factory) -> Path:
    """The results of one run over the clip."""
    out = tmp_path_factory.mktemp("whole")
    predict_video(predictor, clip, out)
    return out


def document(out: Path) -> dict:
    return json.loads((out / "predictions.json").read_text())


def pixels(path: Path) -> list[np.ndarray]:
    with instseg.Video(path) as video:
        return list(video)


def test_each_frame_has_its_record_rows_and_picture(predictor, clip, whole):
    images, annotations = document(whole)["images"], document(whole)["annotations"]
    (video,) = document(whole)["videos"]
    assert (video["name"], video["width"], video["height"]) == ("clip.mp4", 96, 64)
    assert [image["frame_index"] for image in images] == list(range(14))
    assert [image["time_s"] for image in images] == pytest.approx(np.arange(14) / 10)
    assert {image["video_id"] for image in images} == {video["id"]}
    assert annotations
    with (whole / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    frame_of = {image["id"]: image["frame_index"] for image in images}
    assert [(int(row["frame"]), int(row["track_id"]), int(row["area_px"])) for row in rows] == [
        (frame_of[each["image_id"]], each["track_id"], each["area"]) for each in annotations
    ]
    assert len({row["track_id"] for row in rows} - {"-1"}) >= 1
    for found, image in zip(predictor.stream(clip), images, strict=True):
        assert len(found) == sum(each["image_id"] == image["id"] for each in annotations)
    overlay = whole / "overlay.mp4"
    assert times_of(overlay) == times_of(clip)
    shown = pixels(overlay)
    changed = [np.abs(a.astype(int) - b).max() > 60 for a, b in zip(shown, FRAMES, strict=True)]
    assert all(changed)
    assert sorted(path.name for path in whole.iterdir()) == [
        "counts.json",
        "overlay.mp4",
        "predictions.json",
        "predictions.jsonl",
        "tracks.csv",
    ]


def test_the_result_and_the_events_tell_what_was_done(predictor, clip, tmp_path):
    events = []
    done = predict_video(predictor, clip, tmp_path, every=4, on_event=events.append)
    assert (done.frames, done.skipped, done.problem) == (4, 0, None)
    assert done.video_s == pytest.approx(1.2)
    assert sum(done.instances.values()) == len(document(tmp_path)["annotations"])
    progress = [event for event in events if isinstance(event, Progress)]
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (4, 4, "frames")
    assert times_of(tmp_path / "overlay.mp4") == [0, 0.4, 0.8, 1.2]


@pytest.mark.parametrize(
    ("suffix", "sound", "kept"),
    [("mp4", "aac", "aac"), ("mkv", "pcm_s16le", "aac"), ("mkv", "libopus", "opus")],
)
def test_the_sound_is_kept(suffix, sound, kept, predictor, tmp_path):
    path = write_video(tmp_path / f"clip.{suffix}", FRAMES[:8], sound=sound)
    predict_video(predictor, path, tmp_path / "out", track=False)
    name, seconds = sound_of(tmp_path / "out" / "overlay.mp4")
    assert name == kept
    assert seconds == pytest.approx(sound_of(path)[1], abs=0.15)


def test_odd_variable_and_turned_videos(predictor, tmp_path):
    times = [0, 40, 90, 300, 301, 700, 1500, 1501]
    odd = [image[:, :94] for image in FRAMES[:8]]
    path = write_video(
        tmp_path / "phone.mp4", odd, times_ms=times, rotation=90, options={"movflags": "faststart"}
    )
    predict_video(predictor, path, tmp_path / "out", track=False)
    assert times_of(tmp_path / "out" / "overlay.mp4") == pytest.approx(np.array(times) / 1000)
    with instseg.Video(tmp_path / "out" / "overlay.mp4") as video:
        assert next(video.frames()).image.shape == (94, 64, 3)
    image = document(tmp_path / "out")["images"][0]
    assert (image["width"], image["height"]) == (64, 94)


def test_frames_with_an_odd_side_are_widened_by_one_pixel(tmp_path):
    writer = VideoWriter(tmp_path / "v.mp4", time_base=Fraction(1, 1000), rate=10)
    for number in range(3):
        writer.add(FRAMES[number][:63, :95], number / 10)
    writer.close()
    assert [image.shape for image in pixels(tmp_path / "v.mp4")] == [(64, 96, 3)] * 3


def test_a_damaged_file_ends_with_what_there_is(predictor, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(16)]
    options = {"movflags": "faststart"}
    path = write_video(
        tmp_path / "w.mp4", noise, options=options, sound="aac", times_ms=range(0, 16000, 1000)
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    warnings = Warnings()
    done = predict_video(predictor, path, tmp_path / "out", track=False, on_event=warnings)
    assert 5 < done.frames < 14
    assert done.problem
    assert len(warnings) == 1
    assert len(document(tmp_path / "out")["images"]) == done.frames
    assert len(times_of(tmp_path / "out" / "overlay.mp4")) == done.frames
    assert sound_of(tmp_path / "out" / "overlay.mp4")[1] <= done.video_s + 1.2
    start = path.read_bytes().index(b"mdat") + 8
    (tmp_path / "header.mp4").write_bytes(path.read_bytes()[:start])
    with pytest.raises(InputError, match=r"header\.mp4: has no frame that can be decoded"):
        predict_video(predictor, tmp_path / "header.mp4", tmp_path / "none")


class Kill(Exception):
    pass


@pytest.mark.parametrize("at", [1, 6, 13])
def test_going_on_after_a_failure_gives_the_results_of_one_run(
    at, predictor, clip, whole, tmp_path
):
    def fail(event):
        if isinstance(event, Progress) and event.done == at:
            raise Kill

    with pytest.raises(Kill):
        predict_video(predictor, clip, tmp_path, on_event=fail)
    assert len(times_of(tmp_path / "overlay.mp4")) == at  # what there is can be played
    done = predict_video(predictor, clip, tmp_path, resume=True)
    assert (done.skipped, done.frames) == (at, 14 - at)
    same_results(tmp_path, whole, clip)
    again = predict_video(predictor, clip, tmp_path, resume=True)
    assert (again.skipped, again.frames) == (14, 0)
    same_results(tmp_path, whole, clip)


def same_results(out: Path, whole: Path, clip: Path) -> None:
    for name in ("predictions.json", "tracks.csv", "counts.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert times_of(out / "overlay.mp4") == times_of(clip)
    assert sound_of(out / "overlay.mp4") == sound_of(whole / "overlay.mp4")
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    for image, other in zip(
        pixels(out / "overlay.mp4"), pixels(whole / "overlay.mp4"), strict=True
    ):
        assert np.abs(image.astype(int) - other).mean() < 8  # each is coded anew


LONG = moving_squares(60)


def test_a_killed_process_goes_on_where_it_was(predictor, weights, tmp_path):
    clip = write_video(tmp_path / "clip.mp4", LONG)
    predict_video(predictor, clip, tmp_path / "whole")
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "tools" / "infer.py"), str(clip), "--out", str(out)]
    command += ["--weights", str(weights), "--device", "cpu", "--score-threshold", "0.3"]
    command += ["--max-detections", "3"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command], env=env)
    journal = out / "predictions.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 45, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (part,) = out.glob("overlay.*.part.mp4")
    seen = len(times_of(part))
    assert 0 < seen <= 60  # it can be played
    finished = journal.read_bytes().count(b"\n") - 1
    if finished < 60:  # it may have been too fast
        assert not (out / "overlay.mp4").exists()
    done = predict_video(predictor, clip, out, resume=True)
    assert done.skipped >= 45
    same_results(out, tmp_path / "whole", clip)


def wait_for(what, process) -> None:
    for _ in range(6000):
        if what():
            return
        assert process.poll() is None
        time.sleep(0.02)
    raise AssertionError("it did not begin")


def test_what_cannot_be_resumed(predictor, clip, whole, tmp_path):
    with pytest.raises(ArgumentError, match="resume needs a file"):
        predict_video(predictor, "rtsp://127.0.0.1:9/x", tmp_path, resume=True)
    predict_video(predictor, clip, tmp_path, every=5, overlay=False)
    with pytest.raises(ArgumentError, match="of another video, or with other options"):
        predict_video(predictor, clip, tmp_path, every=4, resume=True)
    (tmp_path / "other").mkdir()
    brighter = [np.minimum(image, 200) + 20 for image in FRAMES]
    of_same_name = write_video(tmp_path / "other" / clip.name, brighter)
    with pytest.raises(ArgumentError, match="of another video"):
        predict_video(predictor, of_same_name, tmp_path, every=5, resume=True)


def test_a_plain_run_begins_anew(predictor, clip, tmp_path):
    for every in (3, 7):
        predict_video(predictor, clip, tmp_path, every=every, polygons=True)
    assert len(document(tmp_path)["images"]) == 2
    assert times_of(tmp_path / "overlay.mp4") == [0, 0.7]


def test_the_input_is_not_overwritten(predictor, clip, tmp_path):
    video = shutil.copy(clip, tmp_path / "overlay.mp4")
    with pytest.raises(ArgumentError, match=r"overlay\.mp4: is the input; choose another out"):
        predict_video(predictor, video, tmp_path)
    assert [*tmp_path.iterdir()] == [video]
    assert video.read_bytes() == clip.read_bytes()


def test_no_sound_that_can_be_read_is_told(predictor, tmp_path):
    part = tmp_path / "part.mp4"
    writer = VideoWriter(part, time_base=Fraction(1, 1000), rate=10)
    for number in range(3):
        writer.add(FRAMES[number], number / 10)
    writer.close()
    (tmp_path / "s.mp4").write_text("no sound")
    sound = Sound(tmp_path / "s.mp4", 0.0)
    assert join_parts([Part(part, 0, 3)], tmp_path / "o.mp4", frames=3, sound=sound)
    assert len(times_of(tmp_path / "o.mp4")) == 3


def test_without_the_tracker_earlier_results_are_kept(predictor, clip, tmp_path, monkeypatch):
    predict_video(predictor, clip, tmp_path, every=7, track=False)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.delitem(sys.modules, "instseg.video.one_class", raising=False)
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(InputError, match=r"track ids need supervision: pip install"):
        predict_video(predictor, clip, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_frames_too_large_for_the_memory_are_told_before_anything_is_written(
    weights, clip, whole, tmp_path
):
    shutil.copytree(whole, tmp_path / "out")
    small = Predictor(weights, device="cpu", memory="100MB")
    with pytest.raises(InputError, match=r"clip\.mp4: needs .* of memory, and the limit is"):
        predict_video(small, clip, tmp_path / "out")
    for path in whole.iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
