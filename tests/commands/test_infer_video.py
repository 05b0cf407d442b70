import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stand_in import TINY_CARD, stand_in_model
from video_files import moving_squares, times_of, write_video

from instseg.commands.infer import Options, run
from instseg.core.errors import ArgumentError, InputError

FRAMES = moving_squares(6)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Two videos of the same name in two folders, and a photo."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("a", "b"):
        (folder / name).mkdir()
        write_video(folder / name / "clip.mp4", FRAMES)
    Image.fromarray(FRAMES[0]).save(folder / "photo.png")
    return folder


def config(inputs: list, weights: Path, out: Path, **options) -> Options:
    sparing = {"device": "cpu", "score_threshold": 0.2, "max_detections": 4}
    return Options(
        inputs=[str(each) for each in inputs], weights=str(weights), out=out, **(sparing | options)
    )


def frames_in(folder: Path) -> list[int]:
    document = json.loads((folder / "predictions.json").read_text())
    return [image["frame_index"] for image in document["images"]]


def test_one_video_goes_to_the_output_folder(inputs, tiny_weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(config([inputs / "a" / "clip.mp4"], tiny_weights, out, every=2)) == 0
    assert frames_in(out) == [0, 2, 4]
    assert times_of(out / "overlay.mp4") == [0, 0.2, 0.4]
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["class", "instances", "tracks"]
    assert f"{out}: wrote predictions.json, tracks.csv, counts.json, overlay.mp4: " in printed.out
    assert "in 3 frames (0.4 s of video)" in printed.out
    assert printed.err == ""
    again = config([inputs / "a" / "clip.mp4"], tiny_weights, out, every=2, resume=True)
    assert run(again) == 0
    assert "; 3 frames done before" in capsys.readouterr().out


def test_several_videos_and_photos_have_a_folder_each(inputs, tiny_weights, tmp_path, capsys):
    (tmp_path / "broken.mp4").write_text("no video")
    given = [inputs / "*" / "clip.mp4", inputs / "photo.png", tmp_path / "broken.mp4"]
    out = tmp_path / "out"
    assert run(config(given, tiny_weights, out, overlay=False, track=False)) == 1
    assert frames_in(out / "clip") == frames_in(out / "clip-2") == list(range(6))
    assert not (out / "clip" / "overlay.mp4").exists()
    assert {row.split(",")[2] for row in _rows(out / "clip" / "tracks.csv")} <= {"-1"}
    document = json.loads((out / "predictions.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["photo.png"]
    problem = capsys.readouterr().err.strip()
    assert f"{tmp_path}/broken.mp4: is damaged or no video" in problem
    assert "\n" not in problem


def _rows(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


def test_a_video_that_ends_early_is_no_failure_of_all(tiny_weights, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (16, 64, 96, 3), dtype=np.uint8)
    whole = write_video(tmp_path / "whole.mkv", list(noise), times_ms=range(0, 16_000, 1000))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert run(config([whole], tiny_weights, tmp_path / "out", overlay=False)) == 1
    assert frames_in(tmp_path / "out")
    assert "what came before is kept" in capsys.readouterr().err


def test_nothing_but_a_missing_video_fails(tiny_weights, tmp_path):
    with pytest.raises(InputError, match=r"gone\.mp4: no such file; check the name"):
        run(config([tmp_path / "gone.mp4"], tiny_weights, tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crops": True}, "--crops is for photos"),
        ({"to": "cvat"}, "--to is for photos"),
        ({"semantic_map": True}, "--semantic-map is for photos"),
        ({"count_line": "1,2", "track": True}, "--count-line must be x1,y1,x2,y2"),
        ({"zone": "0,0,9,0,9,9", "track": False}, "need --track"),
        ({"every": 0}, "--every must be at least 1, not 0"),
    ],
)
def test_options_of_photos_end_in_one_line(options, words, inputs, tiny_weights, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        run(config([inputs / "a" / "clip.mp4"], tiny_weights, tmp_path, **options))
    assert words in caught.value.as_options()


def test_options_of_videos_need_one(inputs, tiny_weights, tmp_path):
    with pytest.raises(ArgumentError, match="are for videos; there is none"):
        run(config([inputs / "photo.png"], tiny_weights, tmp_path, every=2))


def test_tracks_are_counted_at_lines_and_in_zones(inputs, tmp_path, capsys):
    weights = tmp_path / "stand_in.safetensors"
    stand_in_model(TINY_CARD).save(weights)
    where = {"count_line": "50%,0,50%,100%; 0,10,96,10", "zone": "0,0,100%,0,100%,100%,0,100%"}
    options = {"score_threshold": 0.5, "max_detections": 2}
    clip, out = inputs / "a" / "clip.mp4", tmp_path / "out"
    assert run(config([clip], weights, out, **where, **options)) == 0
    counts = json.loads((out / "counts.json").read_text())
    assert [each["line"] for each in counts["lines"]] == ["50%,0,50%,100%", "0,10,96,10"]
    assert counts["zones"][0]["visited"] == counts["tracks"] != {}
    printed = capsys.readouterr().out
    assert "50%,0,50%,100%: in " in printed
    plain = tmp_path / "plain"
    assert run(config([clip], weights, plain, **options)) == 0
    overlays = [(folder / "overlay.mp4").read_bytes() for folder in (out, plain)]
    assert overlays[0] != overlays[1]


def test_overlays_are_coloured_by_track_or_by_class(inputs, tiny_weights, tmp_path):
    shown = {}
    for color_by in ("auto", "instance", "class"):
        out = tmp_path / color_by
        path = inputs / "a" / "clip.mp4"
        options = {"color_by": color_by, "score_threshold": 0.0}
        assert run(config([path], tiny_weights, out, **options)) == 0
        shown[color_by] = (out / "overlay.mp4").read_bytes()
    assert shown["auto"] == shown["instance"]
    assert shown["class"] != shown["auto"]


def test_addresses_of_photos_need_a_cluster(tiny_weights, tmp_path):
    with pytest.raises(ArgumentError, match=r"^s3://b/x.jpg: addresses of photos need ray"):
        run(config(["s3://b/x.jpg"], tiny_weights, tmp_path / "out"))
