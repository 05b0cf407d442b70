"""Counts of tracks, lines and zones."""

import json

import numpy as np
import pytest

from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.scenes.moving import draw_video
from instseg.scenes.scene import SceneConfig

pytest.importorskip("supervision")
from instseg.video.counts import Counter

SIZE_HW = (100, 200)


def dots(*places, class_ids):
    crops = [np.ones((4, 4), dtype=bool)] * len(places)
    masks = Masks.from_crops(crops, [(y - 2, x - 2) for x, y in places], SIZE_HW)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=class_ids,
        scores=np.ones(len(places)),
        masks=masks,
        class_names=("BG", "cat", "dog"),
    )


def test_true_tracks_are_counted_once():
    counter, seen = Counter(), {}
    for frame in draw_video(40, SceneConfig(size_hw=(96, 96), seed=1)):
        counter.update(frame.instances, frame.track_ids)
        seen |= dict(zip(frame.track_ids.tolist(), frame.instances.names, strict=True))
    names = list(seen.values())
    assert counter.result().tracks == {name: names.count(name) for name in names}


@pytest.mark.parametrize("line", ["0,50,200,50", "0%,50%,100%,50%", "0,50%,200,50"])
def test_lines_count_both_ways(line):
    counter = Counter(lines=[line])
    for t in range(11):  # a cat and a dog go up, another cat goes down, one cat has no id
        y = 80 - 6 * t
        found = dots((30, y), (60, y), (90, 100 - y), (120, y), class_ids=[1, 2, 1, 1])
        counter.update(found, np.array([1, 2, 3, -1]))
    (counted,) = counter.result().lines
    assert (counted.line, counted.in_, counted.out) == (line, {"cat": 1, "dog": 1}, {"cat": 1})
    assert counter.result().texts() == ["in 2, out 1"]


def test_zones_count_who_is_there_and_who_was(tmp_path):
    counter = Counter(zones=["0,0,25%,0,25%,100%,0,100%", "50%,0,100%,0,75%,100%"])
    for t in range(10):
        found = dots((10 + 10 * t, 50), (20, 20), class_ids=[1, 2])
        counter.update(found, np.array([1, 2]))
    left, right = counter.result().zones
    assert (left.inside, left.visited) == ({"dog": 1}, {"cat": 1, "dog": 1})
    assert (right.inside, right.visited) == ({}, {})
    assert counter.result().texts() == ["inside 1, visited 2", "inside 0, visited 0"]
    counter.result().write(tmp_path / "counts.json")
    document = json.loads((tmp_path / "counts.json").read_text())
    assert document["tracks"] == {"cat": 1, "dog": 1}
    assert document["zones"][0]["visited"] == {"cat": 1, "dog": 1}
    shapes = counter.shapes(SIZE_HW)
    assert shapes[1].tolist() == [[100, 0], [200, 0], [150, 100]]


def test_nothing_was_seen():
    counts = Counter(lines=["0,0,9,9"], zones=["0,0,9,0,9,9"]).result()
    assert (counts.tracks, counts.texts()) == ({}, ["in 0, out 0", "inside 0, visited 0"])
    assert counts.to_json()["lines"] == [{"line": "0,0,9,9", "in": {}, "out": {}}]


@pytest.mark.parametrize("wrong", ["", "1,2,3", "1,2,3,x", "1,2,3,nan", "1,2,3,4,5,6", "5,5,5,5"])
def test_refuses_what_is_no_line(wrong):
    with pytest.raises(ArgumentError, match="count_line") as refused:
        Counter(lines=[wrong])
    assert "--count-line must" in refused.value.as_options()


@pytest.mark.parametrize("wrong", ["", "1,2,3,4", "1,2,3,4,5"])
def test_refuses_what_is_no_zone(wrong):
    with pytest.raises(ArgumentError, match=r"zone.* must be x1,y1,x2,y2,x3,y3"):
        Counter(zones=[wrong])


@pytest.mark.parametrize("which", ["lines", "zones"])
@pytest.mark.parametrize("place", ["300,10,400,20,350,5", "10,-20,50,-4,30,-9"])
def test_what_lies_outside_of_the_frames_is_refused(which, place):
    text = ",".join(place.split(",")[:4]) if which == "lines" else place
    counter = Counter(**{which: [text]})
    with pytest.raises(ArgumentError, match=f"{text} lies outside of the frames of 200 x 100 px"):
        counter.update(dots((5, 5), class_ids=[1]), np.array([1]))
