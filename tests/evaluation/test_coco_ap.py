"""COCO AP equals pycocotools'."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from instseg.evaluation.bootstrap import resample
from instseg.evaluation.coco_ap import METRICS, average_precision, measure_ap
from instseg.evaluation.referee import disagreements, referee_scores

SIDE = 120


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_golden_numbers(coco_dir, kind):
    golden = coco_dir / "golden"
    expected = json.loads((golden / "expected_pycocotools.json").read_text())[kind]
    truth = json.loads((golden / "instances_val2014_100.json").read_text())
    results = json.loads((golden / expected["results"]).read_text())
    scores = average_precision(truth, results, kind)
    assert [scores[name] for name in METRICS] == pytest.approx(expected["stats"], abs=1e-9)
    assert set(scores["per_class"]) == {c["name"] for c in truth["categories"]}


def noisy_copies(truth, rng):
    """Detections for most objects: moved, sometimes of another class or found twice."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    category_ids = [category["id"] for category in truth["categories"]]
    results = []
    for annotation in truth["annotations"]:
        for _ in range(rng.integers(0, 3)):
            shape = annotation["segmentation"]
            if isinstance(shape, dict):
                rle = coco_mask.frPyObjects(shape, *sizes[annotation["image_id"]])
            else:
                moved = [(np.array(part) + rng.normal(0, 3)).tolist() for part in shape]
                rle = coco_mask.merge(coco_mask.frPyObjects(moved, *sizes[annotation["image_id"]]))
            known = rng.random() < 0.9
            results.append(
                {
                    "image_id": annotation["image_id"],
                    "category_id": annotation["category_id"]
                    if known
                    else int(rng.choice(category_ids)),
                    "segmentation": {**rle, "counts": rle["counts"].decode()},
                    "bbox": (np.array(annotation["bbox"]) + rng.normal(0, 4, 4)).tolist(),
                    "score": round(float(rng.random()), 2),  # with ties
                }
            )
    return results


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_noisy_copies_of_real_annotations_score_as_pycocotools_says(coco_dir, kind):
    truth = json.loads((coco_dir / "annotations" / "instances_val2017.json").read_text())
    results = noisy_copies(truth, np.random.default_rng(0))
    scores = measure_ap(truth, results, kind).scores
    assert scores["AP"] > 0.1
    assert disagreements(scores, referee_scores(truth, results, kind)) == []


def document(annotations, images=3):
    return {
        "images": [{"id": 7 * i, "height": SIDE, "width": SIDE} for i in range(images)],
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations, start=1)],
        "categories": [{"id": i, "name": f"class {i}"} for i in (0, 3, 90)],
    }


def rectangle(x, y, width, height):
    polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    rle = coco_mask.merge(coco_mask.frPyObjects([polygon], SIDE, SIDE))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


@st.composite
def shapes(draw, **more):
    """A rectangle, few enough of them possible that overlaps and ties are common."""
    box = [draw(st.sampled_from([0, 8, 16, 20])) for _ in range(2)]
    box += [draw(st.sampled_from([8, 20, 33, 100])) for _ in range(2)]
    return {
        "image_id": draw(st.sampled_from([0, 7, 14])),
        "category_id": draw(st.sampled_from([0, 3, 90])),
        "bbox": box,
        "segmentation": rectangle(*box),
        "area": box[2] * box[3],
        **{key: draw(values) for key, values in more.items()},
    }


@settings(max_examples=60)
@given(
    annotations=st.lists(shapes(iscrowd=st.sampled_from([0, 0, 0, 1])), max_size=12),
    results=st.lists(shapes(score=st.sampled_from([0.1, 0.5, 0.5, 0.9])), max_size=25),
)
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_any_data_scores_as_pycocotools_says(kind, annotations, results):
    """Ties, crowds, empty images, no detections, no objects."""
    truth = document(annotations)
    found = [{k: v for k, v in r.items() if k != "area"} for r in results]
    evaluation = measure_ap(truth, found, kind)
    scores = evaluation.scores
    assert disagreements(scores, referee_scores(truth, found, kind)) == []
    counted = resample(evaluation.matches, np.ones((3, 1), dtype=np.float32)).scores
    counted = {name: np.nan_to_num(value[0], nan=-1) for name, value in counted.items()}
    assert counted == pytest.approx({name: scores[name] for name in counted}, abs=1e-6)


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
    given_truth, results = truth([[10, 10, 40, 40]]), [result([10, 10, 40, 40], 0.9)]
    before = json.dumps([given_truth, results])
    average_precision(given_truth, results, "bbox")
    assert json.dumps([given_truth, results]) == before


def test_objects_beyond_the_hundredth_show_where_more_detections_count():
    boxes = [[x, y, 8, 8] for x in range(0, 96, 8) for y in range(0, 96, 8)]
    results = [result(box, 0.9 - i / 1000) for i, box in enumerate(boxes)]
    scores = measure_ap(truth(boxes), results, "bbox", max_detections=(1, 10, 100, 300)).scores
    assert scores["AR100"] == pytest.approx(100 / len(boxes))
    assert scores["AR300"] == pytest.approx(1)
    assert scores["AP_300"] > scores["AP"]


def test_a_class_has_its_own_numbers():
    document_of_two = truth([[10, 10, 20, 20], [50, 50, 40, 40]])
    document_of_two["categories"].append({"id": 9, "name": "bowl"})
    document_of_two["annotations"][1]["category_id"] = 9
    found = measure_ap(document_of_two, [result([10, 10, 20, 20], 0.5)], "bbox")
    assert found.class_names == ("cup", "bowl")
    assert found.objects == (1, 1)
    assert found.per_class["cup"]["AP"] == pytest.approx(1)
    assert found.per_class["cup"]["APs"] == pytest.approx(1)
    assert found.per_class["cup"]["APm"] == -1
    assert found.per_class["bowl"]["AP"] == 0


def test_the_size_of_a_mask_is_its_own_and_not_its_boxs():
    """A thin ring in a large box is a small object, and so is the mask that finds it."""
    ring = np.zeros((SIDE, SIDE), dtype=np.uint8, order="F")
    ring[10:60, 10:60], ring[13:57, 13:57] = 1, 0
    rle = coco_mask.encode(ring)
    segmentation = {**rle, "counts": rle["counts"].decode()}
    common = {"image_id": 0, "category_id": 3, "segmentation": segmentation}
    annotations = [{**common, "bbox": [10, 10, 50, 50], "area": int(ring.sum()), "iscrowd": 0}]
    lost = {**common, "segmentation": rectangle(80, 80, 20, 20), "bbox": [0, 0, 100, 100]}
    results = [{**common, "bbox": [10, 10, 50, 50], "score": 0.5}, {**lost, "score": 0.9}]
    scores = measure_ap(document(annotations), results, "segm").scores
    assert scores["APs"] == pytest.approx(0.5)  # the small mask that is lost counts against it
