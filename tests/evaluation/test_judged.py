"""What is right and wrong on each photo: the marks, and that they add up to the other analyses."""

import json

import mistaken_results as given
import numpy as np
import pytest

from instseg.evaluation.confusion import confusion_matrix
from instseg.evaluation.error_taxonomy import error_taxonomy
from instseg.evaluation.judged import judge
from instseg.evaluation.overlaps import find_overlaps

KINDS = ("bbox", "segm")


def judged(kind="segm", least=given.LEAST):
    return judge(given.truth(), given.results(), kind, least)


@pytest.mark.parametrize("kind", KINDS)
def test_each_detection_and_object_has_its_mark(kind):
    found, results, truth = judged(kind), given.results(), given.truth()
    marks = {
        results[row]["score"]: found.detection_mark(i)
        for i, row in enumerate(found.overlaps.results.tolist())
    }
    assert marks == {
        0.9: "hit",
        0.8: "wrong class",
        0.75: "badly placed",
        0.95: "hit",
        0.7: "duplicate",
        0.5: "hit",
        0.45: "hit",
        0.4: "hit",
        0.6: "false positive",
        0.85: "",  # in the crowd
    }
    ids = [truth["annotations"][row]["id"] for row in found.overlaps.annotations.tolist()]
    assert dict(zip(ids, map(found.object_mark, range(len(ids))), strict=True)) == {
        100: "hit",
        101: "wrong class",
        102: "badly placed",
        103: "hit",
        104: "miss",
        105: "hit",
        106: "hit",
        107: "hit",
    }


def test_photos_have_their_f1():
    found = judged()
    assert found.hits.tolist() == [1, 3, 0, 1]  # apart, crowd, empty, twice
    assert found.false.tolist() == [2, 1, 0, 1]  # not the one in the crowd
    assert found.misses.tolist() == [2, 0, 0, 1]
    assert found.f1.tolist() == [2 / 6, 6 / 7, 1, 2 / 4]


def test_a_missed_object_tells_of_detections_below_the_threshold():
    found = judged()
    (missed,) = np.flatnonzero(found.errors.missed).tolist()
    assert found.unsure == {missed: (0.2, pytest.approx(28 / 32))}
    assert judged(least={"cup": 0.1, "dog": 0.1}).unsure == {}


def test_a_photo_without_objects_and_detections_is_right():
    truth = given.truth() | {"annotations": []}
    assert judge(truth, [], "bbox", {}).f1.tolist() == [1, 1, 1, 1]
    assert judge(truth, given.results(), "bbox", given.LEAST).f1.tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_matrix_is_that_of_the_error_analysis(coco_dir, kind):
    truth, results = golden(coco_dir, kind)
    names = [c["name"] for c in sorted(truth["categories"], key=lambda c: c["id"])]
    least = {name: (i % 7) / 10 for i, name in enumerate(names)}
    found = judge(truth, results, kind, least)
    overlaps = find_overlaps(truth, results, kind, min_iou=0.5)
    expected = confusion_matrix(overlaps, score_threshold=np.array([*least.values()]))
    assert (found.matrix == expected).all()


@pytest.mark.parametrize("kind", KINDS)
def test_marks_of_all_detections_are_the_errors_that_are_counted(coco_dir, kind):
    truth, results = golden(coco_dir, kind)
    names = [category["name"] for category in truth["categories"]]
    found = judge(truth, results, kind, dict.fromkeys(names, 0.0))
    counts = error_taxonomy(find_overlaps(truth, results, kind, min_iou=0.1)).counts
    detections = [found.detection_mark(i) for i in range(len(found.overlaps.scores))]
    objects = [found.object_mark(i) for i in range(len(found.overlaps.object_classes))]
    in_crowds = np.bincount(found.errors.types[found.in_crowd], minlength=6)
    for mark, names in {
        "wrong class": ["classification"],
        "badly placed": ["localisation"],
        "false positive": ["both", "background"],
        "duplicate": ["duplicate"],
    }.items():
        expected = sum(counts[name] - in_crowds[list(counts).index(name)] for name in names)
        assert detections.count(mark) == expected
    assert objects.count("miss") == counts["missed"]
    assert objects.count("hit") == detections.count("hit") == found.hits.sum()


def golden(coco_dir, kind):
    folder = coco_dir / "golden"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / f"instances_val2014_fake{kind}100_results.json").read_text())
    return truth, results
