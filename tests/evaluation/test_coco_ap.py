"""COCO AP equals pycocotools'."""

import json

import pytest

from instseg.evaluation.coco_ap import METRICS, average_precision


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_golden_numbers(coco_dir, kind):
    golden = coco_dir / "golden"
    expected = json.loads((golden / "expected_pycocotools.json").read_text())[kind]
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / expected["results"]).read_text())
    scores = average_precision(truth, results, kind)
    assert [scores[name] for name in METRICS] == pytest.approx(expected["stats"], abs=1e-9)
    assert set(scores["per_class"]) == {c["name"] for c in truth["categories"]}


def truth(boxes_xywh):
    annotations = [
        {"id": i + 1, "image_id": 1, "category_id": 7, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
        for i, b in enumerate(boxes_xywh)
    ]
    return {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "cup"}],
    }


def result(box_xywh, score):
    return {"image_id": 1, "category_id": 7, "bbox": box_xywh, "score": score}


def test_a_perfect_result_scores_one():
    box = [10, 10, 40, 40]
    scores = average_precision(truth([box]), [result(box, 0.9)], "bbox")
    assert scores["AP"] == pytest.approx(1.0)
    assert scores["per_class"] == {"cup": pytest.approx(1.0)}


def test_no_results_score_zero_and_no_truth_minus_one():
    box = [10, 10, 40, 40]
    assert average_precision(truth([box]), [], "bbox")["AP"] == 0
    assert average_precision(truth([]), [result(box, 0.9)], "bbox")["AP"] == -1


def test_inputs_stay_as_they_are():
    document, results = truth([[10, 10, 40, 40]]), [result([10, 10, 40, 40], 0.9)]
    before = json.dumps([document, results])
    average_precision(document, results, "bbox")
    assert json.dumps([document, results]) == before
