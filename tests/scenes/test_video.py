"""Drawn videos: an MP4, its frames, and COCO JSON with tracks."""

import json
from itertools import pairwise

import numpy as np
import pytest

import instseg
from instseg.core.errors import ArgumentError
from instseg.data.coco import CocoData
from instseg.scenes.moving import draw_video
from instseg.scenes.scene import SceneConfig

CROWD = SceneConfig(size_hw=(96, 128), objects=(6, 6), seed=4)


@pytest.fixture(scope="module")
def frames():
    return list(draw_video(80, CROWD))


def test_the_same_seed_draws_the_same_and_more_frames_only_add(frames):
    for drawn, again in zip(draw_video(3, CROWD), frames[:3], strict=True):
        np.testing.assert_array_equal(drawn.image, again.image)
        assert drawn.track_ids.tolist() == again.track_ids.tolist()
    other = next(draw_video(1, SceneConfig(size_hw=(96, 128), seed=5)))
    assert (other.image != frames[0].image).any()


def test_tracks_move_smoothly_leave_and_enter(frames):
    class_of, places = {}, {}
    for index, frame in enumerate(frames):
        assert len(set(frame.track_ids.tolist())) == len(frame.instances) > 0
        middles = frame.instances.boxes.reshape(-1, 2, 2).mean(axis=1)
        rows = zip(frame.track_ids.tolist(), frame.instances.names, middles, strict=True)
        for track_id, name, middle in rows:
            assert class_of.setdefault(track_id, name) == name
            places.setdefault(track_id, []).append((index, middle))
    steps = [
        float(np.abs(after - before).max())
        for track in places.values()
        for (first, before), (second, after) in pairwise(track)
        if second == first + 1
    ]
    assert np.median(steps) < 3
    assert min(track[-1][0] for track in places.values()) < 79  # one has left
    assert max(track[0][0] for track in places.values()) > 0  # one has entered
    assert len(set(class_of.values())) <= 4


def test_masks_are_what_is_seen(frames):
    hidden = 0
    for frame in frames:
        dense = frame.instances.masks.dense()
        assert dense.sum(axis=0).max() <= 1  # no pixel belongs to two
        np.testing.assert_array_equal(frame.instances.boxes, frame.instances.masks.boxes_xyxy())
        hidden += len(frame.instances) < len(frames[0].instances)
    assert hidden


def test_a_moving_object_alone_changes_its_own_pixels_only():
    alone = SceneConfig(
        size_hw=(96, 96), objects=(1, 1), distractors=(0, 0), noise=0, classes=("clock",)
    )
    drawn = list(draw_video(12, alone))
    for before, after in pairwise(drawn):
        changed = (before.image != after.image).any(axis=2)
        either = before.instances.masks.union().dense(0) | after.instances.masks.union().dense(0)
        grown = either.copy()  # the half-transparent edge of the drawing
        for shift in (-1, 1):
            grown |= np.roll(either, shift, 0) | np.roll(either, shift, 1)
        assert changed.any()
        assert not (changed & ~grown).any()


def test_files(tmp_path):
    av = pytest.importorskip("av")
    drawn = instseg.make_scenes(out=tmp_path, images=6, video=True, size=64, seed=2)
    assert drawn.video == tmp_path / "video.mp4"
    assert repr(drawn) == f"DrawnScenes(6 frames, coco_json='{drawn.coco_json}')"
    document = json.loads(drawn.coco_json.read_text())
    assert [video["id"] for video in document["videos"]] == [1]
    assert [image["frame_index"] for image in document["images"]] == list(range(6))
    assert {image["video_id"] for image in document["images"]} == {1}
    expected = [
        track_id
        for frame in draw_video(6, SceneConfig(size_hw=(64, 64), seed=2))
        for track_id in frame.track_ids.tolist()
    ]
    assert [each["track_id"] for each in document["annotations"]] == expected
    data = CocoData.read(drawn.coco_json, drawn.images)
    assert len(data) == 6
    with av.open(str(drawn.video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 25)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(decoded) == 6
    photo = instseg.read_image(drawn.images / "000003.jpg").astype(int)
    assert np.abs(decoded[3] - photo).mean() < 12
    files = [drawn.coco_json, *sorted(drawn.images.iterdir())]
    first = [file.read_bytes() for file in files]
    instseg.make_scenes(out=tmp_path, images=6, video=True, size=64, seed=2)
    assert [file.read_bytes() for file in files] == first


@pytest.mark.parametrize("wrong", [{"start": 3}, {"size": 65}])
def test_refuses_what_is_no_video(tmp_path, wrong):
    with pytest.raises(ArgumentError, match="video needs an even size"):
        instseg.make_scenes(out=tmp_path, video=True, **wrong)
