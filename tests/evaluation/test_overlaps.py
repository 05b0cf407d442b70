"""The pairs of detections and objects, against pycocotools' IoU."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from instseg.evaluation.overlaps import find_overlaps

SQUARE = [10, 10, 10, 10]
LEFT_HALF = [10, 10, 5, 10]


def truth(*annotations, n_images=1):
    """Annotations as (image, category, box) or (image, category, box, "crowd")."""
    return {
        "images": [{"id": i, "height": 40, "width": 60} for i in range(1, n_images + 1)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "segmentation": polygons(box),
                "iscrowd": len(crowd),
            }
            for i, (image, category, box, *crowd) in enumerate(annotations)
        ],
        "categories": [{"id": 7, "name": "cup"}, {"id": 3, "name": "fork"}],
    }


def polygons(box):
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def result(image, category, box, score):
    coded = coco_mask.merge(coco_mask.frPyObjects(polygons(box), 40, 60))
    return {
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "segmentation": {"size": coded["size"], "counts": coded["counts"].decode()},
        "score": score,
    }


def pairs(found):
    return list(
        zip(found.detections.tolist(), found.objects.tolist(), found.ious.tolist(), strict=True)
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_pairs_come_by_score_and_then_by_iou(kind):
    document = truth((1, 3, LEFT_HALF), (2, 7, LEFT_HALF), (2, 7, SQUARE), n_images=2)
    results = [result(2, 7, SQUARE, 0.5), result(2, 3, LEFT_HALF, 0.8), result(1, 7, SQUARE, 0.1)]
    found = find_overlaps(document, results, kind, min_iou=0.1)
    assert found.scores.tolist() == [0.1, 0.8, 0.5]
    assert found.detection_classes.tolist() == [1, 0, 1]  # 3 is class 0, 7 is class 1
    assert found.object_classes.tolist() == [0, 1, 1]
    assert pairs(found) == [(0, 0, 0.5), (1, 1, 1.0), (1, 2, 0.5), (2, 2, 1.0), (2, 1, 0.5)]


def test_images_come_as_the_truth_lists_them():
    document = truth((1, 3, SQUARE), (2, 7, SQUARE), n_images=2)
    document["images"].reverse()
    results = [result(1, 7, SQUARE, 0.5), result(2, 3, SQUARE, 0.5), result(2, 7, SQUARE, 0.9)]
    found = find_overlaps(document, results, "bbox", min_iou=0.1)
    assert found.results.tolist() == [2, 1, 0]
    assert found.ranks.tolist() == [0, 1, 0]
    assert found.annotations.tolist() == [1, 0]
    assert pairs(found) == [(0, 0, 1.0), (1, 0, 1.0), (2, 1, 1.0)]
    best = find_overlaps(document, results, "bbox", min_iou=0.1, max_dets=1)
    assert best.results.tolist() == [2, 0]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_crowds_stand_apart_and_count_for_their_own_class(kind):
    document = truth((1, 7, [0, 0, 15, 40], "crowd"), (1, 3, SQUARE))
    results = [result(1, 7, SQUARE, 0.9), result(1, 3, SQUARE, 0.8)]
    found = find_overlaps(document, results, kind, min_iou=0.1)
    assert found.crowd_ious.tolist() == [0.5, 0]  # half of it lies in the crowd
    assert found.object_classes.tolist() == [0]
    assert pairs(found) == [(0, 0, 1.0), (1, 0, 1.0)]


def test_of_equal_ious_the_own_class_comes_first():
    document = truth((1, 3, SQUARE), (1, 7, SQUARE))
    found = find_overlaps(document, [result(1, 7, SQUARE, 0.9)], "bbox", min_iou=0.5)
    assert found.objects.tolist() == [1, 0]
    assert found.same_class.tolist() == [True, False]


def test_only_the_best_scored_of_each_image_count():
    document = truth((1, 3, SQUARE), n_images=2)
    results = [result(1 + i % 2, 3, SQUARE, i / 10) for i in range(10)]
    found = find_overlaps(document, results, "bbox", min_iou=0.5, max_dets=2)
    assert found.scores.tolist() == [0.8, 0.6, 0.9, 0.7]


def test_a_detection_takes_the_best_free_object():
    document = truth((1, 3, LEFT_HALF), (1, 3, SQUARE))
    results = [result(1, 3, SQUARE, score) for score in (0.9, 0.8, 0.7)]
    found = find_overlaps(document, results, "bbox", min_iou=0.5)
    everything = np.ones(len(found.ious), dtype=bool)
    assert found.match(everything).tolist() == [1, 0, -1]
    assert found.match(found.ious > 0.5).tolist() == [1, -1, -1]


def test_what_the_truth_does_not_list_is_left_out():
    document = truth((1, 3, SQUARE), (9, 3, SQUARE), (1, 99, SQUARE))
    results = [result(9, 3, SQUARE, 0.9), result(1, 99, SQUARE, 0.9), result(1, 3, SQUARE, 0.5)]
    found = find_overlaps(document, results, "bbox", min_iou=0.5)
    assert found.scores.tolist() == [0.5]
    assert pairs(found) == [(0, 0, 1.0)]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_nothing_overlaps_nothing(kind):
    for document, results in (
        (truth(), []),
        (truth((1, 3, SQUARE)), []),
        (truth(), [result(1, 3, SQUARE, 0.9)]),
    ):
        found = find_overlaps(document, results, kind, min_iou=0.1)
        assert len(found.ious) == 0
        assert len(found.scores) == len(results)
        assert len(found.object_classes) == len(document["annotations"])


def test_every_form_of_segmentation_is_read():
    polygon = truth((1, 3, SQUARE))
    coded = coco_mask.merge(coco_mask.frPyObjects(polygons(SQUARE), 40, 60))
    runs = [10 * 40 + 10, *[10, 30] * 9, 10, 40 * 60 - 20 * 40 + 20]
    plain = {"size": [40, 60], "counts": runs}
    for segmentation in (polygons(SQUARE), coded, plain):
        polygon["annotations"][0]["segmentation"] = segmentation
        found = find_overlaps(polygon, [result(1, 3, SQUARE, 0.9)], "segm", min_iou=0.1)
        assert pairs(found) == [(0, 0, 1.0)]
    polygon["annotations"][0]["segmentation"] = []  # an empty mask
    assert not pairs(find_overlaps(polygon, [result(1, 3, SQUARE, 0.9)], "segm", min_iou=0.1))


def test_real_annotations_find_themselves(coco_dir):
    document = json.loads((coco_dir / "annotations" / "instances_val2017.json").read_text())
    results = [{**a, "score": 1 / a["id"]} for a in document["annotations"] if not a["iscrowd"]]
    for kind in ("bbox", "segm"):
        found = find_overlaps(document, results, kind, min_iou=0.1)
        assert len(found.object_classes) == len(found.scores) == len(results)
        matched = found.match(found.same_class & (found.ious >= 1 - 1e-9))
        assert sorted(matched.tolist()) == list(range(len(results)))
