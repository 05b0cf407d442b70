"""How each detection fared."""

import numpy as np

from instseg.evaluation.coco_ap import measure_ap

LARGE = [0, 0, 40, 40]


def matches(objects, found):
    """Objects (box, crowd) and detections (box, score) of one image and class."""
    truth = {
        "images": [{"id": 5, "height": 100, "width": 100}],
        "annotations": [
            {
                "id": number,
                "image_id": 5,
                "category_id": 7,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": crowd,
            }
            for number, (box, crowd) in enumerate(objects, start=1)
        ],
        "categories": [{"id": 7, "name": "cup"}],
    }
    results = [
        {"image_id": 5, "category_id": 7, "bbox": box, "score": score} for box, score in found
    ]
    return measure_ap(truth, results, "bbox").matches


def fates(found):
    """Of all sizes at IoU 0.5: what became of each detection, by falling score."""
    pairs = zip(found.det_true[0, 0], found.det_ignored[0, 0], strict=True)
    return ["true" if true else "ignored" if ignored else "false" for true, ignored in pairs]


def test_the_best_scored_takes_the_object_and_the_second_is_false():
    found = matches([(LARGE, 0)], [([0, 0, 40, 36], 0.5), ([0, 0, 40, 30], 0.9)])
    assert found.det_score.tolist() == [0.9, 0.5]
    assert fates(found) == ["true", "false"]


def test_thresholds_above_the_overlap_are_not_met():
    found = matches([(LARGE, 0)], [([0, 0, 40, 30], 0.9)])  # IoU 0.75
    assert found.det_true[0, :, 0].tolist() == [True] * 6 + [False] * 4


def test_a_crowd_takes_any_number_but_objects_go_first():
    objects = [(LARGE, 1), ([0, 0, 20, 20], 0)]
    found = [([0, 0, 20, 20], 0.9), ([0, 0, 20, 20], 0.8), ([5, 5, 20, 20], 0.7)]
    assert fates(matches(objects, found)) == ["true", "ignored", "ignored"]


def test_an_object_of_another_size_is_neither_hit_nor_miss():
    found = matches([(LARGE, 0)], [(LARGE, 0.9), ([60, 60, 10, 10], 0.5)])
    small, medium = 1, 2
    assert found.det_ignored[small, 0].tolist() == [True, False]
    assert found.det_true[medium, 0].tolist() == [True, False]
    assert found.det_ignored[medium, 0].tolist() == [False, True]
    assert found.gt_ignored[:, 0].tolist() == [False, True, False, True]


def test_detections_beyond_the_hundredth_are_left_out():
    found = matches([(LARGE, 0)], [(LARGE, i / 200) for i in range(120)])
    assert len(found.det_score) == 100
    assert found.det_rank.tolist() == list(range(100))
    assert found.det_score.min() == 20 / 200


def test_ids_of_images_and_classes_are_rows():
    found = matches([(LARGE, 0)], [(LARGE, 0.9)])
    assert found.image_ids.tolist() == [5]
    assert found.category_ids.tolist() == [7]
    assert (found.det_image.tolist(), found.det_class.tolist()) == ([0], [0])


def test_no_detections_and_no_objects():
    found = matches([], [])
    assert found.det_true.shape == (4, 10, 0)
    assert found.gt_ignored.shape == (4, 0)
    assert np.isin(found.image_ids, [5]).all()
