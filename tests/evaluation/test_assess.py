"""Everything that is said about one result."""

import json

import pytest

from instseg.evaluation.assess import assess, detection_limits, score_differences

HALF = 50


@pytest.fixture(scope="module")
def golden(coco_dir):
    folder = coco_dir / "golden"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakesegm100_results.json").read_text())
    return truth, results


@pytest.fixture(scope="module")
def expected_ap(coco_dir):
    """By pycocotools; 0.3195452758576433 for the results that come with the COCO API."""
    expected = json.loads((coco_dir / "golden" / "expected_pycocotools.json").read_text())
    return expected["segm"]["stats"][0]


def test_metrics_hold_scores_within_their_intervals_as_plain_json(golden, expected_ap):
    found = assess(*golden, "segm", resamples=200)
    block = json.loads(json.dumps(found.summary.to_dict(), allow_nan=False))
    assert block["scores"]["AP"] == pytest.approx(expected_ap, abs=1e-9)
    for name, (low, high) in block["intervals"].items():
        assert low < block["scores"][name] < high
    person = block["per_class"][0]
    people = [a for a in golden[0]["annotations"] if a["category_id"] == 1 and not a["iscrowd"]]
    assert (person["class"], person["objects"]) == ("person", len(people))
    assert person["AP_low"] < person["AP"] < person["AP_high"]
    assert found.summary.thresholds["person"] == person["threshold"]
    assert set(block["errors"]["costs"]) > {"localisation", "missed"}
    assert len(block["confusion"]) == 81


def test_a_class_without_objects_has_none_for_numbers(golden):
    rows = assess(*golden, "segm", resamples=100).summary.per_class
    absent = next(row for row in rows if row.objects == 0)
    assert absent.AP is None
    assert absent.AP_low is None
    assert absent.threshold is None


def test_a_worse_result_on_the_same_data_is_told_apart(golden):
    truth, results = golden
    kept = {image["id"] for image in truth["images"][:HALF]}
    worse = [r for i, r in enumerate(results) if r["image_id"] not in kept or i % 2]
    first, second = (assess(truth, each, "segm", resamples=200) for each in (results, worse))
    difference = score_differences(first, second)["AP"]
    assert difference.difference < 0
    assert difference.interval[1] < 0
    assert difference.p < 0.05
    same = score_differences(first, first)["AP"]
    assert (same.difference, same.p) == (0, 1)


def test_one_photo_has_scores_but_no_intervals(golden):
    truth, results = golden
    image = truth["images"][0]
    one = {
        **truth,
        "images": [image],
        "annotations": [a for a in truth["annotations"] if a["image_id"] == image["id"]],
    }
    mine = [r for r in results if r["image_id"] == image["id"]]
    first, second = assess(one, mine, "segm", resamples=100), assess(one, [], "segm", resamples=100)
    assert first.evaluation.scores["AP"] > 0
    assert first.intervals["AP"] is None
    assert score_differences(first, second)["AP"].p is None
    json.dumps(
        [first.summary.to_dict(), score_differences(first, second)["AP"].to_dict()], allow_nan=False
    )


def test_classes_that_are_always_confused_show_in_the_matrix():
    def box(category_id, **more):
        return {"image_id": 1, "category_id": category_id, "bbox": [10, 10, 20, 20], **more}

    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "annotations": [box(1, id=1, area=400, iscrowd=0)],
        "categories": [{"id": 1, "name": "pig"}, {"id": 2, "name": "cow"}],
    }
    found = assess(truth, [box(2, score=0.9)], "bbox", resamples=100)
    pig, cow = 1, 2
    assert found.explanation.confusion[pig, cow] == 1


def test_crowded_images_are_measured_with_more_detections():
    def crowded(count):
        return {"annotations": [{"image_id": 1}] * count}

    assert detection_limits(crowded(100)) == (1, 10, 100)
    assert detection_limits(crowded(101)) == (1, 10, 100, 300)
    assert detection_limits(crowded(400)) == (1, 10, 100, 300, 1000)
    assert detection_limits({"annotations": []}) == (1, 10, 100)
